package zammad

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// firstBudget is how many bytes of files a request holds unless a server takes less: the web server of Zammad's own
// Helm chart takes requests of 50 MiB, and base64 makes three bytes four.
const firstBudget = 36 << 20

// leastBudget is below what no server's limit is; a request that is refused even so is sent without files.
const leastBudget = 64 << 10

// fileSize is how a file fits into a request.
type fileSize int

const (
	fileFits fileSize = iota
	fileTooLarge
	fileMissing
)

// content is a file that is sent with an article.
type content struct {
	open func() (io.ReadCloser, error)
	size int64
}

// withFiles words an article and has it sent, with those of its files that fit into one request. A server that takes
// less than was thought is asked once more with less: what it answered 413 was not carried out.
func (h *Helpdesk) withFiles(ctx context.Context, a conversation.Article, send func(articleRequest, []content) error) error {
	for {
		h.mu.Lock()
		budget := h.budget
		h.mu.Unlock()
		request, files := h.lay(ctx, a, budget)
		err := send(request, files)
		if !hasStatus(err, http.StatusRequestEntityTooLarge) || len(files) == 0 {
			return err
		}
		var sent int64
		for _, f := range files {
			sent += f.size
		}
		less := min(budget, sent) / 2
		if less < leastBudget {
			less = 0
		}
		h.mu.Lock()
		h.budget = min(h.budget, less)
		h.mu.Unlock()
	}
}

// lay puts an article and those of its files together that a budget of bytes allows.
func (h *Helpdesk) lay(ctx context.Context, a conversation.Article, budget int64) (articleRequest, []content) {
	var (
		remarks     []string
		files       []content
		attachments []attachmentRequest
		with        []string
	)
	for _, f := range a.Attachments {
		size := fileFits
		if f.State == conversation.AttachmentKept {
			if size = h.sizeOf(ctx, f.File, budget); size == fileFits {
				budget -= f.Size
				files = append(files, content{size: f.Size, open: func() (io.ReadCloser, error) { return h.receiver.Files.Open(ctx, f.ID) }})
				attachments = append(attachments, attachmentRequest{
					Filename: f.Name, MIMEType: cmp.Or(f.MIMEType, "application/octet-stream"), Data: placeholder(len(files) - 1),
				})
			}
		}
		// A file that is said something about is settled too, unless it is still to come.
		if f.State != conversation.AttachmentPending {
			with = append(with, f.ID)
		}
		if remark := h.options.remarkOnFile(f, size); remark != "" {
			remarks = append(remarks, remark)
		}
	}
	request := articleOf(h.channel, a, remarks)
	request.Attachments, request.Preferences.Ours.Files = attachments, with
	return request, files
}

// sizeOf tells how a file fits.
func (h *Helpdesk) sizeOf(ctx context.Context, f conversation.File, budget int64) fileSize {
	if f.Size > budget {
		return fileTooLarge
	}
	opened, err := h.receiver.Files.Open(ctx, f.ID)
	if err != nil {
		if errors.Is(err, helpdesk.ErrNoFile) {
			return fileMissing
		}
		return fileFits
	}
	_ = opened.Close()
	return fileFits
}

// placeholder stands for the content of a file in a request until that is sent. No text holds a NUL, see clean.
func placeholder(file int) string { return "\x00" + strconv.Itoa(file) + "\x00" }

// sendFiles writes what in is as JSON, with the content of files in base64 in the places that stand for it. No file is
// ever in memory as a whole.
func (c *client) sendFiles(ctx context.Context, method, path string, in any, files []content, into any) error {
	if len(files) == 0 {
		return c.send(ctx, method, path, in, into)
	}
	request, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode a request: %w", err)
	}
	opened := make([]io.ReadCloser, 0, len(files))
	defer func() {
		for _, file := range opened {
			_ = file.Close()
		}
	}()
	for _, f := range files {
		file, err := f.open()
		if err != nil {
			return notDone("a file of the article cannot be read", err)
		}
		opened = append(opened, file)
	}
	body, length, err := withContent(string(request), files, opened)
	if err != nil {
		return err
	}
	return c.call(ctx, method, path, body, length, into)
}

