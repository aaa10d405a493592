package crash

import (
	"context"
	"fmt"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// firstMessage is when the customer writes first, in Unix time.
	firstMessage = 1793613600

	// PictureMessage is the ID of the message with the customer's picture.
	PictureMessage = "wamid.picture"
	// Picture is what the picture is made of.
	Picture = "\x89PNG\r\n\x1a\n of the parcel"
)

const firstWebhook = `{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"messages","value":{
	"metadata":{"phone_number_id":"1"},"messages":[
	{"from":"1555","id":"wamid.one","timestamp":"1793613600","type":"text","text":{"body":"one"}},
	{"from":"1555","id":"wamid.picture","timestamp":"1793613601","type":"image","image":{"id":%q,"mime_type":"image/png","sha256":"","caption":"picture"}},
	{"from":"1555","id":"wamid.two","timestamp":"1793613602","type":"text","text":{"body":"two"}}]}}]}]}`

const secondWebhook = `{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"messages","value":{
	"metadata":{"phone_number_id":"1"},"messages":[
	{"from":"1555","id":"wamid.again","timestamp":"%d","type":"text","text":{"body":"again"}}]}}]}]}`

// play plays the story and returns what a person would find wrong. An error means that it could not be played to its
// end.
func (r *run) play() ([]string, error) {
	ctx := context.Background()
	reply := func(ticket int, key string, reply Reply) func() error {
		return func() error {
			return r.until(func(p *process) error { return r.helpdesk.Reply(ctx, &p.Process, ticket, key, reply) })
		}
	}
	for _, scene := range []func() error{
		func() error { return r.post(fmt.Sprintf(firstWebhook, r.picture)) },
		r.settle,
		reply(0, "first", Reply{Text: "reply"}),
		reply(0, "second", Reply{Text: "look", Files: []File{
			{Name: "a.png", MIMEType: "image/png", Content: "A"}, {Name: "b.png", MIMEType: "image/png", Content: "B"},
		}}),
		r.settle,
		func() error {
			r.clock.Advance(time.Unix(firstMessage, 0).Add(20*time.Hour + time.Minute).Sub(r.clock.Now()))
			return nil
		},
		r.settle,
		func() error {
			return r.until(func(p *process) error { return r.helpdesk.Close(ctx, &p.Process, 0) })
		},
		r.settle,
		func() error { return r.post(fmt.Sprintf(secondWebhook, r.clock.Now().Unix())) },
		r.settle,
		reply(1, "third", Reply{Text: "answer"}),
		r.settle,
	} {
		if err := scene(); err != nil {
			return nil, err
		}
	}
	var (
		seen        []Ticket
		deadLetters []store.Effect
	)
	if err := r.until(func(p *process) (err error) {
		if seen, err = r.helpdesk.Tickets(ctx, &p.Process); err != nil {
			return err
		}
		return p.Store.View(ctx, func(tx *store.Tx) error {
			deadLetters, err = tx.DeadLetters(0, 100)
			return err
		})
	}); err != nil {
		return nil, err
	}
	return append(judgeTickets(seen), r.whatsApp.judge(seen, deadLetters)...), nil
}
