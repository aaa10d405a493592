// Package helpdesk says what the receiver wants of a helpdesk, and what a helpdesk may ask and tell the receiver.
//
// Both directions are here. The receiver calls a Helpdesk to keep tickets. A helpdesk outside tells the receiver what
// agents did there through Agents, and is lent what it needs as a Receiver. How errors are told is in errors.go. What
// every helpdesk has to get right is tested by helpdesktest.
package helpdesk

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// Helpdesk is where tickets are. A call may be repeated after a crash or a lost answer, but only after Find… has
// looked for what it would have left behind: each ticket and article carries a marker that names it for good. Calls
// about one conversation are made one after the other, those of several at the same time.
//
// Errors are Errors where it is known what they mean; any other leaves open whether the call was carried out.
type Helpdesk interface {
	// Identity tells one helpdesk from another: IDs of tickets are good only in the helpdesk that gave them. See
	// config.Helpdesk.
	Identity() string
	// Check finds out whether tickets can be opened at present. It changes nothing but what the helpdesk needs to tell
	// of its agents. It is called at the start, after each change of the configuration, and every few minutes.
	Check(ctx context.Context) Health
	// OpenTicket opens a ticket with its first article, both or neither, and returns the helpdesk's ID for it.
	OpenTicket(ctx context.Context, t Ticket) (id string, err error)
	// AddArticle adds an article to a ticket. One that wants an agent opens a ticket again that was closed before the
	// article got there: somebody has to see it.
	AddArticle(ctx context.Context, ticketID string, a Article) error
	// SetDelivery shows on an article how far it has got on its way to the customer. It may be repeated at will.
	SetDelivery(ctx context.Context, ticketID string, d Delivery) error
	// SetAttachment shows what became of a file of an article. It may be repeated at will, and come after the article
	// showed the same.
	SetAttachment(ctx context.Context, ticketID string, a conversation.SetAttachment) error
	// SetState brings a ticket into a state, unless it was closed. It may be repeated at will.
	SetState(ctx context.Context, ticketID string, state conversation.TicketState) error
	// FindTicket looks for a ticket by its marker. A helpdesk that cannot look finds nothing.
	FindTicket(ctx context.Context, marker string) (id string, found bool, err error)
	// FindArticle looks for an article by its ID, which is its marker.
	FindArticle(ctx context.Context, ticketID, articleID string) (found bool, err error)
	// WaitsForFiles is how long an article may wait for its files, so that they come in one call with it; zero where
	// files can be added later as well. Those that are not there by then come by SetAttachment.
	WaitsForFiles() time.Duration
	// Settles is how long after a call that it did not answer the helpdesk may still carry it out. Until then, that
	// nothing of it is found proves nothing. Zero where a call that was not answered is over.
	Settles() time.Duration
	// Doorbell takes the calls by which the helpdesk says that an agent did something; nil where there are none. It
	// trusts nobody who calls: no token was checked, and the body has not been read. Reading it fails with an
	// *http.MaxBytesError where it is too large, and with another error where it did not come or cannot be received at
	// present. Who shows no signature is turned away before that.
	Doorbell() http.Handler
	// Run does what has to be done in the background, such as looking for what no doorbell told, until the context
	// ends. An error ends the receiver; a helpdesk that does not answer is none.
	Run(ctx context.Context) error
}

// Ticket is a ticket to be opened.
type Ticket struct {
	// Marker names the ticket for good, see conversation.TicketMarker.
	Marker       string
	Conversation string
	Epoch        int
	conversation.OpenTicket
}

// Article is an article to be added.
type Article struct {
	conversation.Article
	// Conversation is the same for all tickets of a customer.
	Conversation string
	// Customer is what is known of the customer at present, which may be more than when the ticket was opened.
	Customer conversation.Customer
}

// Delivery is how far a message to the customer has got.
type Delivery struct {
	conversation.SetDelivery
	// AgentArticle is the helpdesk's own ID of the article, where an agent wrote it there. What this receiver wrote is
	// named by ArticleID.
	AgentArticle string
}