// withContent puts the content of files into a request, and returns how long that is, in bytes.
func withContent(request string, files []content, opened []io.ReadCloser) (io.Reader, int64, error) {
	var (
		parts  []io.Reader
		length int64
	)
	for i, f := range files {
		place, err := json.Marshal(placeholder(i))
		if err != nil {
			return nil, 0, fmt.Errorf("encode a request: %w", err)
		}
		before, after, found := strings.Cut(request, string(place))
		if !found {
			return nil, 0, errors.New("a file has no place in its request")
		}
		parts = append(parts, strings.NewReader(before+`"`), &encoded{file: opened[i], left: f.size}, strings.NewReader(`"`))
		length += int64(len(before)) + 2 + int64(base64.StdEncoding.EncodedLen(int(f.size)))
		request = after
	}
	return io.MultiReader(append(parts, strings.NewReader(request))...), length + int64(len(request)), nil
}

// encoded reads a file in base64.
type encoded struct {
	file io.Reader
	// left is how many bytes of the file are still to come, and ready what was encoded and not yet read.
	left  int64
	ready []byte
}

// chunk is how many bytes are encoded at once: a multiple of three, so that no padding comes in between.
const chunk = 3 << 13

func (e *encoded) Read(into []byte) (int, error) {
	if len(e.ready) == 0 {
		if e.left == 0 {
			return 0, io.EOF
		}
		raw := make([]byte, min(chunk, e.left))
		if _, err := io.ReadFull(e.file, raw); err != nil {
			return 0, fmt.Errorf("read a file: %w", err)
		}
		e.left -= int64(len(raw))
		e.ready = base64.StdEncoding.AppendEncode(nil, raw)
	}
	n := copy(into, e.ready)
	e.ready = e.ready[n:]
	return n, nil
}

func notDone(message string, err error) error {
	return &helpdesk.Error{Means: helpdesk.NotDone, Reason: helpdesk.ReasonRejected, Message: message + "; it is tried again.", Err: err}
}

// SetAttachment implements helpdesk.Helpdesk. A file that was not there when its article was written comes with an
// article of its own.
func (h *Helpdesk) SetAttachment(ctx context.Context, ticketID string, a conversation.SetAttachment) error {
	if a.Attachment.State == conversation.AttachmentPending {
		return nil
	}
	t, _, err := h.current(ctx, ticketID)
	if err != nil {
		return err
	}
	list, err := h.client.articles(ctx, strconv.Itoa(t.ID))
	if err != nil {
		return err
	}
	own := a.ArticleID + "/file/" + a.Attachment.ID
	for _, known := range list {
		if known.MessageID == own || (known.MessageID == a.ArticleID && known.has(a.Attachment.ID)) {
			return nil
		}
	}
	if a.Attachment.State == conversation.AttachmentFailed {
		// An internal note says so already.
		return nil
	}
	late := conversation.Article{
		ID: own, Author: conversation.AuthorCustomer, Attachments: []conversation.Attachment{a.Attachment},
		Text: fmt.Sprintf("The file %q belongs to an earlier message.", a.Attachment.Name),
	}
	return h.withFiles(ctx, late, func(request articleRequest, files []content) error {
		request.OriginByID = t.CustomerID
		change := ticketChange{Article: &request}
		return h.client.sendFiles(ctx, http.MethodPut, "/tickets/"+strconv.Itoa(t.ID), change, files, nil)
	})
}

// has tells whether an article came with a file, or said what is the matter with it.
func (a article) has(file string) bool {
	if a.Preferences.Ours == nil {
		return false
	}
	return slices.Contains(a.Preferences.Ours.Files, file)
}
