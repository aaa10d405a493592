package conversation

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is how many characters WhatsApp accepts in one text message.
const MaxText = 4096

// Split cuts a text into parts of at most limit characters, where it can between words. It returns at least one part,
// and no part is empty unless the text is.
func Split(text string, limit int) []string {
	text = strings.TrimSpace(text)
	var parts []string
	for utf8.RuneCountInString(text) > limit {
		head := text[:cut(text, limit)]
		text = strings.TrimLeftFunc(text[len(head):], unicode.IsSpace)
		parts = append(parts, strings.TrimRightFunc(head, unicode.IsSpace))
	}
	if text != "" || len(parts) == 0 {
		parts = append(parts, text)
	}
	return parts
}

// cut returns after how many bytes to cut: behind the last white space among the first limit+1 characters, or after
// limit characters where a word is longer than that.
func cut(text string, limit int) int {
	count, hard, soft := 0, 0, 0
	for i, r := range text {
		if count > limit {
			break
		}
		if count == limit {
			hard = i
		}
		if unicode.IsSpace(r) {
			soft = i
		}
		count++
	}
	if soft > 0 {
		return soft
	}
	return hard
}
