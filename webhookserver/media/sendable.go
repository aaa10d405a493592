package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// headSize is how much of a file is looked at to tell its type.
const headSize = 512

const taken = "It takes pictures (JPEG, PNG), videos (MP4, 3GP), audio (AAC, AMR, MP3, M4A, Ogg Opus), documents (PDF, text, Word, Excel, " +
	"PowerPoint) and stickers (WebP)."

// typeOfExtension is for files whose type nobody says.
var typeOfExtension = map[string]string{
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".mp4": "video/mp4", ".3gp": "video/3gpp",
	".aac": "audio/aac", ".amr": "audio/amr", ".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".ogg": "audio/ogg", ".opus": "audio/ogg",
	".pdf": "application/pdf", ".txt": "text/plain", ".doc": "application/msword", ".xls": "application/vnd.ms-excel",
	".ppt":  "application/vnd.ms-powerpoint",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}

// UnsendableError says why WhatsApp does not take a file.
type UnsendableError struct{ Reason string }

func (e *UnsendableError) Error() string { return e.Reason }

func unsendable(format string, values ...any) error {
	return &UnsendableError{Reason: fmt.Sprintf(format, values...)}
}

// ErrIncomplete means that the source of a file failed before its end.
var ErrIncomplete = errors.New("the file could not be read to its end")

// Sendable is a file that an agent wants to send, as its source describes it.
type Sendable struct {
	Name string
	// Type is the media type that the source says; empty or application/octet-stream for what the name says.
	Type    string
	Content io.Reader
}

// CopyTo copies the file if WhatsApp takes it, and returns what it is; the caller knows its ID, its size and its hash.
// The error is an *UnsendableError, ErrIncomplete with what the source says, or that of the copy.
func (s Sendable) CopyTo(w io.Writer) (conversation.File, error) {
	name := conversation.SafeName(s.Name)
	if name == "" {
		name = "file"
	}
	mimeType := typeOf(s.Type, name)
	kind, known := cloudapi.KindOfMedia(mimeType)
	if !known {
		return conversation.File{}, unsendable("WhatsApp does not take files of the type %s. %s", mimeType, taken)
	}
	head := make([]byte, headSize)
	n, err := io.ReadFull(s.Content, head)
	head = head[:n]
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return conversation.File{}, unsendable("The file is empty.")
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
		return conversation.File{}, fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	if why := contradicts(mimeType, kind, head); why != "" {
		return conversation.File{}, unsendable("%s", why)
	}
	content := &source{Reader: io.MultiReader(bytes.NewReader(head), s.Content)}
	size, err := io.Copy(w, io.LimitReader(content, kind.MaxSize()+1))
	switch {
	case content.failed != nil:
		return conversation.File{}, fmt.Errorf("%w: %w", ErrIncomplete, content.failed)
	case err != nil:
		return conversation.File{}, err
	case size > kind.MaxSize():
		return conversation.File{}, unsendable("The file is too large. WhatsApp takes at most %s as %s.", Mebibytes(kind.MaxSize()), kind)
	}
	return conversation.File{Kind: string(kind), Name: name, MIMEType: mimeType}, nil
}

// source tells a failure of the source from one of the copy.
type source struct {
	io.Reader
	failed error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = err
	}
	return n, err
}

func typeOf(declared, name string) string {
	base, _, err := mime.ParseMediaType(declared)
	if err == nil && base != "application/octet-stream" {
		return base
	}
	if known, ok := typeOfExtension[strings.ToLower(path.Ext(name))]; ok {
		return known
	}
	return "application/octet-stream"
}

// contradicts says why a file is not what its type says, as far as the beginning shows that; empty if it may be.
func contradicts(mimeType string, kind cloudapi.MediaKind, head []byte) string {
	looks, _, _ := strings.Cut(http.DetectContentType(head), ";")
	switch {
	case kind == cloudapi.MediaImage, kind == cloudapi.MediaSticker, mimeType == "application/pdf":
		if looks != mimeType {
			return fmt.Sprintf("The file says that it is %s, but its content is not. Save it in that format, or send it as what it is.", mimeType)
		}
	case mimeType == "audio/ogg":
		opus := bytes.Index(head, []byte("OpusHead"))
		// The number of channels follows the name and a version.
		if opus < 0 || opus+9 >= len(head) || head[opus+9] != 1 {
			return "Of Ogg files, WhatsApp takes only Opus with one channel (mono)."
		}
	}
	return ""
}

// Mebibytes words a size for people.
func Mebibytes(size int64) string {
	if size < 1<<20 {
		return strconv.FormatInt(size>>10, 10) + " KiB"
	}
	return strconv.FormatInt(size>>20, 10) + " MiB"
}
