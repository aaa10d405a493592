package store

import (
	"encoding/json"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// TicketState is the state of a ticket of the built-in inbox.
type TicketState = conversation.TicketState

// The states of tickets.
const (
	TicketOpen    = conversation.TicketIsOpen
	TicketPending = conversation.TicketIsPending
	TicketClosed  = conversation.TicketIsClosed
)

// Ticket is a ticket of the built-in inbox.
type Ticket struct {
	ID int64
	// Marker names the ticket for good, see conversation.TicketMarker.
	Marker       string
	Conversation string
	Epoch        int
	Group        string
	Title        string
	Customer     conversation.Customer
	State        TicketState
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Article is an entry on a ticket of the built-in inbox.
type Article struct {
	ID int64
	// Marker is the article's ID as the conversation knows it.
	Marker    string
	Author    conversation.Author
	Type      string
	Text      string
	WrittenAt time.Time
	CreatedAt time.Time
	// Delivery is empty for what is not sent to the customer.
	Delivery       conversation.Delivery
	DeliveryReason string
	DeliveryAt     time.Time
}

const ticketColumns = `id, marker, conversation, epoch, target_group, title, customer, state, created_at, updated_at`

func scanTicket(scan func(...any) error) (Ticket, error) {
	var (
		t                Ticket
		customer         []byte
		created, updated int64
	)
	if err := scan(&t.ID, &t.Marker, &t.Conversation, &t.Epoch, &t.Group, &t.Title, &customer, &t.State, &created, &updated); err != nil {
		return t, err
	}
	t.CreatedAt, t.UpdatedAt = fromMillis(created), fromMillis(updated)
	return t, json.Unmarshal(customer, &t.Customer)
}

// AddTicket opens a ticket and returns its ID. If one of this marker is there, that stays as it is.
func (tx *Tx) AddTicket(t Ticket) (int64, error) {
	customer, err := json.Marshal(t.Customer)
	if err != nil {
		return 0, err
	}
	if err := tx.put(`INSERT INTO ticket (marker, conversation, epoch, target_group, title, customer, state, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (marker) DO NOTHING`,
		t.Marker, t.Conversation, t.Epoch, t.Group, t.Title, customer, string(t.State), millis(t.CreatedAt), millis(t.CreatedAt)); err != nil {
		return 0, err
	}
	there, _, err := tx.TicketByMarker(t.Marker)
	return there.ID, err
}

// Ticket returns a ticket, and whether there is one of this ID.
func (tx *Tx) Ticket(id int64) (Ticket, bool, error) { return tx.ticket(`id = ?`, id) }

// TicketByMarker returns a ticket, and whether there is one of this marker.
func (tx *Tx) TicketByMarker(marker string) (Ticket, bool, error) {
	return tx.ticket(`marker = ?`, marker)
}

func (tx *Tx) ticket(where string, arg any) (Ticket, bool, error) {
	list, err := rows(tx, scanTicket, `SELECT `+ticketColumns+` FROM ticket WHERE `+where, arg)
	if err != nil || len(list) == 0 {
		return Ticket{}, false, err
	}
	return list[0], true, nil
}

// Tickets returns the tickets in one of the states with an ID below before, newest first.
func (tx *Tx) Tickets(state TicketState, before int64, limit int) ([]Ticket, error) {
	return rows(tx, scanTicket, `SELECT `+ticketColumns+` FROM ticket WHERE (? = '' OR state = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		string(state), string(state), before, limit)
}

// SetTicketState brings a ticket into a state.
func (tx *Tx) SetTicketState(id int64, state TicketState, now time.Time) error {
	return tx.put(`UPDATE ticket SET state = ?, updated_at = ? WHERE id = ?`, string(state), millis(now), id)
}

// AddArticle adds an article to a ticket. If one of this marker is there, that stays as it is.
func (tx *Tx) AddArticle(ticket int64, a Article, now time.Time) error {
	added, err := tx.exec(`INSERT INTO article (ticket, marker, author, type, text, written_at, created_at, delivery)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (marker) DO NOTHING`,
		ticket, a.Marker, string(a.Author), a.Type, a.Text, millis(a.WrittenAt), millis(now), string(a.Delivery))
	if err != nil || added == 0 {
		return err
	}
	return tx.put(`UPDATE ticket SET updated_at = ? WHERE id = ?`, millis(now), ticket)
}

// HasArticle tells whether an article is there.
func (tx *Tx) HasArticle(marker string) (bool, error) {
	_, found, err := tx.Article(marker)
	return found, err
}

// SetDelivery shows on an article how far it has got.
func (tx *Tx) SetDelivery(d conversation.SetDelivery) error {
	return tx.put(`UPDATE article SET delivery = ?, delivery_reason = ?, delivery_at = ? WHERE marker = ?`,
		string(d.Delivery), d.Reason, millis(d.At), d.ArticleID)
}

const articleColumns = `id, marker, author, type, text, written_at, created_at, delivery, delivery_reason, delivery_at`

func scanArticle(scan func(...any) error) (Article, error) {
	var (
		a                        Article
		written, created, showed int64
	)
	err := scan(&a.ID, &a.Marker, &a.Author, &a.Type, &a.Text, &written, &created, &a.Delivery, &a.DeliveryReason, &showed)
	a.WrittenAt, a.CreatedAt, a.DeliveryAt = fromMillis(written), fromMillis(created), fromMillis(showed)
	return a, err
}

// Article returns an article by its marker, and whether it is there.
func (tx *Tx) Article(marker string) (Article, bool, error) {
	list, err := rows(tx, scanArticle, `SELECT `+articleColumns+` FROM article WHERE marker = ?`, marker)
	if err != nil || len(list) == 0 {
		return Article{}, false, err
	}
	return list[0], true, nil
}

// Articles returns the articles of a ticket, oldest first.
func (tx *Tx) Articles(ticket int64) ([]Article, error) {
	return rows(tx, scanArticle, `SELECT `+articleColumns+` FROM article WHERE ticket = ? ORDER BY id`, ticket)
}
