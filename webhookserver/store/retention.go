package store

import "time"

// aged are the tables whose rows are of no use to anything else once they are old, their keys, and their times.
var aged = []struct{ table, key, at string }{
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
		n, err := tx.exec(`DELETE FROM `+a.table+` WHERE `+a.at+` < ? AND `+a.key+` IN (SELECT `+a.key+` FROM `+a.table+` WHERE `+a.at+` < ? ORDER BY `+a.at+` LIMIT ?)`,
			millis(before), millis(before), limit)
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

// ExpireConversations looks at up to limit conversations in which nothing has happened since before a time, with an ID
// above after, and removes those whose ticket is not open and for which nothing is left to do. It returns the last ID
// that it looked at, empty if there are no more.
func (tx *Tx) ExpireConversations(before time.Time, after string, limit int) (last string, removed int64, err error) {
	ids, err := rows(tx, value[string], `SELECT id FROM conversation WHERE updated_at < ? AND id > ? ORDER BY id LIMIT ?`, millis(before), after, limit)
	if err != nil {
		return "", 0, err
	}
	for _, id := range ids {
		gone, err := tx.expireConversation(id)
		if err != nil {
			return "", removed, err
		}
		if gone {
			removed++
		}
	}
	if len(ids) == limit {
		last = ids[limit-1]
	}
	return last, removed, nil
}

func (tx *Tx) expireConversation(id string) (bool, error) {
	state, _, err := tx.Conversation(id)
	if err != nil || state.Open {
		return false, err
	}
	var left int64
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

// ExpireOpenings looks at up to limit effects with an ID above after that opened a ticket before a time, and removes
// those whose ticket is no longer its conversation's open one. It returns the last ID that it looked at, zero if there
// are no more.
func (tx *Tx) ExpireOpenings(before time.Time, after int64, limit int) (last, removed int64, err error) {
	openings, err := rows(tx, scanEffect, `SELECT `+effectColumns+` FROM effect
		WHERE state IN (4, 5) AND kind = 'open-ticket' AND finished_at < ? AND id > ? ORDER BY id LIMIT ?`, millis(before), after, limit)
	if err != nil {
		return 0, 0, err
	}
	for _, e := range openings {
		state, found, err := tx.Conversation(e.Conversation)
		if err != nil {
			return 0, removed, err
		}
		// What is still to be done for an epoch needs the ticket, even a closed one.
		var left int64
		busy, err := tx.row(`SELECT 1 FROM effect WHERE conversation = ? AND state IN (0, 1, 2, 3, 6) LIMIT 1`, []any{e.Conversation}, &left)
		if err != nil {
			return 0, removed, err
		}
		if busy || (found && state.Epoch == e.Epoch) {
			continue
		}
		n, err := tx.exec(`DELETE FROM effect WHERE id = ?`, e.ID)
		if err != nil {
			return 0, removed, err
		}
		removed += n
	}
	if len(openings) == limit {
		last = openings[limit-1].ID
	}
	return last, removed, nil
}
