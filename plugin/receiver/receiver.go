// Package receiver is a client of a receiver's private API.
package receiver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// PageSize is how many items a list asks for at a time, and the most that the API gives.
const PageSize = 200

// quarantinePage is how many items of the quarantine are asked for at a time. Each may have the size of a webhook.
const quarantinePage = 10

// Client calls the private API of one receiver.
type Client struct {
	// HTTP reaches the receiver, and does not follow redirects.
	HTTP *http.Client
	// BaseURL is the URL before /v1.
	BaseURL string
	// Token is the API's bearer token.
	Token string
	// Authority is the name of the Secret with what certifies the receiver, for errors.
	Authority string
}

// Error is the receiver's answer where it did not do what it was asked for. Its text is for people.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code names the problem for programs.
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Message }

// IsNotFound tells whether an error is that something is not there.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// Status is how the receiver is.
func (c *Client) Status(ctx context.Context) (s config.Status, err error) {
	err = c.get(ctx, config.StatusPath, &s)
	return s, err
}

// Tickets lists at most limit tickets in a state, newest first; in any where the state is empty.
func (c *Client) Tickets(ctx context.Context, state string, limit int) ([]wire.Ticket, error) {
	var all []wire.Ticket
	query := url.Values{}
	if state != "" {
		query.Set("state", state)
	}
	for len(all) < limit {
		query.Set("limit", strconv.Itoa(min(PageSize, limit-len(all))))
		if len(all) > 0 {
			query.Set("before", strconv.FormatInt(all[len(all)-1].ID, 10))
		}
		var page wire.Tickets
		if err := c.get(ctx, "/v1/tickets?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		if len(page.Tickets) == 0 {
			break
		}
		all = append(all, page.Tickets...)
	}
	return all, nil
}

// Ticket is a ticket with its articles.
func (c *Client) Ticket(ctx context.Context, id int64) (t wire.Ticket, err error) {
	err = c.get(ctx, ticketPath(id), &t)
	return t, err
}

// Change brings a ticket into a state: "close", "pending" or "open".
func (c *Client) Change(ctx context.Context, id int64, to string) (t wire.Ticket, err error) {
	err = c.do(ctx, http.MethodPost, ticketPath(id)+"/"+to, &t)
	return t, err
}

func ticketPath(id int64) string { return "/v1/tickets/" + strconv.FormatInt(id, 10) }

// Message is how far a customer's message has got.
func (c *Client) Message(ctx context.Context, id string) (m wire.Message, err error) {
	err = c.get(ctx, "/v1/messages/"+url.PathEscape(id), &m)
	return m, err
}

// DeadLetters lists all dead letters, oldest first.
func (c *Client) DeadLetters(ctx context.Context) ([]wire.DeadLetter, error) {
	var all []wire.DeadLetter
	for after := int64(0); ; after = all[len(all)-1].ID {
		var page wire.DeadLetters
		if err := c.get(ctx, fmt.Sprintf("/v1/dead-letters?limit=%d&after=%d", PageSize, after), &page); err != nil {
			return nil, err
		}
		if len(page.DeadLetters) == 0 {
			return all, nil
		}
		all = append(all, page.DeadLetters...)
	}
}

// Replay tries a dead letter again.
func (c *Client) Replay(ctx context.Context, id int64) error {
	return c.do(ctx, http.MethodPost, fmt.Sprintf("/v1/dead-letters/%d/replay", id), nil)
}

// Quarantine lists what is in quarantine, oldest first.
func (c *Client) Quarantine(ctx context.Context) ([]wire.Quarantined, error) {
	var all []wire.Quarantined
	for after := int64(0); ; after = all[len(all)-1].ID {
		page, err := c.quarantine(ctx, after, quarantinePage)
		if err != nil || len(page) == 0 {
			return all, err
		}
		all = append(all, page...)
	}
}

// Quarantined is one item of the quarantine.
func (c *Client) Quarantined(ctx context.Context, id int64) (wire.Quarantined, error) {
	page, err := c.quarantine(ctx, id-1, 1)
	if err == nil && (len(page) == 0 || page[0].ID != id) {
		err = &Error{http.StatusNotFound, "not-found", "There is nothing in quarantine with this ID."}
	}
	if err != nil {
		return wire.Quarantined{}, err
	}
	return page[0], nil
}

func (c *Client) quarantine(ctx context.Context, after int64, limit int) ([]wire.Quarantined, error) {
	var page wire.Quarantine
	err := c.get(ctx, fmt.Sprintf("/v1/quarantine?limit=%d&after=%d", limit, after), &page)
	return page.Quarantined, err
}

// ReplayQuarantined has something in quarantine processed again.
func (c *Client) ReplayQuarantined(ctx context.Context, id int64) error {
	return c.do(ctx, http.MethodPost, fmt.Sprintf("/v1/quarantine/%d/replay", id), nil)
}

// Discard forgets something in quarantine.
func (c *Client) Discard(ctx context.Context, id int64) error {
	return c.do(ctx, http.MethodDelete, fmt.Sprintf("/v1/quarantine/%d", id), nil)
}

// Attachment writes a file of a ticket's article.
func (c *Client) Attachment(ctx context.Context, path string, into io.Writer) error {
	response, err := c.send(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(into, response.Body)
	return err
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, into)
}

func (c *Client) do(ctx context.Context, method, path string, into any) error {
	response, err := c.send(ctx, method, path, nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return decode(response.Body, into)
}

func decode(answer io.Reader, into any) error {
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(answer).Decode(into); err != nil {
		return fmt.Errorf("the receiver's answer cannot be read; kubectl whatsapp and the receiver may be of different versions: %w", err)
	}
	return nil
}

// send makes a request. The response is one of success, and its body the caller's to close.
func (c *Client) send(ctx context.Context, method, path string, headers http.Header, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.BaseURL+path, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(request.Header, headers)
	request.Header.Set("Authorization", "Bearer "+c.Token)
	response, err := c.HTTP.Do(request)
	if err != nil {
		return nil, c.explain(err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	return nil, refusal(response)
}

// explain makes an error of the way to the receiver one for people.
func (c *Client) explain(err error) error {
	var (
		failed    *url.Error
		untrusted *tls.CertificateVerificationError
	)
	// The URL is the receiver's name in the cluster, which tells a person nothing that they could call.
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if errors.As(err, &untrusted) {
		return fmt.Errorf("the receiver is not certified by the authority in the Secret %s: %w; after a renewal it takes up its new certificate "+
			"within two minutes", c.Authority, untrusted.Err)
	}
	return err
}

func refusal(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return err
	}
	var problem wire.Problem
	if json.NewDecoder(bytes.NewReader(text)).Decode(&problem) != nil || problem.Error.Message == "" {
		problem.Error.Message = fmt.Sprintf("The receiver answered with the HTTP status %d and no reason.", response.StatusCode)
	}
	return &Error{response.StatusCode, problem.Error.Code, problem.Error.Message}
}
