package zammad

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/formatting"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// replyOf makes a reply of an agent's article.
func (h *Helpdesk) replyOf(ctx context.Context, on helpdesk.TicketRef, a article) (helpdesk.Reply, error) {
	reply := helpdesk.Reply{Ticket: on, Article: strconv.Itoa(a.ID)}
	text, err := textOf(a)
	if err != nil {
		reply.Refused = append(reply.Refused, conversation.RefusedFile{Name: "text", Reason: sentence(err.Error()) + "."})
	}
	reply.Text = text
	for _, f := range attached(a) {
		file, refused, err := h.keep(ctx, a, f)
		switch {
		case err != nil:
			return reply, err
		case refused != "":
			reply.Refused = append(reply.Refused, conversation.RefusedFile{Name: cmp.Or(f.Filename, "picture"), Reason: refused})
		default:
			reply.Files = append(reply.Files, file)
		}
	}
	return reply, nil
}

// keep fetches a file and keeps it until it is sent, or says why it is not sent.
func (h *Helpdesk) keep(ctx context.Context, a article, f attachment) (file conversation.File, refused string, err error) {
	path := fmt.Sprintf("/ticket_attachment/%d/%d/%d", a.TicketID, a.ID, f.ID)
	file, err = h.fetch(ctx, path, a, f)
	unsendable := (*helpdesk.RefusedError)(nil)
	switch {
	case errors.As(err, &unsendable):
		refused = unsendable.Reason
	case isGone(err), hasStatus(err, http.StatusForbidden):
		refused = "Zammad does not have it any more."
	case err != nil:
		if refused = h.late.failed(path, err, h.receiver.Clock.Elapsed()); refused == "" {
			return file, "", err
		}
	}
	h.late.forget(path)
	return file, refused, nil
}

// textOf is the text of an article as WhatsApp shows it best.
func textOf(a article) (string, error) {
	if strings.Contains(strings.ToLower(a.ContentType), "html") {
		// Pictures are sent as files.
		return formatting.Convert(inline.ReplaceAllString(a.Body, ""), formatting.HTML)
	}
	return formatting.Convert(a.Body, formatting.Plain)
}

// inline finds the pictures in a text, which Zammad does not list with the other files. Whatever server an address
// names, only the numbers are taken from it.
var inline = regexp.MustCompile(`<img\b[^>]*\bsrc="[^">]*?/api/v1/ticket_attachment/[0-9]+/([0-9]+)/([0-9]+)[^">]*"[^>]*>`)

// attached lists the files of an article, those in its text first.
func attached(a article) (files []attachment) {
	listed := map[int]bool{}
	for _, f := range a.Attachments {
		listed[f.ID] = true
	}
	for _, found := range inline.FindAllStringSubmatch(a.Body, -1) {
		id, err := strconv.Atoi(found[2])
		if err == nil && found[1] == strconv.Itoa(a.ID) && !listed[id] {
			listed[id] = true
			files = append(files, attachment{ID: id})
		}
	}
	return append(files, a.Attachments...)
}

// fetch fetches a file from the configured Zammad, and from nowhere else.
func (h *Helpdesk) fetch(ctx context.Context, path string, a article, f attachment) (conversation.File, error) {
	response, err := h.client.download(ctx, path)
	if err != nil {
		return conversation.File{}, err
	}
	defer func() { _ = response.Body.Close() }()
	name := f.Filename
	if _, parameters, err := mime.ParseMediaType(response.Header.Get("Content-Disposition")); name == "" && err == nil {
		name = parameters["filename"]
	}
	source := h.options.Identity + "/" + strconv.Itoa(a.ID) + "/" + strconv.Itoa(f.ID)
	return h.receiver.Files.Keep(ctx, source, name, mimeTypeOf(f, response.Header), response.Body)
}

// mimeTypeOf is what Zammad knows a file to be.
func mimeTypeOf(f attachment, header http.Header) string {
	text := func(name string) string {
		value, _ := f.Preferences[name].(string)
		return value
	}
	base, _, _ := strings.Cut(cmp.Or(text("Mime-Type"), text("Content-Type"), header.Get("Content-Type")), ";")
	return strings.TrimSpace(base)
}
