package api

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// withAttachments adds to an article its files.
func withAttachments(tx *store.Tx, ticket int64, a wire.Article) (wire.Article, error) {
	list, err := tx.Attachments(a.ID)
	for _, f := range list {
		a.Attachments = append(a.Attachments, attachmentJSON(f, fmt.Sprintf("/v1/tickets/%d", ticket)))
	}
	return a, err
}

// attachmentJSON shows an attachment of what is below a path.
func attachmentJSON(f conversation.Attachment, below string) wire.Attachment {
	shown := wire.Attachment{
		ID: f.ID, Kind: f.Kind, Name: f.Name, MIMEType: f.MIMEType, Size: f.Size, State: string(f.State), Reason: f.Reason,
	}
	if f.State == conversation.AttachmentKept {
		shown.Path = below + "/attachments/" + f.ID
	}
	return shown
}

// attachmentOf returns an attachment of a ticket.
func (h *Handler) attachmentOf(r *http.Request) (a conversation.Attachment, found bool, err error) {
	ticket, err := pathID(r)
	if err != nil {
		return a, false, err
	}
	err = h.Store.View(r.Context(), func(tx *store.Tx) error {
		a, found, err = tx.AttachmentOf(ticket, r.PathValue("attachment"))
		return err
	})
	return a, found, err
}

// attachment returns what serves a file that look finds.
func (h *Handler) attachment(look func(*http.Request) (conversation.Attachment, bool, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h.authorise(r, false); err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="receiver"`)
			h.fail(w, err)
			return
		}
		extend(w)
		a, found, err := look(r)
		if err == nil {
			err = h.serveAttachment(w, r, a, found)
		}
		if err != nil {
			h.fail(w, err)
		}
	}
}

func (h *Handler) serveAttachment(w http.ResponseWriter, r *http.Request, a conversation.Attachment, found bool) error {
	switch {
	case !found:
		return &problem{http.StatusNotFound, "not-found", "There is no attachment with this ID here."}
	case a.State == conversation.AttachmentPending:
		return &problem{http.StatusNotFound, "pending", "The file is still being fetched from WhatsApp; try again."}
	case a.State == conversation.AttachmentFailed:
		return &problem{http.StatusGone, "failed", a.Reason}
	}
	file, err := h.Files.Open(r.Context(), a.ID)
	if errors.Is(err, media.ErrNoFile) {
		return &problem{http.StatusGone, "gone", "The receiver no longer has the file."}
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	header := w.Header()
	header.Set("Content-Type", a.MIMEType)
	// A customer chose the content: no browser is to run it.
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}))
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	http.ServeContent(w, r, "", time.Time{}, file)
	return nil
}

// extend gives a request that carries files more time than the others.
func extend(w http.ResponseWriter) {
	controller := http.NewResponseController(w)
	until := time.Now().Add(transferTime)
	// A server that cannot do so has no deadlines.
	_ = errors.Join(controller.SetReadDeadline(until), controller.SetWriteDeadline(until))
}
