package outbox

import (
	"context"
	"errors"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// HelpdeskCaller keeps tickets in a helpdesk.
type HelpdeskCaller struct {
	// Helpdesk returns the one to use at present.
	Helpdesk func() helpdesk.Helpdesk
	// Store knows which ID the helpdesk gave a ticket.
	Store store.Data
	Clock clock.Clock
	// Settings returns what the channel's declaration says about conversations at present.
	Settings func() conversation.Settings
}

var (
	_ Local    = (*HelpdeskCaller)(nil)
	_ Settling = (*HelpdeskCaller)(nil)
)

// Within implements Local, for a helpdesk that is in the store.
func (h *HelpdeskCaller) Within(data store.Data) Caller {
	local, ok := h.Helpdesk().(interface {
		Within(data store.Data) helpdesk.Helpdesk
	})
	if !ok {
		return nil
	}
	desk := local.Within(data)
	return &HelpdeskCaller{Helpdesk: func() helpdesk.Helpdesk { return desk }, Store: data, Clock: h.Clock, Settings: h.Settings}
}

// retryFiles is how often an article that waits for its files looks whether they are there.
const retryFiles = time.Second

var (
	errNoTicket = errors.New("the ticket that this belongs to is not in the helpdesk: it was never opened, was deleted, or is in another one")
	// errNothingLost says that what cannot be shown on a ticket that is not there is worth nobody's attention.
	errNothingLost = errors.New("the ticket that this belongs to is not there any more")
	errWaits       = errors.New("it waits for a file")
)

// Call implements Caller. What it returns is the ID of a ticket that it opened.
func (h *HelpdeskCaller) Call(ctx context.Context, e store.Effect, state conversation.State) (string, error) {
	desk := h.Helpdesk()
	ctx = helpdesk.WithCallKey(ctx, e.Key)
	if e.Kind == conversation.KindOpenTicket {
		return h.open(ctx, desk, e, *e.OpenTicket)
	}
	ticket, err := h.ticketOf(ctx, desk, e)
	if err == nil {
		err = h.change(ctx, desk, ticket, e, state)
	}
	if meaningOf(err) == helpdesk.Gone {
		err = h.lost(ctx, desk, ticket)
	}
	switch {
	case !errors.Is(err, errNoTicket):
		return "", err
	case worthTicket(e):
		return h.open(ctx, desk, e, conversation.OpenTicket{
			Group: h.Settings().TargetGroup, Customer: state.Customer, Article: *e.AddArticle,
		})
	case e.SetDelivery != nil && e.SetDelivery.Reason != "":
		// A reply failed, and there is no ticket to say so on.
		return "", err
	default:
		return "", errNothingLost
	}
}

// worthTicket tells the effects that are worth a new ticket where the one they belong to is not there: what a customer
// wrote has to be seen by somebody.
func worthTicket(e store.Effect) bool {
	return e.AddArticle != nil && e.AddArticle.WantsAgent()
}

// open opens the ticket of an epoch, and puts it on record with the helpdesk that it is in.
func (h *HelpdeskCaller) open(ctx context.Context, desk helpdesk.Helpdesk, e store.Effect, t conversation.OpenTicket) (id string, err error) {
	if t.Article, err = h.withFiles(ctx, desk, e, t.Article); err != nil {
		return "", err
	}
	id, err = desk.OpenTicket(ctx, helpdesk.Ticket{
		Marker: conversation.TicketMarker(e.Conversation, e.Epoch), Conversation: e.Conversation, Epoch: e.Epoch, OpenTicket: t,
	})
	if err != nil {
		return "", err
	}
	return id, h.record(ctx, desk, e, id)
}

// record notes a ticket that an effect opened.
func (h *HelpdeskCaller) record(ctx context.Context, desk helpdesk.Helpdesk, e store.Effect, id string) error {
	return h.Store.Update(ctx, func(tx *store.Tx) error {
		if e.Kind == conversation.KindOpenTicket {
			return engine.Opened(tx, desk.Identity(), id, e)
		}
		return engine.Continued(tx, desk.Identity(), id, e, h.Settings(), h.Clock.Now())
	})
}

// change makes a call about a ticket that is there.
func (h *HelpdeskCaller) change(ctx context.Context, desk helpdesk.Helpdesk, ticket string, e store.Effect, state conversation.State) error {
	switch e.Kind {
	case conversation.KindAddArticle:
		article, err := h.withFiles(ctx, desk, e, *e.AddArticle)
		if err != nil {
			return err
		}
		return desk.AddArticle(ctx, ticket, helpdesk.Article{Article: article, Conversation: e.Conversation, Customer: state.Customer})
	case conversation.KindSetState:
		return desk.SetState(ctx, ticket, e.SetState.State)
	case conversation.KindSetDelivery:
		d := helpdesk.Delivery{SetDelivery: *e.SetDelivery}
		if err := h.Store.View(ctx, func(tx *store.Tx) (err error) {
			d.AgentArticle, err = tx.AgentArticle(desk.Identity(), d.ArticleID)
			return err
		}); err != nil {
			return err
		}
		return desk.SetDelivery(ctx, ticket, d)
	case conversation.KindSetAttachment:
		return desk.SetAttachment(ctx, ticket, *e.SetAttachment)
	}
	return &helpdesk.Error{
		Means: helpdesk.Refused, Reason: helpdesk.ReasonRejected, Message: "This version does not know effects of the kind " + string(e.Kind) + ".",
	}
}

// ticketOf returns the helpdesk's ID of the ticket that an effect is about. The lane's order has opened it before; one
// that is not on record, such as from before the helpdesk was changed back, is known by its marker.
func (h *HelpdeskCaller) ticketOf(ctx context.Context, desk helpdesk.Helpdesk, e store.Effect) (string, error) {
	id, err := h.onRecord(ctx, desk, e)
	if err != nil || id != "" {
		return id, err
	}
	id, found, err := desk.FindTicket(ctx, conversation.TicketMarker(e.Conversation, e.Epoch))
	if err != nil {
		return "", notDone(err)
	}
	if !found {
		return "", errNoTicket
	}
	return id, h.Store.Update(ctx, func(tx *store.Tx) error { return engine.Opened(tx, desk.Identity(), id, e) })
}

// onRecord returns the ticket that an effect is about as far as the store knows it.
func (h *HelpdeskCaller) onRecord(ctx context.Context, desk helpdesk.Helpdesk, e store.Effect) (id string, err error) {
	err = h.Store.View(ctx, func(tx *store.Tx) error {
		link, found, err := tx.TicketOf(desk.Identity(), e.Conversation, e.Epoch)
		if err == nil && found {
			id = link.Ticket
		}
		return err
	})
	return id, err
}

// lost forgets a ticket that is gone.
func (h *HelpdeskCaller) lost(ctx context.Context, desk helpdesk.Helpdesk, ticket string) error {
	if err := h.Store.Update(ctx, func(tx *store.Tx) error { return tx.UnlinkTicket(desk.Identity(), ticket) }); err != nil {
		return err
	}
	return errNoTicket
}

// Find implements Caller.
func (h *HelpdeskCaller) Find(ctx context.Context, e store.Effect) (string, bool, error) {
	desk := h.Helpdesk()
	switch e.Kind {
	case conversation.KindOpenTicket:
		return h.findOpened(ctx, desk, e)
	case conversation.KindAddArticle:
	default:
		// Showing a delivery or an attachment, or setting a state once more changes nothing, if the first time is over.
		return "", false, nil
	}
	ticket, err := h.onRecord(ctx, desk, e)
	if err != nil {
		return "", false, err
	}
	if ticket == "" {
		if !worthTicket(e) {
			return "", false, nil
		}
		// If the call opened a ticket, the article came with it.
		return h.findOpened(ctx, desk, e)
	}
	found, err := desk.FindArticle(ctx, ticket, e.AddArticle.ID)
	if meaningOf(err) == helpdesk.Gone {
		// The repeated call finds out, too, and does what there is to do.
		return "", false, nil
	}
	return "", found, err
}

// findOpened looks for a ticket that an effect may have opened.
func (h *HelpdeskCaller) findOpened(ctx context.Context, desk helpdesk.Helpdesk, e store.Effect) (string, bool, error) {
	id, found, err := desk.FindTicket(ctx, conversation.TicketMarker(e.Conversation, e.Epoch))
	if err != nil || !found {
		return "", false, err
	}
	return id, true, h.record(ctx, desk, e, id)
}

// Settles implements Settling. Once more in a state is not twice in it.
func (h *HelpdeskCaller) Settles(e store.Effect) time.Duration {
	if e.Kind == conversation.KindSetState {
		return 0
	}
	return h.Helpdesk().Settles()
}

// Judge implements Caller.
func (h *HelpdeskCaller) Judge(err error) Verdict {
	var told *helpdesk.Error
	switch {
	case errors.Is(err, errWaits):
		return Verdict{Means: NotYet, After: retryFiles}
	case errors.Is(err, errNothingLost):
		return Verdict{Means: Refused, Reason: err.Error()}
	case errors.Is(err, errNoTicket):
		return Verdict{Means: Dead, Reason: err.Error()}
	case !errors.As(err, &told):
		return Verdict{Means: InDoubt, Reason: "the helpdesk did not answer as expected"}
	}
	return Verdict{Means: meanings[told.Means], Reason: told.Message, After: told.RetryAfter}
}

var meanings = map[helpdesk.Meaning]Meaning{
	helpdesk.InDoubt: InDoubt, helpdesk.NotDone: TryAgain, helpdesk.Refused: Dead, helpdesk.Gone: Dead,
	helpdesk.Stop: Stop, helpdesk.StopUntilChanged: StopUntilChanged,
}

// meaningOf returns what an error means.
func meaningOf(err error) helpdesk.Meaning {
	var told *helpdesk.Error
	if errors.As(err, &told) {
		return told.Means
	}
	return helpdesk.InDoubt
}

// notDone says of an error that came while looking that nothing was done.
func notDone(err error) error {
	if meaningOf(err) != helpdesk.InDoubt {
		return err
	}
	return &helpdesk.Error{
		Means: helpdesk.NotDone, Reason: helpdesk.ReasonUnreachable, Message: "The helpdesk did not answer when it was asked for the ticket.", Err: err,
	}
}
