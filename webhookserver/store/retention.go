package store

import "time"

// agedRows are the rows of a table that are of no use to anything else once they are old: their key, and their time,
// which an index finds them by.
type agedRows struct{ table, key, at string }

var aged = []agedRows{
	{"message", "wamid", "received_at"},
	{"status", "wamid", "received_at"},
	{"foreign_status", "id", "received_at"},
	{"record", "id", "received_at"},
	{"quarantine", "id", "received_at"},
	{"request", "key", "created_at"},
}

// ExpireRows removes messages, records and the like from before a time, at most limit of each kind, and returns how
// many it removed. A wamid that is forgotten would be taken for a new message if Meta repeated it.
func (tx *Tx) ExpireRows(before time.Time, limit int) (removed int64, err error) {
	for _, a := range aged {
		n, err := tx.exec(a.expiry(), millis(before), millis(before), limit)
		if err != nil {
			return removed, err
		}
		removed += n
	}
	// An effect that opened a ticket is how the ticket is found again, and goes with its conversation or its epoch.
	n, err := tx.exec(`DELETE FROM effect WHERE id IN (
		SELECT id FROM effect WHERE state IN (4, 5) AND kind <> 'open-ticket' AND finished_at < ? ORDER BY finished_at LIMIT ?)`, millis(before), limit)
	return removed + n, err
}

// expiry removes the oldest from before a time, which is given twice, at most a number of them.
func (a agedRows) expiry() string {
	return `DELETE FROM ` + a.table + ` WHERE ` + a.at + ` < ? AND ` + a.key + ` IN (SELECT ` + a.key + ` FROM ` + a.table + ` WHERE ` + a.at + ` < ? ORDER BY ` + a.at + ` LIMIT ?)`
}

// ExpireTickets removes tickets of the built-in inbox that have been closed since before a time, with their articles,
// at most limit of them, and returns how many it removed.
func (tx *Tx) ExpireTickets(before time.Time, limit int) (int64, error) {
	ids, err := rows(tx, value[int64], `SELECT id FROM ticket WHERE state = 'closed' AND updated_at < ? ORDER BY updated_at LIMIT ?`, millis(before), limit)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		for _, removal := range []string{
			`DELETE FROM attachment WHERE article IN (SELECT marker FROM article WHERE ticket = ?)`,
			`DELETE FROM article WHERE ticket = ?`,
			`DELETE FROM ticket WHERE id = ?`,
		} {
			if err := tx.put(removal, id); err != nil {
				return 0, err
			}
		}
	}
	return int64(len(ids)), nil
}

// OldConversations returns the IDs of conversations in which nothing has happened since before a time, in their order and
// above after, at most limit of them. It may read all there are, and belongs into a View.
func (tx *Tx) OldConversations(before time.Time, after string, limit int) ([]string, error) {
	return rows(tx, value[string], `SELECT id FROM conversation WHERE updated_at < ? AND id > ? ORDER BY id LIMIT ?`, millis(before), after, limit)
}

// ExpireConversations removes those conversations in which still nothing has happened since before a time, whose ticket
// is not open, and for which nothing is left to do. It returns how many it removed.
func (tx *Tx) ExpireConversations(ids []string, before time.Time) (removed int64, err error) {
	for _, id := range ids {
		gone, err := tx.expireConversation(id, before)
		if err != nil {
			return removed, err
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

func (tx *Tx) expireConversation(id string, before time.Time) (bool, error) {
	var left int64
	old, err := tx.row(`SELECT 1 FROM conversation WHERE id = ? AND updated_at < ?`, []any{id, millis(before)}, &left)
	if err != nil || !old {
		return false, err
	}
	state, _, err := tx.Conversation(id)
	if err != nil || state.Open {
		return false, err
	}
	busy, err := tx.row(`SELECT 1 FROM effect WHERE conversation = ? AND state IN (0, 1, 2, 3, 6) LIMIT 1`, []any{id}, &left)
	if err != nil || busy {
		return false, err
	}
	for _, removal := range []string{
		`DELETE FROM effect WHERE conversation = ?`,
		`DELETE FROM message WHERE conversation = ?`,
		`DELETE FROM attachment WHERE article IN (SELECT a.marker FROM article a JOIN ticket t ON t.id = a.ticket WHERE t.conversation = ?)`,
		`DELETE FROM article WHERE ticket IN (SELECT id FROM ticket WHERE conversation = ?)`,
		`DELETE FROM ticket WHERE conversation = ?`,
		`DELETE FROM identity WHERE conversation = ?`,
		`DELETE FROM helpdesk_ticket WHERE conversation = ?`,
		`DELETE FROM helpdesk_article WHERE conversation = ?`,
		`DELETE FROM conversation WHERE id = ?`,
	} {
		if err := tx.put(removal, id); err != nil {
			return false, err
		}
	}
	return true, nil
}

// OldOpenings returns the effects that opened a ticket before a time, in the order of their IDs and above after, at most
// limit of them. It may read all effects there are, and belongs into a View.
func (tx *Tx) OldOpenings(before time.Time, after int64, limit int) ([]Effect, error) {
	return rows(tx, scanEffect, `SELECT `+effectColumns+` FROM effect
		WHERE state IN (4, 5) AND kind = 'open-ticket' AND finished_at < ? AND id > ? ORDER BY id LIMIT ?`, millis(before), after, limit)
}

// ExpireOpenings removes those of finished effects that opened a ticket whose ticket is no longer its conversation's open
// one, and returns how many it removed.
func (tx *Tx) ExpireOpenings(openings []Effect) (removed int64, err error) {
	for _, e := range openings {
		state, found, err := tx.Conversation(e.Conversation)
		if err != nil {
			return removed, err
		}
		// What is still to be done for an epoch needs the ticket, even a closed one.
		var left int64
		busy, err := tx.row(`SELECT 1 FROM effect WHERE conversation = ? AND state IN (0, 1, 2, 3, 6) LIMIT 1`, []any{e.Conversation}, &left)
		if err != nil {
			return removed, err
		}
		if busy || (found && state.Epoch == e.Epoch) {
			continue
		}
		n, err := tx.exec(`DELETE FROM effect WHERE id = ?`, e.ID)
		if err != nil {
			return removed, err
		}
		removed += n
	}
	return removed, nil
}
