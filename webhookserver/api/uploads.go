package api

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// maxUpload bounds the body of a reply with files, in bytes: one file of the largest kind, and some small ones.
	maxUpload = cloudapi.MaxMediaSize + 28<<20
	// maxFiles bounds the files of a reply.
	maxFiles = 10
	// transferTime bounds requests that carry files.
	transferTime = 5 * time.Minute
	// headSize is how much of a file is looked at to tell its type.
	headSize = 512
)

const taken = "It takes pictures (JPEG, PNG), videos (MP4, 3GP), audio (AAC, AMR, MP3, M4A, Ogg Opus), documents (PDF, text, Word, Excel, " +
	"PowerPoint) and stickers (WebP)."

// typeOfExtension is for files whose type the caller does not say.
var typeOfExtension = map[string]string{
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".mp4": "video/mp4", ".3gp": "video/3gpp",
	".aac": "audio/aac", ".amr": "audio/amr", ".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".ogg": "audio/ogg", ".opus": "audio/ogg",
	".pdf": "application/pdf", ".txt": "text/plain", ".doc": "application/msword", ".xls": "application/vnd.ms-excel",
	".ppt":  "application/vnd.ms-powerpoint",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}

func isMultipart(r *http.Request) bool {
	contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return contentType == "multipart/form-data"
}

// upload is a file of a reply that is not kept yet.
type upload struct {
	*media.Draft
	file conversation.File
}

// readReply reads a reply, as JSON or as a form with files. The files are the caller's to keep or discard, also where
// there is an error.
func (h *Handler) readReply(r *http.Request) (reply wire.Reply, files []upload, err error) {
	if !isMultipart(r) {
		err := decode(r, &reply)
		return reply, nil, err
	}
	form, err := r.MultipartReader()
	if err != nil {
		return reply, nil, badForm(err)
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return reply, files, nil
		}
		if err != nil {
			return reply, files, badForm(err)
		}
		switch name := part.FormName(); {
		case part.FileName() != "" && len(files) == maxFiles:
			return reply, files, &problem{http.StatusBadRequest, "invalid", fmt.Sprintf("A reply has at most %d files; send the others with another one.", maxFiles)}
		case part.FileName() != "":
			file, err := h.readFile(part)
			if file.Draft != nil {
				files = append(files, file)
			}
			if err != nil {
				return reply, files, err
			}
		case name == "text":
			reply.Text, err = readField(part)
		case name == "format":
			reply.Format, err = readField(part)
		default:
			err = &problem{http.StatusBadRequest, "invalid", "The form has a field that is not known. The fields are text and format; everything else must be a file with a name."}
		}
		if err != nil {
			return reply, files, err
		}
	}
}

func badForm(err error) error {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return &problem{http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("The files of a reply together must not have more than %s.", mebibytes(maxUpload))}
	}
	return &problem{http.StatusBadRequest, "invalid", "The request's form cannot be read; send multipart/form-data with the fields text and format, and files."}
}

func readField(part *multipart.Part) (string, error) {
	value, err := io.ReadAll(io.LimitReader(part, maxRequest+1))
	if err != nil {
		return "", badForm(err)
	}
	if len(value) > maxRequest {
		return "", &problem{http.StatusRequestEntityTooLarge, "too-large", "The text is too large."}
	}
	return string(value), nil
}

// readFile writes a file of a form to the volume, unless WhatsApp would refuse it.
func (h *Handler) readFile(part *multipart.Part) (upload, error) {
	name := cmp.Or(conversation.SafeName(part.FileName()), "file")
	refuse := func(format string, values ...any) error {
		return &problem{http.StatusUnprocessableEntity, "file-refused", fmt.Sprintf("%q: ", name) + fmt.Sprintf(format, values...)}
	}
	mimeType := typeOf(part.Header.Get("Content-Type"), name)
	kind, known := cloudapi.KindOfMedia(mimeType)
	if !known {
		return upload{}, refuse("WhatsApp does not take files of the type %s. %s", mimeType, taken)
	}
	head := make([]byte, headSize)
	n, err := io.ReadFull(part, head)
	head = head[:n]
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return upload{}, refuse("The file is empty.")
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return upload{}, badForm(err)
	}
	if why := contradicts(mimeType, kind, head); why != "" {
		return upload{}, refuse("%s", why)
	}
	draft, err := h.Files.Draft()
	if err != nil {
		return upload{}, err
	}
	file := upload{Draft: draft, file: conversation.File{Kind: string(kind), Name: name, MIMEType: mimeType}}
	content := &source{Reader: io.MultiReader(bytes.NewReader(head), part)}
	if _, err := io.Copy(draft, io.LimitReader(content, kind.MaxSize()+1)); err != nil {
		if content.failed != nil {
			return file, badForm(content.failed)
		}
		return file, err
	}
	if draft.Size() > kind.MaxSize() {
		return file, refuse("The file is too large. WhatsApp takes at most %s as %s.", mebibytes(kind.MaxSize()), kind)
	}
	file.file.Size, file.file.SHA256 = draft.Size(), draft.SHA256()
	return file, nil
}

// source tells a failure of the caller from one of the volume.
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

func mebibytes(size int64) string {
	if size < 1<<20 {
		return strconv.FormatInt(size>>10, 10) + " KiB"
	}
	return strconv.FormatInt(size>>20, 10) + " MiB"
}

// keep makes the files of a reply durable. Their IDs are the same where a request is repeated.
func keep(files []upload, ticket int64, key string) (kept []conversation.File, err error) {
	for i, f := range files {
		f.file.ID = conversation.FileID(fmt.Sprintf("reply/%d/%s/%d/%s", ticket, key, i, f.file.SHA256))
		if err := f.Keep(f.file.ID); err != nil {
			return kept, err
		}
		kept = append(kept, f.file)
	}
	return kept, nil
}

// forget removes files that no article has got.
func (h *Handler) forget(r *http.Request, files []conversation.File) {
	for _, f := range files {
		var used bool
		err := h.Store.View(r.Context(), func(tx *store.Tx) (err error) {
			used, err = tx.HasAttachment(f.ID)
			return err
		})
		if err == nil && !used {
			err = h.Files.Remove(f.ID)
		}
		if err != nil {
			h.Log.Error("a file that nothing needs could not be removed", "error", err)
		}
	}
}
