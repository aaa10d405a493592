package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
)

// AwaitsAnswer tells whether the answer to a call is not known, so that the statuses of a message may come before its
// wamid. Without such a call, the wamids of all messages whose statuses have come are known.
func (tx *Tx) AwaitsAnswer(d conversation.Destination) (bool, error) {
	var one int64
	return tx.row(`SELECT 1 FROM effect WHERE destination = ? AND state IN (2, 3) LIMIT 1`, []any{string(d)}, &one)
}

// AddStatus keeps a status of a message that no effect is known to have sent yet, until it is known.
func (tx *Tx) AddStatus(wamid, status string, body []byte, receivedAt time.Time) error {
	return tx.put(`INSERT INTO status (wamid, status, received_at, body) VALUES (?, ?, ?, ?) ON CONFLICT (wamid, status) DO NOTHING`,
		wamid, status, millis(receivedAt), notNull(body))
}

// TakeStatuses removes and returns the statuses that were kept of a message, as received.
func (tx *Tx) TakeStatuses(wamid string) ([][]byte, error) {
	bodies, err := rows(tx, func(scan func(...any) error) ([]byte, error) {
		var body []byte
		err := scan(&body)
		return body, err
	}, `SELECT body FROM status WHERE wamid = ? ORDER BY received_at`, wamid)
	if err != nil || len(bodies) == 0 {
		return nil, err
	}
	_, err = tx.exec(`DELETE FROM status WHERE wamid = ?`, wamid)
	return bodies, err
}

// AddForeignStatus keeps a status of a message that no effect sent, for people.
func (tx *Tx) AddForeignStatus(wamid, status string, body []byte, receivedAt time.Time) error {
	return tx.put(`INSERT INTO foreign_status (wamid, status, received_at, body) VALUES (?, ?, ?, ?)`,
		wamid, status, millis(receivedAt), notNull(body))
}

// KeptStatus is a status of a message that no effect is known to have sent.
type KeptStatus struct {
	WAMID      string
	Status     string
	ReceivedAt time.Time
	Body       []byte
}

// KeptStatuses returns the newest statuses of messages that no effect is known to have sent, newest first: those that came
// before the answer to the call that sent the message, and those of messages that other programs sent. Of those that Meta
// repeated among them it returns the first.
func (tx *Tx) KeptStatuses(limit int) ([]KeptStatus, error) {
	list, err := rows(tx, scanStatus, `SELECT wamid, status, received_at, body FROM status ORDER BY received_at DESC, wamid LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	foreign, err := rows(tx, scanStatus, `SELECT wamid, status, received_at, body FROM foreign_status ORDER BY received_at DESC, id DESC LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	list = append(list, foreign...)
	slices.SortStableFunc(list, func(a, b KeptStatus) int {
		return cmp.Or(b.ReceivedAt.Compare(a.ReceivedAt), cmp.Compare(a.WAMID, b.WAMID))
	})
	list = list[:min(limit, len(list))]
	later := map[[2]string]int{}
	for _, s := range list {
		later[[2]string{s.WAMID, s.Status}]++
	}
	return slices.DeleteFunc(list, func(s KeptStatus) bool {
		later[[2]string{s.WAMID, s.Status}]--
		return later[[2]string{s.WAMID, s.Status}] > 0
	}), nil
}

func scanStatus(scan func(...any) error) (KeptStatus, error) {
	var (
		s  KeptStatus
		at int64
	)
	err := scan(&s.WAMID, &s.Status, &at, &s.Body)
	s.ReceivedAt = fromMillis(at)
	return s, err
}
