package crash

import (
	"context"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Helpdesk is the helpdesk behind the receiver during one run. It outlives the receiver's processes. Its tickets are
// counted from 0 in the order in which they were opened, those included that should not be there.
type Helpdesk interface {
	// Attach connects a process that has just started, and returns what it is to call and to run. p.Agents is not there
	// before the helpdesk is attached.
	Attach(p *Process) helpdesk.Helpdesk
	// Reply lets the agent reply on a ticket, and has the process take the reply up. It is called with the same key until
	// it succeeds, each time perhaps with another process.
	Reply(ctx context.Context, p *Process, ticket int, key string, r Reply) error
	// Close lets the agent close a ticket, and has the process take that up. It is called until it succeeds.
	Close(ctx context.Context, p *Process, ticket int) error
	// Tickets returns what agents see.
	Tickets(ctx context.Context, p *Process) ([]Ticket, error)
}

// Process is a running process of the receiver.
type Process struct {
	// Store is what the process stores in. It fails when the process is dead.
	Store store.Store
	Clock clock.Clock
	// Agents is what the helpdesk that Attach returned tells of agents.
	Agents helpdesk.Agents
	// Files are the files of messages, which survive the process.
	Files media.Files
	// Settings are what the channel's declaration says.
	Settings conversation.Settings
	// Wake has the process look for what is to do.
	Wake func()
	// Point is where the process may die besides its commits and calls; nil means that it lives on.
	Point func() error
}

// Reply is what an agent writes.
type Reply struct {
	Text  string
	Files []File
}

// File is a file of an agent's reply.
type File struct {
	Name, MIMEType, Content string
}

// Ticket is a ticket as agents see it.
type Ticket struct {
	Articles []Article
}

// Article is an entry on a ticket.
type Article struct {
	Text string
	// Note tells that it says something about the conversation, and is no part of it.
	Note bool
	// Files are the names of the files that can be opened.
	Files []string
}

// Blind is a helpdesk in which no marker is ever found.
func Blind(h Helpdesk) Helpdesk { return blindHelpdesk{h} }

type blindHelpdesk struct{ Helpdesk }

func (b blindHelpdesk) Attach(p *Process) helpdesk.Helpdesk {
	return blindClient{b.Helpdesk.Attach(p)}
}

type blindClient struct{ helpdesk.Helpdesk }

func (blindClient) FindTicket(context.Context, string) (string, bool, error) { return "", false, nil }

func (blindClient) FindArticle(context.Context, string, string) (bool, error) { return false, nil }
