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
		file, err := h.keep(ctx, a, f)
		refused := (*helpdesk.RefusedError)(nil)
		switch {
		case errors.As(err, &refused):
			reply.Refused = append(reply.Refused, conversation.RefusedFile{Name: f.Filename, Reason: refused.Reason})
		case isGone(err), hasStatus(err, http.StatusForbidden):
			reply.Refused = append(reply.Refused, conversation.RefusedFile{Name: f.Filename, Reason: "Zammad does not have it any more."})
		case err != nil:
			return reply, err
		default:
			reply.Files = append(reply.Files, file)
		}
	}
	return reply, nil
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

// keep fetches a file from the configured Zammad, and from nowhere else, and keeps it until it is sent.
func (h *Helpdesk) keep(ctx context.Context, a article, f attachment) (conversation.File, error) {
	path := fmt.Sprintf("/ticket_attachment/%d/%d/%d", a.TicketID, a.ID, f.ID)
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
