package view

import (
	"io"
	"strconv"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

// DeadLetters writes a table of calls that were given up.
func DeadLetters(w io.Writer, list []wire.DeadLetter, now time.Time, wide bool) error {
	header := []string{"ID", "WHAT", "TO", "ATTEMPTS", "AGE", "WHY"}
	limit := 100
	if wide {
		header, limit = append(header, "CONVERSATION"), 1000
	}
	rows := [][]string{}
	for _, d := range list {
		row := []string{number(d.ID), d.Kind, d.Destination, strconv.Itoa(d.Attempts), ago(now, d.CreatedAt), line(d.Error, limit)}
		if wide {
			row = append(row, d.Conversation)
		}
		rows = append(rows, row)
	}
	return table(w, header, rows)
}

// Quarantine writes a table of webhooks that could not be processed.
func Quarantine(w io.Writer, list []wire.Quarantined, now time.Time, wide bool) error {
	header := []string{"ID", "REASON", "SIZE", "AGE", "DETAIL"}
	limit := 100
	if wide {
		limit = 1000
	}
	rows := [][]string{}
	for _, q := range list {
		rows = append(rows, []string{number(q.ID), q.Reason, size(int64(len(q.Body))), ago(now, q.ReceivedAt), line(q.Detail, limit)})
	}
	return table(w, header, rows)
}
