// Package view says what kubectl whatsapp shows, and what it advises. It only computes: the same facts give the same
// words.
package view

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/util/duration"
)

// none stands where there is nothing to show, as in kubectl's tables.
const none = "<none>"

// table writes columns as kubectl does.
func table(w io.Writer, header []string, rows [][]string) error {
	columns := tabwriter.NewWriter(w, 6, 4, 3, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			if cell == "" {
				row[i] = none
			}
		}
		if _, err := fmt.Fprintln(columns, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return columns.Flush()
}

// ago is how long ago something was, in one short word.
func ago(now, at time.Time) string {
	if at.IsZero() {
		return none
	}
	return duration.HumanDuration(max(now.Sub(at), 0))
}

// in is how long it is until something, in one short word.
func in(now, at time.Time) string { return duration.HumanDuration(max(at.Sub(now), 0)) }

// moment is a point in time as a person reads it, in the zone of now.
func moment(now, at time.Time) string { return at.In(now.Location()).Format("2006-01-02 15:04") }

// harmless makes text that others wrote safe for a terminal: control characters, which could move the cursor or rewrite
// lines, and marks that reverse the direction of reading become visible instead.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return unicode.ReplacementChar
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// line is harmless text on one line, cut where it is too long.
func line(text string, limit int) string {
	runes := []rune(strings.Join(strings.Fields(harmless(text)), " "))
	if len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return string(runes)
}

// indent puts text below something.
func indent(text, by string) string {
	var b strings.Builder
	for part := range strings.Lines(text) {
		b.WriteString(by + strings.TrimRight(part, "\n") + "\n")
	}
	return b.String()
}

// size is a number of bytes as a person reads it.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
