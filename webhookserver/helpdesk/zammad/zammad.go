// Package zammad keeps tickets in Zammad, through its REST API and with an access token, and tells the receiver what
// agents do there.
//
// What is written carries markers, so that nothing is written twice and nothing of it is ever taken for an agent's
// words: the ID of an article is its message_id, the marker of a ticket is the in_reply_to of its first article, and
// the preferences of both say whose they are. What agents do is read again from Zammad, whatever a call says that tells
// of it.
package zammad

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// Options say which Zammad it is, and for which channel.
type Options struct {
	// URL is where Zammad is, without its /api/v1.
	URL     string
	RootCAs *x509.CertPool
	// Token is the access token, and Secret what Zammad signs its calls with.
	Token, Secret string
	// Group is where tickets are filed.
	Group string
	// Namespace and Name are the channel's, and Installation tells it from one of the same name elsewhere.
	Namespace, Name, Installation string
	// EventsURL is what Zammad calls when agents did something; empty where it calls nobody.
	EventsURL string
	// PrivateAuthority says that EventsURL has a certificate of an authority that Zammad does not know.
	PrivateAuthority bool
	// Identity tells this helpdesk from another one.
	Identity string
	Receiver helpdesk.Receiver
}

// Helpdesk is Zammad for one channel.
type Helpdesk struct {
	options  Options
	client   *client
	receiver helpdesk.Receiver
	// channel names the objects in Zammad that are this channel's, and none but those.
	channel string
	bell    *doorbell
	queue   *queue
	late    lateFiles

	mu          sync.Mutex
	knownStates states
	statesUntil time.Time
	// budget is how many bytes of files a request may hold, as far as is known.
	budget int64
	// seen is when the tickets changed that were read, by their ID.
	seen map[string]time.Time
	// tidied tells that nothing of this channel's is left that Zammad would call.
	tidied bool
}

var _ helpdesk.Helpdesk = (*Helpdesk)(nil)

// New returns the helpdesk. It calls nobody before it is used.
func New(o Options) *Helpdesk {
	h := &Helpdesk{
		options: o, client: newClient(o.URL, o.Token, o.RootCAs), receiver: o.Receiver,
		channel: "whatsapp-operator " + o.Installation + " " + o.Namespace + "/" + o.Name,
		budget:  firstBudget, seen: map[string]time.Time{},
		queue: newQueue(o.Receiver.Clock),
	}
	if o.EventsURL != "" && o.Secret != "" {
		h.bell = &doorbell{helpdesk: h, secret: []byte(o.Secret), delivered: map[string]bool{}}
	}
	return h
}

// Identity implements helpdesk.Helpdesk.
func (h *Helpdesk) Identity() string { return h.options.Identity }

// Doorbell implements helpdesk.Helpdesk.
func (h *Helpdesk) Doorbell() http.Handler {
	if h.bell == nil {
		return nil
	}
	return h.bell
}

// filesWait is how long an article waits for its files: in Zammad, a file cannot be added to an article later.
const filesWait = time.Minute

// WaitsForFiles implements helpdesk.Helpdesk.
func (h *Helpdesk) WaitsForFiles() time.Duration { return filesWait }

// Settles implements helpdesk.Helpdesk.
func (h *Helpdesk) Settles() time.Duration { return settles }

// ticketRequest opens a ticket.
type ticketRequest struct {
	Title       string         `json:"title"`
	Group       string         `json:"group"`
	CustomerID  int            `json:"customer_id,omitempty"`
	Customer    *newCustomer   `json:"customer,omitempty"`
	Tags        string         `json:"tags"`
	Preferences preferences    `json:"preferences"`
	Article     articleRequest `json:"article"`
}

// commonTag is on the tickets of all channels.
const commonTag = "whatsapp"

// OpenTicket implements helpdesk.Helpdesk.
func (h *Helpdesk) OpenTicket(ctx context.Context, t helpdesk.Ticket) (string, error) {
	group := t.Group
	if group == "" {
		group = h.options.Group
	}
	request := ticketRequest{
		Title: helpdesk.Title(t.Customer), Group: group, Tags: commonTag + "," + h.channel,
		Preferences: preferences{Ours: &mark{Channel: h.channel, Marker: t.Marker}},
	}
	id, err := h.findCustomer(ctx, t)
	if err != nil {
		return "", err
	}
	if id == 0 {
		id, err = h.createCustomer(ctx, customerOf(t.Customer))
	} else {
		err = h.showNumber(ctx, id, t.Customer)
	}
	if err != nil {
		return "", err
	}
	if request.CustomerID = id; id == 0 {
		customer := customerOf(t.Customer)
		request.Customer = &customer
	}
	var opened ticket
	err = h.withFiles(ctx, t.Article, func(a articleRequest, files []content) error {
		a.InReplyTo = t.Marker
		a.From = from(t.Article.Author, t.Customer)
		a.OriginByID = originOf(t.Article.Author, id)
		request.Article = a
		return h.client.sendFiles(ctx, http.MethodPost, "/tickets", request, files, &opened)
	})
	if hasStatus(err, http.StatusUnprocessableEntity) || hasStatus(err, http.StatusForbidden) {
		err = h.whyNotInGroup(ctx, group, err)
	}
	if err != nil {
		return "", err
	}
	return strconv.Itoa(opened.ID), nil
}

