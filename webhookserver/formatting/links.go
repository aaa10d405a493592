package formatting

import (
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// link writes a link as its text and, unless the text says it, its address. Links that lead nowhere outside of the
// document are only text.
func (r *reader) link(n *html.Node) {
	r.children(n)
	where := address(attribute(n, "href"))
	text := strings.Join(strings.Fields(textOf(n)), " ")
	if where == "" || r.over || strings.Contains(text, where) || (text != "" && plainAddress(text) == plainAddress(where)) {
		return
	}
	trailing, trailingStyle := r.out.space, r.out.spaceStyle
	if text == "" && !hasImage(n) {
		r.out.text(shortened(where), 0)
	} else {
		r.out.separate(0)
		r.out.text("("+shortened(where)+")", 0)
	}
	r.out.space, r.out.spaceStyle = trailing, trailingStyle
}

func hasImage(n *html.Node) bool {
	for c := range n.Descendants() {
		if c.DataAtom == atom.Img {
			return true
		}
	}
	return false
}

// address returns where a link leads, if a customer's phone can go there.
func address(href string) string {
	u, err := url.Parse(href)
	if err != nil {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "mailto", "tel":
		return strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) {
				return -1
			}
			return r
		}, strings.ReplaceAll(href, " ", "%20"))
	}
	return ""
}

// shortened returns an address as people write it.
func shortened(address string) string {
	for _, scheme := range []string{"mailto:", "tel:"} {
		if rest, found := cutPrefixFold(address, scheme); found {
			address, _, _ = strings.Cut(rest, "?")
		}
	}
	return address
}

// plainAddress returns what is the same for two ways to write an address.
func plainAddress(address string) string {
	if number, found := cutPrefixFold(address, "tel:"); found {
		address = number
	}
	if telephone := strings.Trim(address, "+0123456789 ()-./\u00a0"); telephone == "" {
		return strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return r
			}
			return -1
		}, address)
	}
	address = shortened(address)
	for _, prefix := range []string{"https://", "http://", "www."} {
		address, _ = cutPrefixFold(address, prefix)
	}
	if plain, err := url.PathUnescape(address); err == nil {
		address = plain
	}
	return strings.ToLower(strings.TrimRight(address, "/"))
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// image writes what an image shows. Pictures in the text itself do not travel with it; those that are files are sent
// as attachments.
func (r *reader) image(n *html.Node) {
	alt := strings.Join(strings.Fields(attribute(n, "alt")), " ")
	if tiny(n) {
		return
	}
	where := address(attribute(n, "src"))
	wordless := strings.IndexFunc(alt, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }) < 0
	switch {
	case alt != "" && wordless:
		// Editors write emoji as images.
		r.out.text(alt, r.style)
	case where != "" && alt != "":
		r.out.text(alt+" ("+where+")", 0)
	case where != "":
		r.out.text(where, 0)
	case alt != "":
		r.out.text("["+alt+"]", 0)
	default:
		r.out.text("[image]", 0)
	}
}

// tiny tells the images that only tell their server of a reader.
func tiny(n *html.Node) bool {
	for _, key := range []string{"width", "height"} {
		if size := strings.TrimSuffix(attribute(n, key), "px"); size == "0" || size == "1" {
			return true
		}
	}
	return false
}
