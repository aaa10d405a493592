package cloudevents

import (
	"context"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
)

// Reply sends the customer of a conversation a reply, and tells the endpoint of it as of every message.
func (d *Desk) Reply(ctx context.Context, of, key, text string, files ...conversation.File) (conversation.Article, error) {
	return engine.Direct{Store: d.Store, Clock: d.Clock}.Reply(ctx, of, key, text, files)
}

// Change brings the present ticket of a conversation into a state.
func (d *Desk) Change(ctx context.Context, of, key string, to conversation.TicketState) (conversation.TicketState, error) {
	return engine.Direct{Store: d.Store, Clock: d.Clock}.Change(ctx, of, key, to, d.Settings())
}
