package cloudapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

// MediaURLLifetime is how long [Media.URL] works. After that the file is there
// still, at a new URL.
const MediaURLLifetime = 5 * time.Minute

// stallTimeout bounds how long a transfer of a file may stand still. The whole
// is bounded by its context.
const stallTimeout = 30 * time.Second

// Media is a file at Meta.
type Media struct {
	ID       string
	MIMEType string
	// SHA256 is the file's hash in hexadecimal.
	SHA256 string
	// Size is the file's size in bytes.
	Size int64
	// URL is where it can be had for [MediaURLLifetime].
	URL string
}

// Media finds out where a file is. The ID of a customer's file is good for 7
// days, that of an uploaded one for 30; after that the error is of
// [ClassNotFound].
func (c *Client) Media(ctx context.Context, token Token, mediaID string) (Media, error) {
	if err := checkAccess(token, "media", mediaID); err != nil {
		return Media{}, err
	}
	var node struct {
		ID       string `json:"id"`
		URL      string `json:"url"`
		MIMEType string `json:"mime_type"`
		SHA256   string `json:"sha256"`
		// Meta writes the size as a number here and as a string there.
		Size json.RawMessage `json:"file_size"`
	}
	if err := c.do(ctx, call{method: http.MethodGet, path: []string{mediaID}, token: token}, &node); err != nil {
		return Media{}, fmt.Errorf("look up a file: %w", err)
	}
	if node.URL == "" {
		return Media{}, fmt.Errorf("look up a file: %w", &AnswerError{HTTPStatus: http.StatusOK, Reason: "it names no URL"})
	}
	size, _ := strconv.ParseInt(strings.Trim(string(node.Size), `"`), 10, 64)
	return Media{ID: node.ID, MIMEType: node.MIMEType, SHA256: webhook.HexHash(node.SHA256), Size: size, URL: node.URL}, nil
}

// ErrTooLarge is the cause of a download that was given up for its size.
var ErrTooLarge = errors.New("the file is larger than allowed")

