package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
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
)

func isMultipart(r *http.Request) bool {
	contentType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return contentType == "multipart/form-data"
}

// upload is a file of a reply that is not kept yet.
type upload struct {
	media.Draft
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
			file, err := h.readFile(r.Context(), part)
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
		return &problem{http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("The files of a reply together must not have more than %s.", media.Mebibytes(maxUpload))}
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

// readFile writes a file of a form down, unless WhatsApp would refuse it.
func (h *Handler) readFile(ctx context.Context, part *multipart.Part) (upload, error) {
	draft, err := h.Files.Draft(ctx)
	if err != nil {
		return upload{}, err
	}
	file := upload{Draft: draft}
	file.file, err = media.Sendable{Name: part.FileName(), Type: part.Header.Get("Content-Type"), Content: part}.CopyTo(draft)
	var unsendable *media.UnsendableError
	switch {
	case errors.As(err, &unsendable):
		name := cmp.Or(conversation.SafeName(part.FileName()), "file")
		return file, &problem{http.StatusUnprocessableEntity, "file-refused", fmt.Sprintf("%q: %s", name, unsendable.Reason)}
	case errors.Is(err, media.ErrIncomplete):
		return file, badForm(err)
	}
	file.file.Size, file.file.SHA256 = draft.Size(), draft.SHA256()
	return file, err
}

// keep makes the files of a reply durable. Their IDs are the same where a request is repeated, and others where anything about
// it is: another reply with the same key leaves alone what the first one needs.
func keep(files []upload, to, key, text string) (kept []conversation.File, err error) {
	content := sha256.New()
	fmt.Fprintf(content, "%q", text)
	for _, f := range files {
		fmt.Fprintf(content, " %q %s", f.file.Name, f.file.SHA256)
	}
	for i, f := range files {
		f.file.ID = conversation.FileID(fmt.Sprintf("reply/%s/%s/%d/%x", to, key, i, content.Sum(nil)))
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
			err = h.Files.Remove(r.Context(), f.ID)
		}
		if err != nil {
			h.Log.Error("a file that nothing needs could not be removed", "error", err)
		}
	}
}
