package formatting

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// kind is what becomes of an element.
type kind int

const (
	// shown is an element whose content is the agent's.
	shown kind = iota
	// unseen is what a reader does not see, or a signature.
	unseen
	// cited is the quote of an earlier message.
	cited
	// historyBegins is what mail clients put before the earlier messages, which they do not wrap.
	historyBegins
)

// How mail clients and helpdesks mark what they add to a reply: by class, by ID, and by other attributes.
var (
	kindOfClass = map[string]kind{
		// Gmail.
		"gmail_quote": cited, "gmail_quote_container": cited, "gmail_signature": unseen, "gmail_signature_prefix": unseen,
		// Yahoo, Proton, Tuta, Zoho, Front, Freshdesk, HubSpot, Superhuman.
		"yahoo_quoted": cited, "protonmail_quote": cited, "tutanota_quote": cited, "zmail_extra": cited, "front-blockquote": cited,
		"freshdesk_quote": cited, "hs_reply": cited, "sh-quoted-content": cited,
		"protonmail_signature_block": unseen, "yahoo-signature": unseen, "sh-signature": unseen,
		// Thunderbird.
		"moz-signature": unseen,
		// Zammad.
		"js-signaturemarker": unseen,
	}
	kindOfID = map[string]kind{
		// Outlook on the web, for desktop, and on phones.
		"divrplyfwdmsg": historyBegins, "appendonsend": historyBegins, "stopspelling": historyBegins,
		"mail-editor-reference-message-container": historyBegins, "ms-outlook-mobile-signature": unseen, "signature": unseen,
		// Apple Mail.
		"applemailsignature": unseen,
	}
	unseenElements = []atom.Atom{
		atom.Head, atom.Script, atom.Style, atom.Template, atom.Title, atom.Svg, atom.Math, atom.Object, atom.Iframe, atom.Noscript,
		atom.Audio, atom.Video, atom.Canvas, atom.Map, atom.Datalist, atom.Meta, atom.Link,
	}
)

func kindOf(n *html.Node) kind {
	if slices.Contains(unseenElements, n.DataAtom) || hasAttribute(n, "hidden") || declares(n, "display:none") {
		return unseen
	}
	if attribute(n, "data-signature") == "true" || attribute(n, "data-smartmail") == "gmail_signature" {
		return unseen
	}
	if n.DataAtom == atom.Blockquote && strings.EqualFold(attribute(n, "type"), "cite") {
		return cited
	}
	if attribute(n, "data-marker") == "__DIVIDER__" {
		return historyBegins
	}
	for class := range strings.FieldsSeq(strings.ToLower(attribute(n, "class"))) {
		if k, known := kindOfClass[class]; known {
			return k
		}
	}
	id := strings.ToLower(attribute(n, "id"))
	// Outlook on the web writes x_ before the names of what it quotes.
	if k, known := kindOfID[strings.TrimPrefix(id, "x_")]; known {
		return k
	}
	return shown
}

// styleOf returns the style in an element, from that of its kind and what its style sheet says. The latter counts:
// editors wrap whole documents in <b style="font-weight:normal">.
func styleOf(n *html.Node, s style) style {
	switch {
	case declares(n, "font-weight:normal", "font-weight:400"):
		s &^= bold
	case declares(n, "font-weight:bold", "font-weight:600", "font-weight:700", "font-weight:800", "font-weight:900"):
		s |= bold
	}
	switch {
	case declares(n, "font-style:normal"):
		s &^= italic
	case declares(n, "font-style:italic", "font-style:oblique"):
		s |= italic
	}
	if declares(n, "text-decoration:line-through", "text-decoration-line:line-through") {
		s |= strike
	}
	return s
}

// declares tells whether the element's style sheet holds one of the declarations.
func declares(n *html.Node, declarations ...string) bool {
	sheet := attribute(n, "style")
	if sheet == "" {
		return false
	}
	for d := range strings.SplitSeq(strings.ToLower(sheet), ";") {
		d, _, _ = strings.Cut(d, "!")
		if slices.Contains(declarations, strings.Join(strings.Fields(strings.Replace(d, ":", " : ", 1)), "")) {
			return true
		}
	}
	return false
}
