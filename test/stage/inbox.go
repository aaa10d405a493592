package stage

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// Inbox is a channel's built-in inbox as an agent reaches it, through the receiver's private API.
type Inbox struct {
	cluster            *Cluster
	namespace, channel string
}

// Inbox returns the built-in inbox of a channel.
func (c *Cluster) Inbox(namespace, channel string) *Inbox {
	return &Inbox{cluster: c, namespace: namespace, channel: channel}
}

// Ticket is a customer's request, as the private API shows it.
type Ticket struct {
	ID       int64
	Title    string
	Group    string
	State    string
	Customer struct {
		Name  string
		Phone string
	}
	WindowEndsAt time.Time
	Articles     []Article
}

// Article is an entry on a ticket. Delivery is set for messages to the customer.
type Article struct {
	Author   string
	Type     string
	Text     string
	Delivery *struct {
		State  string
		Reason string
	}
}

// Article returns the ticket's first article with the author and text, or nil.
func (t Ticket) Article(author, text string) *Article {
	for i := range t.Articles {
		if t.Articles[i].Author == author && t.Articles[i].Text == text {
			return &t.Articles[i]
		}
	}
	return nil
}

// Delivered says how far a message to the customer has got, and nothing for other articles.
func (a *Article) Delivered() string {
	if a == nil || a.Delivery == nil {
		return ""
	}
	return a.Delivery.State
}

// Tickets lists the tickets, newest first, with their articles.
func (i *Inbox) Tickets(ctx context.Context) ([]Ticket, error) {
	var list struct{ Tickets []Ticket }
	if err := i.call(ctx, http.MethodGet, "/v1/tickets?limit=200", "", nil, &list); err != nil {
		return nil, err
	}
	for n := range list.Tickets {
		if err := i.call(ctx, http.MethodGet, fmt.Sprintf("/v1/tickets/%d", list.Tickets[n].ID), "", nil, &list.Tickets[n]); err != nil {
			return nil, err
		}
	}
	return list.Tickets, nil
}

// Reply writes an agent's reply on a ticket. The same key never sends twice.
func (i *Inbox) Reply(ctx context.Context, ticket int64, key, text string) error {
	return i.call(ctx, http.MethodPost, fmt.Sprintf("/v1/tickets/%d/replies", ticket), key, map[string]string{"text": text}, nil)
}

// Close closes a ticket.
func (i *Inbox) Close(ctx context.Context, ticket int64) error {
	return i.call(ctx, http.MethodPost, fmt.Sprintf("/v1/tickets/%d/close", ticket), "", nil, nil)
}

// Status reads what the receiver reports to the operator.
func (i *Inbox) Status(ctx context.Context) (config.Status, error) {
	var status config.Status
	err := i.call(ctx, http.MethodGet, config.StatusPath, "", nil, &status)
	return status, err
}

func (i *Inbox) call(ctx context.Context, method, path, key string, request, answer any) error {
	token, err := i.cluster.SecretValue(ctx, i.namespace, i.channel+"-api", config.APITokenFile)
	if err != nil {
		return err
	}
	var body io.Reader
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	authority, err := i.cluster.SecretValue(ctx, i.namespace, i.channel+"-api", "ca.crt")
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(authority)) {
		return fmt.Errorf("the Secret %s-api holds no certificate to trust the receiver by", i.channel)
	}
	url := fmt.Sprintf("https://%s-receiver.%s.svc:%d%s", i.channel, i.namespace, config.PrivatePort, path)
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return do(i.cluster.HTTPClient(roots), r, answer)
}

// do makes a request and reads its JSON answer, if it has one. Any status but 2xx is an error that holds the answer.
func do(client *http.Client, request *http.Request, answer any) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", request.Method, request.URL.Path, response.Status, bytes.TrimSpace(text))
	}
	if answer == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s %s: %w", request.Method, request.URL.Path, err)
	}
	return nil
}