// Health is whether tickets can be opened.
type Health struct {
	Ready bool `json:"ready"`
	// Reason is one of the reasons of errors.go, in the form of a condition's reason.
	Reason string `json:"reason"`
	// Message says in a sentence what is so and, where it is not ready, what to do next. It holds no secret, and
	// nothing that differs from check to check while nothing changed.
	Message string `json:"message"`
	// Groups are those that tickets could be filed in, as far as the helpdesk tells.
	Groups []string `json:"groups,omitempty"`
	// Version is the helpdesk's own.
	Version string `json:"version,omitempty"`
}

// Receiver is what a helpdesk outside may use of the receiver.
type Receiver struct {
	Agents Agents
	Notes  Notes
	Files  Files
	Clock  clock.Clock
	Log    *slog.Logger
}

// Agents is told what agents did in a helpdesk outside, and knows which of its tickets are this channel's. What is told
// of a ticket takes effect in the order of the calls, so a helpdesk reads and tells one ticket at a time: first its new
// articles, oldest first, and then its state. nil means that it is durable with all that follows from it; what is told
// once more changes nothing. ours is false for a ticket that is not this channel's, of which nothing is kept.
type Agents interface {
	// Replied tells that an agent wrote to the customer.
	Replied(ctx context.Context, r Reply) (ours bool, err error)
	// InState tells which state a ticket was found in: whatever was done to it before, the conversation follows.
	InState(ctx context.Context, t TicketRef, state conversation.TicketState) (ours bool, err error)
	// Merged tells that a ticket was merged into another, which then stands for it. If that one is another customer's,
	// replies on it go to that other customer, and the first one's next message opens a new ticket.
	Merged(ctx context.Context, t TicketRef, into string) (ours bool, err error)
	// Gone tells that a ticket was deleted. The customer's next message opens a new one.
	Gone(ctx context.Context, t TicketRef) (ours bool, err error)

	// Tickets returns what is known of those of the tickets that are this channel's.
	Tickets(ctx context.Context, ids []string) (map[string]Known, error)
	// OpenTickets lists the tickets that conversations go on in at present, by ID in the order of their text, above
	// after: what a sweep has to look at whatever the helpdesk says is new.
	OpenTickets(ctx context.Context, after string, limit int) ([]string, error)
	// Taken returns those of an agent's articles that were told as replies before.
	Taken(ctx context.Context, articles []string) (map[string]bool, error)
}

// TicketRef names a ticket of the helpdesk.
type TicketRef struct {
	// ID is the helpdesk's own.
	ID string
	// Marker is that which the ticket carries; empty where it carries none or cannot be read. By it, a ticket is known
	// even before the answer to the call that opened it.
	Marker string
}

// Known is what is known of a ticket.
type Known struct {
	Conversation string
	Epoch        int
	// Open tells whether the customer's next message goes to this ticket.
	Open bool
}

// Reply is an article that an agent wrote to the customer.
type Reply struct {
	Ticket TicketRef
	// Article is the helpdesk's own ID of the article. The receiver takes each once.
	Article string
	// Text is in WhatsApp's formatting; see package formatting.
	Text string
	// Files were kept by Files.Keep.
	Files []conversation.File
	// Refused are files that cannot be sent. The rest of the reply is, and the ticket says what is missing.
	Refused []conversation.RefusedFile
}

// Notes are small values that outlive the process, such as how far a sweep got. Each helpdesk has its own.
type Notes interface {
	// Note returns a value, empty if there is none.
	Note(ctx context.Context, name string) (string, error)
	// SetNote sets a value.
	SetNote(ctx context.Context, name, value string) error
	// SwapNote sets a value if it is the one that is expected, and reports whether it was. Where several processes have
	// one channel, it lets one of them do what only one should.
	SwapNote(ctx context.Context, name, expected, value string) (bool, error)
}

// Files are the files of articles.
type Files interface {
	// Open opens a file that is kept, by its ID, or fails with ErrNoFile.
	Open(ctx context.Context, id string) (io.ReadCloser, error)
	// Keep keeps a file of an agent's article until it is sent, if WhatsApp takes it: a *RefusedError says why not.
	// The same source, which names the file for good, always gives the same ID.
	Keep(ctx context.Context, source, name, mimeType string, content io.Reader) (conversation.File, error)
}
