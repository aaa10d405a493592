package conversation

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fenceMark begins and ends a block of code, which may be of several lines.
const fenceMark = "```"

// textSpan is what WhatsApp shows in a style: from its opening mark to behind its closing one, in bytes.
type textSpan struct {
	start, end int
	mark       string
}

// spansIn returns what WhatsApp shows in a style, outer spans before those inside. Its rules are not documented; they
// are taken in their widest sense: a mark opens before text unless it stands behind a letter or digit, and closes behind
// text unless a letter or digit follows, on the same line.
func spansIn(text string) []textSpan {
	var spans []textSpan
	for done := 0; done < len(text); {
		begin, end := fenceIn(text, done)
		spans = append(spans, lineSpans(text, done, begin)...)
		if begin < end {
			spans = append(spans, textSpan{start: begin, end: end, mark: fenceMark})
		}
		done = end
	}
	slices.SortFunc(spans, func(a, b textSpan) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	return spans
}

// fenceIn returns where the next block of code begins and ends; both at the end of the text if there is none.
func fenceIn(text string, from int) (begin, end int) {
	i := strings.Index(text[from:], fenceMark)
	if i < 0 {
		return len(text), len(text)
	}
	begin = from + i
	inside := begin + len(fenceMark)
	n := strings.Index(text[inside:], fenceMark)
	if n <= 0 || strings.TrimSpace(text[inside:inside+n]) == "" {
		return len(text), len(text)
	}
	return begin, inside + n + len(fenceMark)
}

// lineSpans returns the spans that are not blocks of code between two places in a text.
func lineSpans(text string, from, to int) (spans []textSpan) {
	var open []textSpan
	for i := from; i < to; i++ {
		switch c := text[i]; c {
		case '\n':
			open = open[:0]
		case '*', '_', '~', '`':
			before, _ := utf8.DecodeLastRuneInString(text[:i])
			after, _ := utf8.DecodeRuneInString(text[i+1:])
			at := slices.IndexFunc(open, func(s textSpan) bool { return s.mark[0] == c })
			inCode := len(open) > 0 && open[len(open)-1].mark == "`" && c != '`'
			switch {
			case inCode:
			case at >= 0 && i > open[at].start+1 && !unicode.IsSpace(before) && !isWord(after):
				spans = append(spans, textSpan{start: open[at].start, end: i + 1, mark: string(c)})
				open = open[:at]
			case at < 0 && !isSpaceOrEnd(after, i+1 == len(text)) && (i == 0 || !isWord(before)):
				open = append(open, textSpan{start: i, mark: string(c)})
			}
		}
	}
	return spans
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

func isSpaceOrEnd(r rune, end bool) bool { return end || unicode.IsSpace(r) }

// openAt returns the spans that a cut goes through, outer ones first.
func openAt(spans []textSpan, at int) (open []textSpan) {
	for _, s := range spans {
		if s.start < at && at < s.end {
			open = append(open, s)
		}
	}
	return open
}

// inFence tells whether a place is in a block of code.
func inFence(spans []textSpan, at int) bool {
	return slices.ContainsFunc(openAt(spans, at), func(s textSpan) bool { return s.mark == fenceMark })
}

// splits tells whether a cut would leave a span without text on one of its sides.
func splits(spans []textSpan, at int) bool {
	for _, s := range spans {
		if s.start < at && at < s.end && (at <= s.start+len(s.mark) || at >= s.end-len(s.mark)) {
			return true
		}
	}
	return false
}