// ticketChange changes a ticket, and adds an article along with it.
type ticketChange struct {
	StateID     int             `json:"state_id,omitempty"`
	PendingTime *time.Time      `json:"pending_time,omitempty"`
	Preferences *preferences    `json:"preferences,omitempty"`
	Article     *articleRequest `json:"article,omitempty"`
}

// AddArticle implements helpdesk.Helpdesk.
func (h *Helpdesk) AddArticle(ctx context.Context, ticketID string, a helpdesk.Article) error {
	t, kind, err := h.current(ctx, ticketID)
	if err != nil {
		return err
	}
	var change ticketChange
	if a.WantsAgent() && kind != typeNew && kind != typeOpen {
		all, err := h.states(ctx)
		if err != nil {
			return err
		}
		change.StateID = all.followUp()
	}
	err = h.withFiles(ctx, a.Article, func(request articleRequest, files []content) error {
		request.From = from(a.Author, a.Customer)
		request.OriginByID = originOf(a.Author, t.CustomerID)
		change.Article = &request
		return h.client.sendFiles(ctx, http.MethodPut, "/tickets/"+strconv.Itoa(t.ID), change, files, nil)
	})
	return err
}

// pendingFor is how long a ticket is put aside where nobody says how long: Zammad wants to know.
const pendingFor = 24 * time.Hour

// SetState implements helpdesk.Helpdesk.
func (h *Helpdesk) SetState(ctx context.Context, ticketID string, to conversation.TicketState) error {
	t, kind, err := h.current(ctx, ticketID)
	if err != nil {
		return err
	}
	is, known := stateOf(kind)
	if !known || is == conversation.TicketIsClosed || is == to {
		return nil
	}
	all, err := h.states(ctx)
	if err != nil {
		return err
	}
	var change ticketChange
	switch to {
	case conversation.TicketIsClosed:
		change.StateID = all.of(typeClosed)
	case conversation.TicketIsPending:
		until := h.receiver.Clock.Now().Add(pendingFor).UTC()
		change.StateID, change.PendingTime = all.of(typePendingReminder), &until
	default:
		change.StateID = all.followUp()
	}
	return h.client.send(ctx, http.MethodPut, "/tickets/"+strconv.Itoa(t.ID), change, nil)
}

// maxMerges bounds how far merged tickets are followed.
const maxMerges = 8

// current returns a ticket, or the one that stands for it since it was merged, and the type of its state.
func (h *Helpdesk) current(ctx context.Context, id string) (t ticket, kind string, err error) {
	all, err := h.states(ctx)
	if err != nil {
		return t, "", err
	}
	for range maxMerges {
		if t, err = h.client.ticket(ctx, id); err != nil {
			return t, "", err
		}
		if kind = all.kind(t.StateID); kind != typeMerged {
			return t, kind, nil
		}
		into, err := h.mergedInto(ctx, id)
		if err != nil {
			return t, "", err
		}
		if into == "" {
			break
		}
		id = into
	}
	return t, "", &helpdesk.Error{
		Means: helpdesk.Gone, Reason: helpdesk.ReasonTicketGone, Message: "the ticket was merged in Zammad, and it does not tell into which.",
	}
}

// mergedInto returns the ticket that a ticket was merged into, which its history tells; empty if it does not.
func (h *Helpdesk) mergedInto(ctx context.Context, id string) (into string, err error) {
	lines, err := h.client.history(ctx, id)
	for _, line := range lines {
		if line.Type == "merged_into" && line.Object == "Ticket" && strconv.Itoa(line.ToID) != id && line.ToID != 0 {
			into = strconv.Itoa(line.ToID)
		}
	}
	return into, err
}

func isGone(err error) bool {
	known := (*helpdesk.Error)(nil)
	return errors.As(err, &known) && known.Means == helpdesk.Gone
}
