package formatting

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

func fromHTML(text string) (string, error) {
	document, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrTooDeep, err)
	}
	r := reader{out: &writer{}}
	r.children(document)
	return r.out.String(), nil
}

// reader reads HTML and writes lines.
type reader struct {
	out   *writer
	style style
	// lists counts the lists that are around, whose items stand close together.
	lists int
	// over is set where the rest of the document is history.
	over bool
}

func (r *reader) children(n *html.Node) {
	for c := n.FirstChild; c != nil && !r.over; c = c.NextSibling {
		switch c.Type {
		case html.TextNode:
			r.out.text(c.Data, r.style)
		case html.ElementNode:
			r.element(c)
		case html.DocumentNode:
			r.children(c)
		}
	}
}

// styled are the elements that only change the style.
var styled = map[atom.Atom]style{
	atom.B: bold, atom.Strong: bold, atom.Th: bold, atom.Dt: bold, atom.Summary: bold, atom.Caption: bold, atom.Legend: bold,
	atom.H1: bold, atom.H2: bold, atom.H3: bold, atom.H4: bold, atom.H5: bold, atom.H6: bold,
	atom.I: italic, atom.Em: italic, atom.Cite: italic, atom.Dfn: italic, atom.Var: italic,
	atom.S: strike, atom.Strike: strike, atom.Del: strike,
	atom.Code: code, atom.Kbd: code, atom.Samp: code, atom.Tt: code,
}

// blocks are the elements that begin and end lines, with the distance that they keep: 2 is a blank line.
var blocks = map[atom.Atom]int{
	atom.P: 2, atom.H1: 2, atom.H2: 2, atom.H3: 2, atom.H4: 2, atom.H5: 2, atom.H6: 2, atom.Ul: 2, atom.Ol: 2, atom.Dl: 2,
	atom.Blockquote: 2, atom.Table: 2, atom.Hr: 2, atom.Figure: 2, atom.Fieldset: 2,
	atom.Div: 1, atom.Li: 1, atom.Dt: 1, atom.Dd: 1, atom.Tr: 1, atom.Caption: 1, atom.Section: 1, atom.Article: 1, atom.Header: 1,
	atom.Footer: 1, atom.Main: 1, atom.Nav: 1, atom.Aside: 1, atom.Address: 1, atom.Center: 1, atom.Figcaption: 1, atom.Details: 1,
	atom.Summary: 1, atom.Form: 1, atom.Legend: 1, atom.Option: 1,
}

func (r *reader) element(n *html.Node) {
	switch kindOf(n) {
	case unseen:
		return
	case cited:
		r.out.cite()
		return
	case historyBegins:
		r.over = true
		return
	}
	outside := r.style
	defer func() { r.style = outside }()
	r.style = styleOf(n, r.style|styled[n.DataAtom])
	if gap, isBlock := blocks[n.DataAtom]; isBlock {
		gap = r.distance(gap)
		r.out.block(gap)
		defer r.out.block(gap)
	}
	r.content(n)
}

func (r *reader) distance(gap int) int {
	if r.lists > 0 {
		return 1
	}
	return gap
}

// content writes what is in an element.
func (r *reader) content(n *html.Node) {
	switch n.DataAtom {
	case atom.Br:
		r.out.lineBreak()
	case atom.Hr:
		r.out.text("---", 0)
	case atom.Pre:
		r.out.code(textOf(n), r.distance(2))
	case atom.Blockquote:
		r.framed(n, frame{first: "> ", rest: "> "})
	case atom.Ul, atom.Menu, atom.Ol:
		r.list(n)
	case atom.Dd:
		r.framed(n, frame{first: "  ", rest: "  "})
	case atom.Q:
		r.out.text("“", r.style)
		r.children(n)
		r.out.text("”", r.style)
	case atom.A:
		r.link(n)
	case atom.Img:
		r.image(n)
	case atom.Input:
		r.input(n)
	case atom.Tr:
		r.row(n)
	default:
		r.children(n)
	}
}

func (r *reader) framed(n *html.Node, f frame) {
	r.out.frames = append(r.out.frames, f)
	r.children(n)
	r.out.end()
	r.out.frames = r.out.frames[:len(r.out.frames)-1]
}

func (r *reader) list(n *html.Node) {
	r.lists++
	defer func() { r.lists-- }()
	number, err := strconv.Atoi(attribute(n, "start"))
	if err != nil {
		number = 1
	}
	for c := n.FirstChild; c != nil && !r.over; c = c.NextSibling {
		if c.Type != html.ElementNode || c.DataAtom != atom.Li {
			r.children(&html.Node{FirstChild: alone(c)})
			continue
		}
		if kindOf(c) == unseen {
			continue
		}
		bullet := "- "
		if n.DataAtom == atom.Ol {
			bullet = strconv.Itoa(number) + ". "
			number++
		}
		r.out.block(1)
		outside := r.style
		r.style = styleOf(c, r.style)
		r.framed(c, frame{first: bullet, rest: strings.Repeat(" ", len(bullet))})
		r.style = outside
		r.out.block(1)
	}
}

// alone returns a node as one without siblings.
func alone(n *html.Node) *html.Node {
	c := *n
	c.NextSibling = nil
	return &c
}

// row writes a table's row on one line. Where a cell holds more than a line the table is only for layout, as in mails.
func (r *reader) row(n *html.Node) {
	var cells []*writer
	several := false
	for c := n.FirstChild; c != nil && !r.over; c = c.NextSibling {
		if c.Type != html.ElementNode || (c.DataAtom != atom.Td && c.DataAtom != atom.Th) || kindOf(c) == unseen {
			continue
		}
		cell := reader{out: &writer{}, style: styleOf(c, r.style|styled[c.DataAtom]), lists: r.lists}
		cell.children(c)
		cell.out.end()
		r.over = cell.over
		several = several || len(cell.out.lines) > 1 || (len(cell.out.lines) == 1 && (cell.out.lines[0].prefix != "" || cell.out.lines[0].code || cell.out.lines[0].cited))
		cells = append(cells, cell.out)
	}
	for i, cell := range cells {
		switch {
		case several:
			r.out.splice(cell)
			continue
		case i > 0:
			r.out.separate(0)
			r.out.text("| ", 0)
		}
		for _, l := range cell.lines {
			into := r.out.begin()
			if r.out.space && len(into.runs) > 0 {
				into.runs = append(into.runs, run{text: " "})
			}
			into.runs = append(into.runs, l.runs...)
			r.out.separate(0)
		}
	}
}

func (r *reader) input(n *html.Node) {
	if attribute(n, "type") != "checkbox" {
		return
	}
	if hasAttribute(n, "checked") {
		r.out.text("[x] ", 0)
	} else {
		r.out.text("[ ] ", 0)
	}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return strings.TrimSpace(a.Val)
		}
	}
	return ""
}

func hasAttribute(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

// textOf returns the text in an element as it is written.
func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		switch {
		case c.Type == html.TextNode:
			b.WriteString(c.Data)
		case c.DataAtom == atom.Br:
			b.WriteByte('\n')
		}
	}
	return b.String()
}
