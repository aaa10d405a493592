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
		shown := wire.Attachment{
			ID: f.ID, Kind: f.Kind, Name: f.Name, MIMEType: f.MIMEType, Size: f.Size, State: string(f.State), Reason: f.Reason,
		}
		if f.State == conversation.AttachmentKept {
			shown.Path = fmt.Sprintf("/v1/tickets/%d/attachments/%s", ticket, f.ID)
		}
		a.Attachments = append(a.Attachments, shown)
	}
	return a, err
}

// attachment serves a file.
func (h *Handler) attachment(w http.ResponseWriter, r *http.Request) {
	if err := h.authorise(r, false); err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="receiver"`)
		h.fail(w, err)
		return
	}
	extend(w)
	if err := h.serveAttachment(w, r); err != nil {
		h.fail(w, err)
	}
}

func (h *Handler) serveAttachment(w http.ResponseWriter, r *http.Request) error {
	ticket, err := pathID(r)
	if err != nil {
		return err
	}
	var (
		a     conversation.Attachment
		found bool
	)
	if err := h.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		a, found, err = tx.AttachmentOf(ticket, r.PathValue("attachment"))
		return err
	}); err != nil {
		return err
	}
	switch {
	case !found:
		return &problem{http.StatusNotFound, "not-found", "There is no attachment with this ID on this ticket."}
	case a.State == conversation.AttachmentPending:
		return &problem{http.StatusNotFound, "pending", "The file is still being fetched from WhatsApp; try again."}
	case a.State == conversation.AttachmentFailed:
		return &problem{http.StatusGone, "failed", a.Reason}
	}
	file, err := h.Files.Open(a.ID)
	if errors.Is(err, media.ErrNoFile) {
		return &problem{http.StatusGone, "gone", "The file is no longer on the receiver's volume."}
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
