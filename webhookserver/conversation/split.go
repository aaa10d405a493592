package conversation

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// MaxText and MaxCaption are how many characters WhatsApp accepts in one text message, and below a picture, a video or
// a document.
const (
	MaxText    = 4096
	MaxCaption = 1024
)

// Split cuts a text into parts of at most limit characters. It cuts at line breaks where that leaves no part short,
// else between words, else where a line may be broken, and never inside of what a reader sees as one character. What
// WhatsApp shows in a style that a cut goes through is closed in one part and opened again in the next, and so is a
// quote. White space at a cut is dropped. There is at least one part, and no part is empty unless the text is.
//
// A character outside of Unicode's first 65,536 counts twice, because it is not documented how WhatsApp counts it.
func Split(text string, limit int) []string {
	text = trimRight(trimLeft(text))
	var parts []string
	for Length(text) > limit {
		var part string
		part, text = splitOnce(text, limit)
		parts = append(parts, part)
	}
	if text != "" || len(parts) == 0 {
		parts = append(parts, text)
	}
	return parts
}

// Length returns how many characters of a message's limit a text takes.
func Length(text string) int {
	n := 0
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}

// room is how much shorter than its limit a part is cut where marks have to be closed: no more than one of each kind
// is open at a time.
const room = len("*_~`")

func splitOnce(text string, limit int) (part, rest string) {
	spans := spansIn(text)
	at := cut(text, limit, spans)
	open := openAt(spans, at)
	if len(open) > 0 && limit > 4*room {
		at = cut(text, limit-room, spans)
		open = openAt(spans, at)
	}
	head, tail := text[:at], text[at:]
	opening, closing := make([]string, len(open)), make([]string, len(open))
	for i, s := range open {
		opening[i], closing[len(open)-1-i] = s.mark, s.mark
	}
	again, end := strings.Join(opening, ""), strings.Join(closing, "")
	if strings.HasSuffix(again, fenceMark) {
		// In code, white space at the start of a line says something.
		return strings.TrimRightFunc(head, unicode.IsSpace) + end, again + strings.TrimPrefix(tail, "\n")
	}
	line := head[strings.LastIndexByte(head, '\n')+1:]
	if strings.HasPrefix(line, "> ") && !strings.HasPrefix(tail, "\n") {
		again = "> " + again
	}
	return trimRight(head) + end, again + trimLeft(tail)
}

// cut returns after how many bytes to cut a text that is longer than limit.
func cut(text string, limit int, spans []textSpan) int {
	var lineBreak, space, breakable, hard int
	state, length := -1, 0
	for i := 0; i < len(text); {
		cluster, bounds := text[i:i+1], uniseg.LineDontBreak
		if isPlain(text, i) {
			state = -1
		} else {
			cluster, _, bounds, state = uniseg.StepString(text[i:], state)
		}
		isSpace := unicode.IsSpace(firstRune(cluster)) && utf8.RuneCountInString(cluster) == 1
		if isSpace && i > 0 && !splits(spans, i) {
			// White space itself needs no room, because it is dropped.
			space = i
			if cluster == "\n" {
				lineBreak = i
			}
		}
		if length += Length(cluster); length > limit {
			break
		}
		i += len(cluster)
		if splits(spans, i) {
			continue
		}
		hard = i
		if bounds&uniseg.MaskLine != uniseg.LineDontBreak && !isSpace {
			breakable = i
		}
	}
	half := hard / 2
	switch {
	case lineBreak > hard*3/4 || (lineBreak > half && inFence(spans, lineBreak)):
		return lineBreak
	case space > half:
		return space
	case breakable > half:
		return breakable
	case hard > 0:
		return hard
	}
	// One character is longer than a message: there are fonts made of combining marks.
	for i := range text {
		if Length(text[:i]) > limit {
			return hard
		}
		hard = i
	}
	return hard
}

// isPlain tells, for most texts and quickly, that the character at a place stands for itself.
func isPlain(text string, i int) bool {
	return text[i] < utf8.RuneSelf && text[i] != '\r' && (i+1 == len(text) || text[i+1] < utf8.RuneSelf)
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// trimLeft and trimRight drop white space, except where something combines with it.
func trimLeft(text string) string {
	for text != "" {
		cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
		if strings.TrimSpace(cluster) != "" {
			break
		}
		text = text[len(cluster):]
	}
	return text
}

func trimRight(text string) string { return strings.TrimRightFunc(text, unicode.IsSpace) }
