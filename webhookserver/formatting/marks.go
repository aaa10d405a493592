package formatting

import (
	"slices"
	"strings"
	"unicode"
)

// style is a set of the ways in which WhatsApp shows text.
type style uint8

const (
	code style = 1 << iota
	bold
	italic
	strike
)

// marks are what WhatsApp writes around text in a style, in the order in which they are tried.
var marks = []struct {
	style style
	char  rune
	// alike is shown where the character was not meant as a mark.
	alike rune
}{
	{code, '`', 'ˋ'},
	{bold, '*', '∗'},
	{italic, '_', 'ˍ'},
	{strike, '~', '∼'},
}

const fenceMark = "```"

// span is a stretch of characters between two marks.
type span struct {
	start, end int
	char       rune
}

func (s span) contains(o span) bool { return s.start <= o.start && o.end <= s.end }
func (s span) apart(o span) bool    { return s.end <= o.start || o.end <= s.start }

// mark writes the marks of a line.
func mark(runs []run) string {
	var (
		chars  []rune
		styles []style
	)
	for _, r := range runs {
		for _, c := range r.text {
			chars, styles = append(chars, c), append(styles, r.style)
		}
	}
	spans := spansOf(chars, styles)
	disarm(chars, spans)
	slices.SortStableFunc(spans, func(a, b span) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	var (
		out  strings.Builder
		open []span
	)
	for i := 0; i <= len(chars); i++ {
		for len(open) > 0 && open[len(open)-1].end == i {
			out.WriteRune(open[len(open)-1].char)
			open = open[:len(open)-1]
		}
		for len(spans) > 0 && spans[0].start == i {
			out.WriteRune(spans[0].char)
			open, spans = append(open, spans[0]), spans[1:]
		}
		if i < len(chars) {
			out.WriteRune(chars[i])
		}
	}
	return out.String()
}

// spansOf returns where marks are to be. WhatsApp knows them only around whole words without white space at the ends,
// and properly nested; a style that is otherwise is left out, as its marks would be shown as characters.
func spansOf(chars []rune, styles []style) (spans []span) {
	for _, m := range marks {
		for i := 0; i < len(chars); i++ {
			if styles[i]&m.style == 0 {
				continue
			}
			s := span{start: i, char: m.char}
			for i < len(chars) && styles[i]&m.style != 0 {
				i++
			}
			s.end = i
			for s.start < s.end && unicode.IsSpace(chars[s.start]) {
				s.start++
			}
			for s.end > s.start && unicode.IsSpace(chars[s.end-1]) {
				s.end--
			}
			if s.start < s.end && fits(s, chars, spans) {
				spans = append(spans, s)
			}
		}
	}
	return spans
}

func fits(s span, chars []rune, others []span) bool {
	if (s.start > 0 && isWord(chars[s.start-1])) || (s.end < len(chars) && isWord(chars[s.end])) {
		return false
	}
	if s.char == '`' && slices.Contains(chars[s.start:s.end], '`') {
		return false
	}
	for _, o := range others {
		// Inside code, marks would be characters.
		if !s.apart(o) && !s.contains(o) && (o.char == '`' || !o.contains(s)) {
			return false
		}
	}
	return true
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// disarm replaces the characters that would be taken for marks. Addresses stay as they are, or they would lead nowhere,
// and so does code.
func disarm(chars []rune, spans []span) {
	exempt := addresses(chars)
	for _, s := range spans {
		if s.char == '`' {
			exempt = append(exempt, s)
		}
	}
	for _, m := range marks {
		var at []int
		for i, c := range chars {
			here := span{start: i, end: i + 1}
			if c == m.char && !drawn(chars, i) && !slices.ContainsFunc(exempt, func(e span) bool { return e.contains(here) }) {
				at = append(at, i)
			}
		}
		used := slices.ContainsFunc(spans, func(s span) bool { return s.char == m.char })
		for _, i := range taken(chars, at, m.char, used) {
			chars[i] = m.alike
		}
	}
}

// drawn tells whether a character is one of many in a row, as where something is to be filled in. WhatsApp leaves those,
// except for the three that begin a code block.
func drawn(chars []rune, i int) bool {
	n := 1
	for j := i - 1; j >= 0 && chars[j] == chars[i]; j-- {
		n++
	}
	for j := i + 1; j < len(chars) && chars[j] == chars[i]; j++ {
		n++
	}
	return n > 2 && chars[i] != '`'
}

// taken returns which of the characters may be taken for marks: those that may begin a span with another that may end
// it behind them, and the other way around. On a line with meant marks of the kind, any may.
func taken(chars []rune, at []int, char rune, used bool) (found []int) {
	var begins, ends []int
	for _, i := range at {
		if opens(chars, i, char) {
			begins = append(begins, i)
		}
		if closes(chars, i, char) {
			ends = append(ends, i)
		}
	}
	pair := func(b, e int) bool {
		return b < e && slices.ContainsFunc(chars[b+1:e], func(c rune) bool { return c != char })
	}
	for _, b := range begins {
		if used || slices.ContainsFunc(ends, func(e int) bool { return pair(b, e) }) {
			found = append(found, b)
		}
	}
	for _, e := range ends {
		if used || slices.ContainsFunc(begins, func(b int) bool { return pair(b, e) }) {
			found = append(found, e)
		}
	}
	return found
}

func opens(chars []rune, i int, char rune) bool {
	return i+1 < len(chars) && !unicode.IsSpace(chars[i+1]) && (char == '`' || i == 0 || !isWord(chars[i-1]))
}

func closes(chars []rune, i int, char rune) bool {
	return i > 0 && !unicode.IsSpace(chars[i-1]) && (char == '`' || i+1 == len(chars) || !isWord(chars[i+1]))
}

// addresses returns the words that are web addresses.
func addresses(chars []rune) (found []span) {
	for i := 0; i < len(chars); i++ {
		start := i
		for i < len(chars) && !unicode.IsSpace(chars[i]) {
			i++
		}
		word := string(chars[start:i])
		if strings.Contains(word, "://") || strings.HasPrefix(word, "www.") {
			found = append(found, span{start: start, end: i})
		}
	}
	return found
}

// fence writes a code block. In a quote or list each line is code of its own, because the block would swallow the marks
// before its lines. Code that holds the mark itself is shown as it is.
func fence(lines []line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.words()
	}
	whole := strings.Join(out, "\n")
	if strings.TrimSpace(whole) == "" {
		return nil
	}
	marked := !strings.Contains(whole, fenceMark) && !strings.HasPrefix(whole, "`") && !strings.HasSuffix(whole, "`")
	framed := slices.ContainsFunc(lines, func(l line) bool { return l.prefix != "" })
	if marked && !framed {
		return strings.Split(fenceMark+whole+fenceMark, "\n")
	}
	for i, l := range lines {
		if marked && strings.TrimSpace(out[i]) != "" {
			out[i] = fenceMark + out[i] + fenceMark
		}
		out[i] = strings.TrimRight(l.prefix+out[i], " ")
	}
	return out
}
