package stage

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	zammadHost = "zammad.zammad.svc"
	// ZammadURL is where channels find the simulated Zammad.
	ZammadURL = "https://" + zammadHost
)

//go:embed zammad.yaml
var zammadManifests string

// Zammad is the simulated helpdesk in the cluster.
type Zammad struct{ control *control }

// ZammadTicket is a ticket as an agent sees it in Zammad.
type ZammadTicket struct {
	ID       int
	Title    string
	State    string
	Group    string
	Articles []ZammadArticle
}

// ZammadArticle is an entry on a ticket. Sender is Customer, Agent or System.
type ZammadArticle struct {
	Sender   string
	From     string
	Subject  string
	Body     string
	Internal bool
}

// zammadHook is a webhook or a trigger.
type zammadHook struct{ Fields struct{ Name string } }

// Holds tells whether the ticket has an article of the sender that contains the text.
func (t ZammadTicket) Holds(sender, text string) bool {
	return slices.ContainsFunc(t.Articles, func(a ZammadArticle) bool {
		return a.Sender == sender && strings.Contains(a.Body, text)
	})
}

// StartZammad starts the simulator and waits until it serves.
func (c *Cluster) StartZammad(ctx context.Context, authority *Authority) (*Zammad, error) {
	if err := c.Namespace(ctx, ZammadNamespace); err != nil {
		return nil, err
	}
	if err := c.publishAuthority(ctx, ZammadNamespace, authority); err != nil {
		return nil, err
	}
	if err := c.TLSSecret(ctx, authority, ZammadNamespace, "zammad-tls", zammadHost); err != nil {
		return nil, err
	}
	if _, err := c.KubectlInput(ctx, zammadManifests, "apply", "--server-side", "-f", "-"); err != nil {
		return nil, err
	}
	if err := c.rolledOut(ctx, ZammadNamespace, "zammad"); err != nil {
		return nil, err
	}
	return &Zammad{control: &control{client: c.HTTPClient(nil), url: "http://" + zammadHost + ":8081"}}, nil
}

// IssueToken makes an access token valid, with what a channel needs.
func (z *Zammad) IssueToken(ctx context.Context, value string) error {
	return z.control.call(ctx, http.MethodPost, "/tokens", map[string]any{
		"value": value, "permissions": []string{"ticket.agent", "admin.webhook", "admin.trigger"},
	}, nil)
}

// Tickets lists all tickets with their articles, oldest first.
func (z *Zammad) Tickets(ctx context.Context) ([]ZammadTicket, error) {
	var tickets []ZammadTicket
	err := z.control.call(ctx, http.MethodGet, "/tickets", nil, &tickets)
	return tickets, err
}

// Reply lets the agent write a public note on a ticket, in HTML.
func (z *Zammad) Reply(ctx context.Context, ticket int, html string) error {
	return z.control.call(ctx, http.MethodPost, fmt.Sprintf("/tickets/%d/articles", ticket), map[string]string{"body": html}, nil)
}

// Note lets the agent write what customers do not see.
func (z *Zammad) Note(ctx context.Context, ticket int, html string) error {
	return z.control.call(ctx, http.MethodPost, fmt.Sprintf("/tickets/%d/articles", ticket),
		map[string]any{"body": html, "internal": true}, nil)
}

// SetState lets the agent set a ticket's state.
func (z *Zammad) SetState(ctx context.Context, ticket int, state string) error {
	return z.control.call(ctx, http.MethodPut, fmt.Sprintf("/tickets/%d/state", ticket), map[string]string{"state": state}, nil)
}

// Hooks lists the names of the webhooks and the triggers.
func (z *Zammad) Hooks(ctx context.Context) (webhooks, triggers []string, err error) {
	var hooks struct{ Webhooks, Triggers []zammadHook }
	err = z.control.call(ctx, http.MethodGet, "/hooks", nil, &hooks)
	for _, hook := range hooks.Webhooks {
		webhooks = append(webhooks, hook.Fields.Name)
	}
	for _, hook := range hooks.Triggers {
		triggers = append(triggers, hook.Fields.Name)
	}
	return webhooks, triggers, err
}

// GoDown lets Zammad answer nothing any more, until Heal.
func (z *Zammad) GoDown(ctx context.Context) error {
	return z.control.call(ctx, http.MethodPost, "/down", nil, nil)
}

// Heal ends what GoDown began.
func (z *Zammad) Heal(ctx context.Context) error {
	return z.control.call(ctx, http.MethodDelete, "/failures", nil, nil)
}
