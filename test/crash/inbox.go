package crash

import (
	"context"
	"errors"
	"slices"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Inbox is the built-in helpdesk, whose tickets are in the receiver's own store.
type Inbox struct{}

var (
	errNoTicket      = errors.New("there is no such ticket yet")
	errUnknownTicket = errors.New("the receiver does not know the ticket")
)

func (Inbox) of(p *Process) *inbox.Inbox {
	return &inbox.Inbox{Store: p.Store, Clock: p.Clock, Settings: func() conversation.Settings { return p.Settings }}
}

// Attach implements Helpdesk.
func (i Inbox) Attach(p *Process) helpdesk.Helpdesk { return i.of(p) }

// Reply implements Helpdesk.
func (i Inbox) Reply(ctx context.Context, p *Process, ticket int, key string, r Reply) error {
	tickets, err := i.tickets(ctx, p)
	if err != nil {
		return err
	}
	if ticket >= len(tickets) {
		return errNoTicket
	}
	files, err := Keep(ctx, p.Files, key, r.Files)
	if err != nil {
		return err
	}
	_, err = i.of(p).Reply(ctx, tickets[ticket].ID, key, r.Text, files...)
	p.Wake()
	return err
}

// Keep puts the files of a reply where the receiver keeps files. Doing so again changes nothing.
func Keep(ctx context.Context, dir media.Files, key string, files []File) (kept []conversation.File, err error) {
	for _, f := range files {
		file, err := keep(ctx, dir, key, f)
		if err != nil {
			return nil, err
		}
		kept = append(kept, file)
	}
	return kept, nil
}

func keep(ctx context.Context, dir media.Files, key string, f File) (conversation.File, error) {
	draft, err := dir.Draft(ctx)
	if err != nil {
		return conversation.File{}, err
	}
	defer draft.Discard()
	id := conversation.FileID(key + "/" + f.Name)
	if _, err := draft.Write([]byte(f.Content)); err != nil {
		return conversation.File{}, err
	}
	return conversation.File{
		ID: id, Kind: "image", Name: f.Name, MIMEType: f.MIMEType, Size: draft.Size(), SHA256: draft.SHA256(),
	}, draft.Keep(id)
}

// Close implements Helpdesk.
func (i Inbox) Close(ctx context.Context, p *Process, ticket int) error {
	tickets, err := i.tickets(ctx, p)
	if err != nil {
		return err
	}
	if ticket >= len(tickets) {
		return errNoTicket
	}
	_, err = i.of(p).Change(ctx, tickets[ticket].ID, store.TicketClosed)
	p.Wake()
	return err
}

func (Inbox) tickets(ctx context.Context, p *Process) (tickets []store.Ticket, err error) {
	err = p.Store.View(ctx, func(tx *store.Tx) (err error) {
		tickets, err = tx.Tickets("", 1<<62, 100)
		return err
	})
	slices.SortFunc(tickets, func(a, b store.Ticket) int { return int(a.ID - b.ID) })
	return tickets, err
}

// Tickets implements Helpdesk.
func (i Inbox) Tickets(ctx context.Context, p *Process) (seen []Ticket, err error) {
	tickets, err := i.tickets(ctx, p)
	if err != nil {
		return nil, err
	}
	err = p.Store.View(ctx, func(tx *store.Tx) error {
		for _, t := range tickets {
			articles, err := tx.Articles(t.ID)
			if err != nil {
				return err
			}
			var ticket Ticket
			for _, a := range articles {
				article := Article{Text: a.Text, Note: a.Author == conversation.AuthorNote}
				attachments, err := tx.Attachments(a.Marker)
				if err != nil {
					return err
				}
				for _, f := range attachments {
					if _, _, err := p.Files.Look(ctx, f.ID); err == nil && f.State == conversation.AttachmentKept {
						article.Files = append(article.Files, f.Name)
					}
				}
				ticket.Articles = append(ticket.Articles, article)
			}
			seen = append(seen, ticket)
		}
		return nil
	})
	return seen, err
}
