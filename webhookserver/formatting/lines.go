package formatting

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// run is a stretch of text in one style.
type run struct {
	text  string
	style style
}

// line is one line of the result.
type line struct {
	// prefix is what stands before the text: the marks of quotes and lists.
	prefix string
	runs   []run
	// code tells that the line belongs to a code block.
	code bool
	fact
}

func (l line) words() string {
	var b strings.Builder
	for _, r := range l.runs {
		b.WriteString(r.text)
	}
	return b.String()
}

func (l line) blank() bool { return len(l.runs) == 0 && !l.cited }

// frame is a quote or list item that lines are in. Its first line begins otherwise than the rest.
type frame struct {
	first, rest string
	begun       bool
}

// writer lays text out in lines, as a browser would.
type writer struct {
	lines  []line
	frames []frame
	// open tells that the last line takes more text.
	open bool
	// space tells that white space, in a style of its own, waits for the text that it separates.
	space      bool
	spaceStyle style
	// gap is how many line breaks the text that comes next keeps from the last: 2 leave a blank line.
	gap int
}

// begin opens a line if none is open.
func (w *writer) begin() *line {
	if !w.open {
		if w.gap > 1 && len(w.lines) > 0 && !w.lines[len(w.lines)-1].blank() {
			w.lines = append(w.lines, line{})
		}
		var prefix strings.Builder
		for i := range w.frames {
			f := &w.frames[i]
			if f.begun {
				prefix.WriteString(f.rest)
			} else {
				prefix.WriteString(f.first)
				f.begun = true
			}
		}
		w.lines = append(w.lines, line{prefix: prefix.String()})
		w.open, w.gap, w.space = true, 0, false
	}
	return &w.lines[len(w.lines)-1]
}

// block ends the line, and keeps the next at a distance.
func (w *writer) block(gap int) {
	w.end()
	w.gap = max(w.gap, gap)
}

func (w *writer) end() {
	if !w.open {
		return
	}
	last := &w.lines[len(w.lines)-1]
	last.signature = w.space && last.words() == strings.TrimSpace(signatureMark)
	w.open, w.space = false, false
}

// lineBreak ends the line, or leaves one blank.
func (w *writer) lineBreak() {
	if w.open {
		w.end()
		return
	}
	w.lines = append(w.lines, line{})
	w.gap = 0
}

// text writes text in which white space only separates words.
func (w *writer) text(s string, st style) {
	words := strings.Fields(s)
	if len(words) == 0 {
		// Editors write a blank line as one with a space that does not break.
		if !w.open && strings.ContainsRune(s, '\u00a0') {
			w.gap = 2
		}
		if s != "" {
			w.separate(st)
		}
		return
	}
	if first, _ := utf8.DecodeRuneInString(s); unicode.IsSpace(first) {
		w.separate(st)
	}
	joined := strings.Join(words, " ")
	l := w.begin()
	if w.space {
		l.runs = append(l.runs, run{" ", w.spaceStyle})
	}
	l.runs = append(l.runs, run{joined, st})
	w.space = false
	if last, _ := utf8.DecodeLastRuneInString(s); unicode.IsSpace(last) {
		w.separate(st)
	}
}

// separate notes white space after what is on the line.
func (w *writer) separate(st style) {
	if w.open && !w.space {
		w.space, w.spaceStyle = true, st
	}
}

// code writes a code block, in which white space is kept, at a distance from what is around.
func (w *writer) code(s string, gap int) {
	w.block(gap)
	for text := range strings.SplitSeq(strings.Trim(s, "\n"), "\n") {
		l := w.begin()
		l.code = true
		if text != "" {
			l.runs = []run{{text: strings.ReplaceAll(text, "\u00a0", " ")}}
		}
		w.open = false
	}
	w.block(gap)
}

// cite notes that a quote was left out here.
func (w *writer) cite() {
	w.block(2)
	w.lines = append(w.lines, line{fact: fact{cited: true}})
}

// splice writes the lines of another writer.
func (w *writer) splice(other *writer) {
	for i, from := range other.lines {
		if from.blank() && !from.code {
			w.block(2)
			continue
		}
		if i > 0 {
			w.block(1)
		}
		l := w.begin()
		prefix := l.prefix
		*l = from
		l.prefix = prefix + from.prefix
		w.open = false
	}
	w.block(1)
}

// String returns the lines as WhatsApp reads them, without history.
func (w *writer) String() string {
	w.end()
	lines := withoutHistory(w.lines, func(l line) fact {
		f := l.fact
		f.text = strings.TrimSpace(l.prefix + l.words())
		return f
	})
	var out []string
	for i := 0; i < len(lines); i++ {
		if lines[i].code {
			n := i
			for n < len(lines) && lines[n].code {
				n++
			}
			out = append(out, fence(lines[i:n])...)
			i = n - 1
			continue
		}
		text := strings.TrimRight(lines[i].prefix+mark(lines[i].runs), " ")
		if text == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, text)
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
