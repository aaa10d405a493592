package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

// NotSentError means that a request did not reach a receiver, so that nothing was done.
type NotSentError struct{ error }

func (e *NotSentError) Unwrap() error { return e.error }

// Reply sends the customer a reply with files, by their paths. The same key always means the same reply: repeating it
// sends nothing twice. Unless the error is a NotSentError, or one of the receiver's that says so, the reply may have been taken.
func (c *Client) Reply(ctx context.Context, ticket int64, key string, reply wire.Reply, files ...string) (wire.Article, error) {
	var (
		article     wire.Article
		body        io.Reader
		contentType = "application/json"
	)
	if len(files) == 0 {
		text, err := json.Marshal(reply)
		if err != nil {
			return article, err
		}
		body = bytes.NewReader(text)
	} else {
		opened, err := openAll(files)
		defer func() {
			for _, file := range opened {
				_ = file.Close()
			}
		}()
		if err != nil {
			return article, &NotSentError{err}
		}
		reader, writer := io.Pipe()
		// A request that ends early leaves nobody who reads.
		defer func() { _ = reader.Close() }()
		form := multipart.NewWriter(writer)
		contentType = form.FormDataContentType()
		go func() { _ = writer.CloseWithError(writeForm(form, reply, opened)) }()
		body = reader
	}
	sent := &noted{Reader: body}
	headers := http.Header{"Content-Type": {contentType}, wire.IdempotencyKey: {key}}
	response, err := c.send(ctx, http.MethodPost, ticketPath(ticket)+"/replies", headers, sent)
	if err != nil && !sent.begun.Load() {
		return article, &NotSentError{err}
	}
	if err != nil {
		return article, err
	}
	defer func() { _ = response.Body.Close() }()
	err = decode(response.Body, &article)
	return article, err
}

// noted is a body, and tells whether its sending has begun, which is after there was a connection.
type noted struct {
	io.Reader
	begun atomic.Bool
}

func (n *noted) Read(p []byte) (int, error) {
	n.begun.Store(true)
	return n.Reader.Read(p)
}

func openAll(paths []string) (opened []*os.File, err error) {
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return opened, fmt.Errorf("the file to attach cannot be read: %w", err)
		}
		opened = append(opened, file)
	}
	return opened, nil
}

func writeForm(form *multipart.Writer, reply wire.Reply, files []*os.File) error {
	err := form.WriteField("text", reply.Text)
	if reply.Format != "" {
		err = errors.Join(err, form.WriteField("format", reply.Format))
	}
	for _, file := range files {
		if err == nil {
			err = writeFile(form, file)
		}
	}
	return errors.Join(err, form.Close())
}

func writeFile(form *multipart.Writer, file *os.File) error {
	part, err := form.CreateFormFile("file", filepath.Base(file.Name()))
	if err == nil {
		_, err = io.Copy(part, file)
	}
	return err
}