// Download writes a file that [Client.Media] found to into, as it comes, and
// returns its size. It gives up with [ErrTooLarge] beyond limit bytes, and after
// half a minute in which nothing came. The token is sent to Meta's own hosts,
// and that of the base URL, only. Whether the bytes are right is for the caller
// to check.
func (c *Client) Download(ctx context.Context, token Token, media Media, into io.Writer, limit int64) (int64, error) {
	target, err := c.mediaURL(media.URL)
	if err != nil {
		return 0, fmt.Errorf("download a file: %w", err)
	}
	if media.Size > limit {
		return 0, fmt.Errorf("download a file: %w", ErrTooLarge)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	stalled := time.AfterFunc(c.stall, func() { stop(context.DeadlineExceeded) })
	defer stalled.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return 0, invalidf("the request cannot be made")
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	request.Header.Set("User-Agent", c.userAgent)
	response, err := c.transfer(request)
	if err != nil {
		return 0, fmt.Errorf("download a file: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return 0, fmt.Errorf("download a file: %w", answerError(response, "it is a redirect, which is not followed"))
	case response.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("download a file: %w", answerError(response, "it is not the file"))
	case response.ContentLength > limit:
		return 0, fmt.Errorf("download a file: %w", ErrTooLarge)
	}
	body := readerFunc(func(p []byte) (int, error) {
		n, err := response.Body.Read(p)
		if n > 0 {
			stalled.Reset(c.stall)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			err = c.transferError(request, err)
		}
		return n, err
	})
	size, err := io.Copy(into, io.LimitReader(body, limit+1))
	if err == nil && size > limit {
		err = ErrTooLarge
	}
	if err != nil {
		return size, fmt.Errorf("download a file: %w", err)
	}
	return size, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// mediaHosts are where Meta keeps files; a leading dot stands for any host below.
var mediaHosts = []string{"lookaside.fbsbx.com", ".fbcdn.net", ".whatsapp.net"}

// mediaURL returns where to download from, unless that is none of Meta's hosts.
func (c *Client) mediaURL(raw string) (*url.URL, error) {
	target, err := url.Parse(raw)
	if err != nil || target.User != nil {
		return nil, &AnswerError{HTTPStatus: http.StatusOK, Reason: "its URL of the file is not valid"}
	}
	if target.Scheme == c.base.Scheme && target.Host == c.base.Host {
		return target, nil
	}
	host := strings.ToLower(target.Hostname())
	for _, known := range mediaHosts {
		if target.Scheme == "https" && target.Port() == "" && (host == known || (known[0] == '.' && strings.HasSuffix(host, known))) {
			return target, nil
		}
	}
	return nil, &AnswerError{HTTPStatus: http.StatusOK, Reason: "its URL of the file leads to a host that is not Meta's"}
}

// transfer sends a request whose answer or body may take longer than a call.
func (c *Client) transfer(request *http.Request) (*http.Response, error) {
	slow := *c.http
	slow.Timeout = 0
	response, err := slow.Do(request)
	if err != nil {
		return nil, c.transferError(request, err)
	}
	return response, nil
}

func (c *Client) transferError(request *http.Request, err error) error {
	if cause := context.Cause(request.Context()); cause != nil {
		err = cause
	}
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	return &RequestError{Host: request.URL.Hostname(), Reason: reason(err), Err: err}
}

// Upload is a file to upload.
type Upload struct {
	// Name is the file's name, which customers do not see: that is [Attachment.Filename].
	Name     string
	MIMEType string
	// Size is how many bytes Content has.
	Size    int64
	Content io.Reader
}

// UploadMedia uploads a file for messages from a phone number and returns its
// media ID. Nobody sees a file before it is sent, so uploading again is harmless.
func (c *Client) UploadMedia(ctx context.Context, token Token, phoneNumberID string, file Upload) (string, error) {
	if err := checkAccess(token, "phone number", phoneNumberID); err != nil {
		return "", err
	}
	kind, ok := KindOfMedia(file.MIMEType)
	switch {
	case !ok:
		return "", invalidf("WhatsApp does not take files of this type")
	case file.Size <= 0 || file.Size > kind.MaxSize():
		return "", invalidf("the file has %d bytes; as %s it must have 1 to %d", file.Size, kind, kind.MaxSize())
	}
	head, tail, contentType, err := multipartAround(file)
	if err != nil {
		return "", invalidf("the request cannot be made")
	}
	request, err := c.request(ctx, call{method: http.MethodPost, path: []string{phoneNumberID, "media"}, token: token})
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	stalled := time.AfterFunc(c.stall, func() { stop(context.DeadlineExceeded) })
	defer stalled.Stop()
	content := readerFunc(func(p []byte) (int, error) {
		stalled.Reset(c.stall)
		return file.Content.Read(p)
	})
	request = request.WithContext(ctx)
	request.Body = io.NopCloser(io.MultiReader(bytes.NewReader(head), io.LimitReader(content, file.Size), bytes.NewReader(tail)))
	request.ContentLength = int64(len(head)) + file.Size + int64(len(tail))
	request.Header.Set("Content-Type", contentType)
	response, err := c.transfer(request)
	if err != nil {
		return "", fmt.Errorf("upload a file: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("upload a file: %w", c.transferError(request, err))
	}
	var uploaded struct {
		ID string `json:"id"`
	}
	if err := decode(response, answer, call{token: token}, &uploaded); err != nil {
		return "", fmt.Errorf("upload a file: %w", err)
	}
	if uploaded.ID == "" {
		return "", fmt.Errorf("upload a file: %w", &AnswerError{HTTPStatus: http.StatusOK, Reason: "it names no media id"})
	}
	return uploaded.ID, nil
}

// multipartAround returns what stands before and behind the file in the body
// of an upload, so that its length is known before it is read.
func multipartAround(file Upload) (head, tail []byte, contentType string, err error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("messaging_product", "whatsapp"); err != nil {
		return nil, nil, "", err
	}
	if err := form.WriteField("type", file.MIMEType); err != nil {
		return nil, nil, "", err
	}
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", multipart.FileContentDisposition("file", file.Name))
	header.Set("Content-Type", file.MIMEType)
	if _, err := form.CreatePart(header); err != nil {
		return nil, nil, "", err
	}
	length := body.Len()
	if err := form.Close(); err != nil {
		return nil, nil, "", err
	}
	return body.Bytes()[:length], body.Bytes()[length:], form.FormDataContentType(), nil
}
