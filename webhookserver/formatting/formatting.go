// Package formatting turns what agents write in helpdesks into what WhatsApp shows.
//
// HTML and Markdown become text with WhatsApp's own marks: *bold*, _italic_, ~strikethrough~, `code`, ```code blocks```,
// lists and quotes. Links become "text (address)", tables one line per row, images their description.
//
// Cut are, because the customer has the one and did not ask for the other: the quoted history below a reply, with the
// line that introduces it; the signature, as mail clients and helpdesks mark it; and what a browser would not show.
//
// WhatsApp has no way to write one of its marks so that it is only a character. Where characters of HTML or Markdown
// text would be taken for marks that nobody meant, they are replaced with ones that look alike. Plain text is sent as
// it is, marks included: it is how agents who know WhatsApp write them.
package formatting

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

// Format is how a text is written.
type Format string

// The formats.
const (
	// Plain is text as it is, in which WhatsApp's own marks keep their meaning.
	Plain Format = "plain"
	// Markdown is CommonMark with GitHub's tables, task lists, strikethrough and bare links. Line breaks are kept.
	Markdown Format = "markdown"
	// HTML is a document or a fragment, as rich text editors and mail clients write it.
	HTML Format = "html"
)

// What Convert can object to.
var (
	ErrUnknownFormat = errors.New("the format is not known; use plain, markdown or html")
	ErrTooDeep       = errors.New("the text is nested too deeply to be read; send it as plain text")
)

// Convert returns a text as WhatsApp shows it best. The result may be empty: where everything was quoted history, say.
func Convert(text string, format Format) (string, error) {
	text = clean(text)
	switch format {
	case Plain:
		return plain(text), nil
	case Markdown:
		return fromMarkdown(text)
	case HTML:
		return fromHTML(text)
	}
	return "", fmt.Errorf("%w: %q", ErrUnknownFormat, format)
}

// clean makes a text valid, with line feeds alone for line breaks, and without characters that show nothing: controls,
// soft hyphens and byte order marks.
func clean(text string) string {
	text = strings.ToValidUTF8(text, string(unicode.ReplacementChar))
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text)
	return strings.Map(func(r rune) rune {
		if r == '\u00ad' || r == '\ufeff' || (unicode.IsControl(r) && r != '\n' && r != '\t') {
			return -1
		}
		return r
	}, text)
}

func plain(text string) string {
	lines := withoutHistory(strings.Split(text, "\n"), func(l string) fact {
		return fact{text: strings.TrimSpace(l), signature: l == signatureMark}
	})
	for i, l := range lines {
		lines[i] = strings.TrimRightFunc(l, unicode.IsSpace)
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// markdown reads HTML inside Markdown too, because what is made of it is text again.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.GFM),
	goldmark.WithRendererOptions(html.WithHardWraps(), html.WithUnsafe()),
)

func fromMarkdown(text string) (string, error) {
	// For Markdown the mark of a signature would make a heading of the line above it.
	text, _, _ = strings.Cut("\n"+text+"\n", "\n"+signatureMark+"\n")
	var out bytes.Buffer
	if err := markdown.Convert([]byte(text), &out); err != nil {
		return "", fmt.Errorf("read Markdown: %w", err)
	}
	return fromHTML(out.String())
}
