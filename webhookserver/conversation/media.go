package conversation

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// File is a file that a customer sent or an agent attached.
type File struct {
	// ID names the file for good, and tells nothing of where it came from.
	ID string `json:"id"`
	// Kind is WhatsApp's message type of it: image, video, audio, document or sticker.
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	MIMEType string `json:"mimeType"`
	// Size, in bytes, and SHA256, in hexadecimal, are zero as long as they are not known.
	Size   int64  `json:"size,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// captioned tells whether WhatsApp shows a caption below the file.
func (f File) captioned() bool {
	return f.Kind == webhook.TypeImage || f.Kind == webhook.TypeVideo || f.Kind == webhook.TypeDocument
}

// FileID makes the ID of a file from what is its own.
func FileID(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:16])
}

// Attachment is a file on an article.
type Attachment struct {
	File
	State AttachmentState `json:"state"`
	// Reason says why, where State is AttachmentFailed.
	Reason string `json:"reason,omitempty"`
}

// AttachmentState is whether the file is there.
type AttachmentState string

// The states of attachments.
const (
	// AttachmentPending waits for the file.
	AttachmentPending AttachmentState = "pending"
	// AttachmentKept is a file that is kept.
	AttachmentKept AttachmentState = "kept"
	// AttachmentFailed is a file that could not be had, and will not be.
	AttachmentFailed AttachmentState = "failed"
)

// FetchMedia fetches the file of a customer's message from WhatsApp. It goes its own way, so that no message waits for
// a file.
type FetchMedia struct {
	// ArticleID names the article that the file belongs to.
	ArticleID string `json:"articleID"`
	// MediaID is WhatsApp's name for the file, good for seven days.
	MediaID string `json:"mediaID"`
	// File is what is known of it; SHA256 is what it must be.
	File File `json:"file"`
}

// SetAttachment shows on the ticket what became of an attachment.
type SetAttachment struct {
	ArticleID  string     `json:"articleID"`
	Attachment Attachment `json:"attachment"`
}

// UploadMedia brings a file to WhatsApp, to be sent after.
type UploadMedia struct {
	File File `json:"file"`
}

// Enclosed is the file of a message that is sent.
type Enclosed struct {
	File File `json:"file"`
	// Upload is the key of the effect that uploads it.
	Upload string `json:"upload"`
}

// MediaFetched says that the file of a customer's message is kept.
type MediaFetched struct {
	Epoch     int
	ArticleID string
	File      File
}

// MediaFailed says that the file of a customer's message could not be had, and will not be.
type MediaFailed struct {
	Epoch     int
	ArticleID string
	File      File
	// Reason says why, for the agent.
	Reason string
}

func (MediaFetched) isEvent() {}
func (MediaFailed) isEvent()  {}

// attachments names the file of a message.
func attachments(m webhook.Message) []Attachment {
	media := m.Media()
	if media == nil || media.ID == "" {
		return nil
	}
	file := File{
		ID: FileID(m.ID), Kind: m.Type, Name: fileName(media.Filename, m.Type, media.MIMEType), MIMEType: media.MIMEType,
		SHA256: webhook.HexHash(media.SHA256),
	}
	return []Attachment{{File: file, State: AttachmentPending}}
}

// MediaKey is the key of the effect that fetches the file of a message.
func MediaKey(wamid string) string { return wamid + "/media" }

// fetch returns what fetches the files of a message, once that is on a ticket.
func fetch(m webhook.Message, article Article, epoch int) (effects []Effect) {
	for _, a := range article.Attachments {
		effects = append(effects, Effect{
			Key: MediaKey(m.ID), Kind: KindFetchMedia, Epoch: epoch,
			FetchMedia: &FetchMedia{ArticleID: m.ID, MediaID: m.Media().ID, File: a.File},
		})
	}
	return effects
}

// extensions are the ends of names for files that come without one.
var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "video/mp4": ".mp4", "video/3gpp": ".3gp",
	"audio/ogg": ".ogg", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/aac": ".aac", "audio/amr": ".amr",
	"application/pdf": ".pdf", "text/plain": ".txt",
}

// maxFileName bounds the names of files, in characters.
const maxFileName = 200

// fileName returns a name that is safe to show and to save under.
func fileName(given, kind, mimeType string) string {
	base, _, _ := strings.Cut(mimeType, ";")
	return cmp.Or(SafeName(given), kind+extensions[strings.TrimSpace(base)])
}

// SafeName takes from the name of a file what is a path, what does not show, and what makes it read backwards.
func SafeName(given string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(path.Base(strings.ReplaceAll(given, `\`, "/")), ""))
	if runes := []rune(name); len(runes) > maxFileName {
		end := []rune(path.Ext(name))
		if len(end) > 16 {
			end = nil
		}
		name = string(runes[:maxFileName-len(end)]) + string(end)
	}
	if name = strings.TrimSpace(name); name == "." || name == "/" || name == ".." {
		return ""
	}
	return name
}

func mediaFetched(e MediaFetched) []Effect {
	return []Effect{setAttachment(e.Epoch, e.ArticleID, Attachment{File: e.File, State: AttachmentKept})}
}

func mediaFailed(e MediaFailed, now time.Time) []Effect {
	id := e.File.ID + "/failed/note"
	return []Effect{
		setAttachment(e.Epoch, e.ArticleID, Attachment{File: e.File, State: AttachmentFailed, Reason: e.Reason}),
		addArticle(id, e.Epoch, Article{
			ID: id, Author: AuthorNote, WrittenAt: now,
			Text: fmt.Sprintf("The file %q could not be fetched from WhatsApp. %s", e.File.Name, e.Reason),
		}),
	}
}

// refused tells the agent which files of a reply are not sent.
func refused(e ReplyWritten, now time.Time) (notes []Effect) {
	for i, f := range e.Refused {
		id := fmt.Sprintf("%s/refused/%d", e.ID, i+1)
		notes = append(notes, addArticle(id, e.Epoch, Article{
			ID: id, Author: AuthorNote, WrittenAt: now,
			Text: fmt.Sprintf("The file %q was not sent to the customer. %s", f.Name, f.Reason),
		}))
	}
	return notes
}

func setAttachment(epoch int, articleID string, a Attachment) Effect {
	return Effect{
		Key: a.ID + "/" + string(a.State), Kind: KindSetAttachment, Epoch: epoch,
		SetAttachment: &SetAttachment{ArticleID: articleID, Attachment: a},
	}
}

// content is one WhatsApp message to be sent.
type content struct {
	text string
	file *File
}

// contents lays out a text and files as WhatsApp messages, in order. The text is the caption of the first file where
// WhatsApp shows one and it is short enough, or else messages of its own before the files.
func contents(text string, files []File) (list []content) {
	caption := ""
	if len(files) > 0 && files[0].captioned() && Length(text) <= MaxCaption {
		caption, text = text, ""
	}
	if text != "" || len(files) == 0 {
		for _, part := range Split(text, MaxText) {
			list = append(list, content{text: part})
		}
	}
	for i := range files {
		list = append(list, content{text: caption, file: &files[i]})
		caption = ""
	}
	return list
}

func uploadKey(outgoing string, index int) string {
	return fmt.Sprintf("%s/upload/%d", outgoing, index+1)
}
