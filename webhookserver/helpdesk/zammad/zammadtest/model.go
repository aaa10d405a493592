package zammadtest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The states that Zammad begins with (db/seeds/ticket_states.rb), by their IDs.
const (
	stateNew = iota + 1
	stateOpen
	statePendingReminder
	stateClosed
	stateMerged
	stateRemoved
	statePendingClose
)

// The senders and the types of articles that Zammad begins with (db/seeds/ticket_article_senders.rb and
// ticket_article_types.rb), in the order of their IDs.
var (
	senders      = []string{"Agent", "Customer", "System"}
	articleTypes = []string{
		"email", "sms", "chat", "fax", "phone", "twitter status", "twitter direct-message", "facebook feed post",
		"facebook feed comment", "note", "web", "telegram personal-message", "facebook direct-message", "whatsapp message",
	}
)

// The roles that Zammad begins with (db/seeds/roles.rb).
const (
	roleAdmin = iota + 1
	roleAgent
	roleCustomer
)

// database is what the server keeps. IDs count from 1, and nothing is ever given the same one again.
type database struct {
	groups   []*group
	users    []*user
	tokens   map[string]*token
	tickets  []*ticket
	articles []*article
	webhooks []*webhook
	triggers []*trigger
	history  []historyEntry

	ticketNumber, articleID, attachmentID, ticketID, webhookID, triggerID int
	// indexed holds what the search index knows of: tickets and users, as they were then.
	indexedUsers   map[int]user
	indexedTickets map[int]bool
}

// systemUser is the user that Zammad does its own work as ("-", id 1).
const systemUser = 1

func newDatabase(now time.Time) database {
	return database{
		tokens: map[string]*token{}, indexedUsers: map[int]user{}, indexedTickets: map[int]bool{}, ticketNumber: 22000,
		users: []*user{{ID: systemUser, Login: "-", Firstname: "-", CreatedAt: now, UpdatedAt: now}},
	}
}

type group struct {
	ID        int
	Name      string
	Active    bool
	CreatedAt time.Time
}

type user struct {
	ID                       int
	Login, Email             string
	Firstname, Lastname      string
	Mobile, Phone, Note      string
	Roles                    []int
	Groups                   []int
	Inactive                 bool
	CreatedAt, UpdatedAt     time.Time
	CreatedByID, UpdatedByID int
}

func (u *user) name() string { return strings.TrimSpace(u.Firstname + " " + u.Lastname) }

func (u *user) isAgent() bool { return slices.Contains(u.Roles, roleAgent) }

type token struct {
	user        int
	permissions []string
	expires     time.Time
}

type ticket struct {
	ID, GroupID, StateID, CustomerID, OwnerID int
	Number, Title                             string
	Preferences                               map[string]any
	PendingTime                               *time.Time
	CreateSenderID, CreateTypeID              int
	Tags                                      []string
	CreatedAt, UpdatedAt                      time.Time
	CreatedByID, UpdatedByID                  int
	CloseAt                                   *time.Time
}

func (t *ticket) clone() *ticket {
	c := *t
	c.Preferences, c.Tags = maps.Clone(t.Preferences), slices.Clone(t.Tags)
	return &c
}

type article struct {
	ID, TicketID, TypeID, SenderID int
	From, To, Cc, Subject          string
	MessageID, ContentType, Body   string
	InReplyTo                      string
	Internal                       bool
	Preferences                    map[string]any
	OriginByID                     int
	CreatedByID, UpdatedByID       int
	CreatedAt, UpdatedAt           time.Time
	Attachments                    []attachment
}

type attachment struct {
	ID          int
	Filename    string
	Preferences map[string]any
	Data        []byte
}

// historyEntry is one line of a ticket's history (app/models/history.rb).
type historyEntry struct {
	Type, Object    string
	OID, RelatedOID int
	IDFrom, IDTo    int
	Attribute       string
	CreatedByID     int
	CreatedAt       time.Time
}

func (d *database) group(id int) *group {
	for _, g := range d.groups {
		if g.ID == id {
			return g
		}
	}
	return nil
}

func (d *database) groupNamed(name string) *group {
	for _, g := range d.groups {
		if g.Name == name {
			return g
		}
	}
	return nil
}

func (d *database) user(id int) *user {
	for _, u := range d.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (d *database) findUser(fits func(*user) bool) *user {
	for _, u := range d.users {
		if fits(u) {
			return u
		}
	}
	return nil
}

func (d *database) ticket(id int) *ticket {
	for _, t := range d.tickets {
		if t.ID == id {
			return t
		}
	}
	return nil
}

func (d *database) article(id int) *article {
	for _, a := range d.articles {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// articlesOf returns a ticket's articles in the order of their IDs.
func (d *database) articlesOf(ticketID int) (of []*article) {
	for _, a := range d.articles {
		if a.TicketID == ticketID {
			of = append(of, a)
		}
	}
	return of
}

// nextNumber draws a ticket number. Zammad's are unique (an index of the table tickets).
func (d *database) nextNumber() string {
	d.ticketNumber++
	return strconv.Itoa(d.ticketNumber)
}

func indexOf(list []string, name string) int { return slices.Index(list, name) + 1 }

func nameOf(list []string, id int) string {
	if id < 1 || id > len(list) {
		return ""
	}
	return list[id-1]
}
