package store

// TicketLink leads from a ticket of a helpdesk to the conversation that it belongs to.
type TicketLink struct {
	// Helpdesk tells helpdesks apart, and Ticket is the ticket's ID there.
	Helpdesk, Ticket string
	Conversation     string
	Epoch            int
	// MergedInto is the ticket that this one became part of; empty if it stands for itself.
	MergedInto string
	// Open tells whether the conversation goes on in it.
	Open bool
}

const linkColumns = `helpdesk, ticket, conversation, epoch, merged_into, open`

func scanLink(scan func(...any) error) (l TicketLink, err error) {
	var open int
	err = scan(&l.Helpdesk, &l.Ticket, &l.Conversation, &l.Epoch, &l.MergedInto, &open)
	l.Open = open != 0
	return l, err
}

// LinkTicket notes a ticket, or changes what is noted of it.
func (tx *Tx) LinkTicket(l TicketLink) error {
	open := 0
	if l.Open {
		open = 1
	}
	return tx.put(`INSERT INTO helpdesk_ticket (`+linkColumns+`) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (helpdesk, ticket) DO UPDATE SET conversation = excluded.conversation, epoch = excluded.epoch,
			merged_into = excluded.merged_into, open = excluded.open`,
		l.Helpdesk, l.Ticket, l.Conversation, l.Epoch, l.MergedInto, open)
}

// UnlinkTicket forgets a ticket, because it is gone.
func (tx *Tx) UnlinkTicket(helpdesk, ticket string) error {
	return tx.put(`DELETE FROM helpdesk_ticket WHERE helpdesk = ? AND ticket = ?`, helpdesk, ticket)
}

// TicketLink returns what is noted of a ticket, and whether anything is.
func (tx *Tx) TicketLink(helpdesk, ticket string) (TicketLink, bool, error) {
	return first(rows(tx, scanLink, `SELECT `+linkColumns+` FROM helpdesk_ticket WHERE helpdesk = ? AND ticket = ?`, helpdesk, ticket))
}

// TicketOf returns the ticket of a helpdesk that the ticket of an epoch is now, following merges, and whether there is one.
func (tx *Tx) TicketOf(helpdesk, conversationID string, epoch int) (TicketLink, bool, error) {
	link, found, err := first(rows(tx, scanLink, `SELECT `+linkColumns+` FROM helpdesk_ticket
		WHERE conversation = ? AND epoch = ? AND helpdesk = ? ORDER BY merged_into <> '', ticket DESC LIMIT 1`, conversationID, epoch, helpdesk))
	if err != nil || !found {
		return link, false, err
	}
	return tx.FollowMerges(link)
}

// maxMerges bounds how many merges are followed, should they ever go in a circle.
const maxMerges = 20

// FollowMerges returns the ticket that a ticket became part of, or the ticket itself, and whether it is there.
func (tx *Tx) FollowMerges(link TicketLink) (TicketLink, bool, error) {
	for range maxMerges {
		if link.MergedInto == "" {
			return link, true, nil
		}
		next, found, err := tx.TicketLink(link.Helpdesk, link.MergedInto)
		if err != nil || !found {
			return next, false, err
		}
		link = next
	}
	return link, false, nil
}

// OpenLinks returns the tickets that conversations go on in, with an ID above after in the order of their text.
func (tx *Tx) OpenLinks(helpdesk, after string, limit int) ([]string, error) {
	return rows(tx, value[string], `SELECT ticket FROM helpdesk_ticket WHERE helpdesk = ? AND open = 1 AND ticket > ? ORDER BY ticket LIMIT ?`,
		helpdesk, after, limit)
}

// AddAgentArticle notes that an agent's article was taken as a reply, and reports whether that is new.
func (tx *Tx) AddAgentArticle(helpdesk, article, conversationID, reply string) (bool, error) {
	added, err := tx.exec(`INSERT INTO helpdesk_article (helpdesk, article, conversation, reply) VALUES (?, ?, ?, ?)
		ON CONFLICT (helpdesk, article) DO NOTHING`, helpdesk, article, conversationID, reply)
	return added == 1, err
}

// HasAgentArticle tells whether an agent's article was taken as a reply.
func (tx *Tx) HasAgentArticle(helpdesk, article string) (bool, error) {
	var one int64
	return tx.row(`SELECT 1 FROM helpdesk_article WHERE helpdesk = ? AND article = ?`, []any{helpdesk, article}, &one)
}

// AgentArticle returns the ID that the helpdesk gave the article of a reply; empty if an agent wrote it elsewhere.
func (tx *Tx) AgentArticle(helpdesk, reply string) (string, error) {
	var id string
	_, err := tx.row(`SELECT article FROM helpdesk_article WHERE reply = ? AND helpdesk = ?`, []any{reply, helpdesk}, &id)
	return id, err
}

func first[T any](list []T, err error) (T, bool, error) {
	if err != nil || len(list) == 0 {
		var none T
		return none, false, err
	}
	return list[0], true, nil
}
