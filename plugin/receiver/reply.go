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

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

// Reply sends the customer a reply with files, by their paths. The same key always means the same reply: repeating it
// sends nothing twice.
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
		reader, writer := io.Pipe()
		// A request that ends early leaves nobody who reads.
		defer func() { _ = reader.Close() }()
		form := multipart.NewWriter(writer)
		contentType = form.FormDataContentType()
		go func() { _ = writer.CloseWithError(writeForm(form, reply, files)) }()
		body = reader
	}
	headers := http.Header{"Content-Type": {contentType}, wire.IdempotencyKey: {key}}
	response, err := c.send(ctx, http.MethodPost, ticketPath(ticket)+"/replies", headers, body)
	if err != nil {
		return article, err
	}
	defer func() { _ = response.Body.Close() }()
	err = decode(response.Body, &article)
	return article, err
}

func writeForm(form *multipart.Writer, reply wire.Reply, files []string) error {
	err := form.WriteField("text", reply.Text)
	if reply.Format != "" {
		err = errors.Join(err, form.WriteField("format", reply.Format))
	}
	for _, path := range files {
		if err == nil {
			err = writeFile(form, path)
		}
	}
	return errors.Join(err, form.Close())
}

func writeFile(form *multipart.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the file to attach cannot be read: %w", err)
	}
	defer func() { _ = file.Close() }()
	part, err := form.CreateFormFile("file", filepath.Base(path))
	if err != nil {
		return err
	}
	_, err = io.Copy(part, file)
	return err
}
