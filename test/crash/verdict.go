package crash

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// wanted is what agents are to see, notes aside: text, and the names of the files.
var wanted = [][]string{
	{"one", "welcome", "Image: picture [image.png]", "two", "reply", "look [a.png b.png]", "reminder", "goodbye"},
	{"again", "welcome", "answer"},
}

// replies are what the customer is to get of the agents, in order; between them may be courtesies.
var replies = []string{"reply", "a.png=A:look", "b.png=B:", "answer"}

// courtesies are the other texts that the customer may get.
var courtesies = []string{"welcome", "reminder", "goodbye", "welcome"}

// A file is waited for by its article, and not for ever: it may come by an article of its own, as both say.
const (
	pictureAwaited = "Image: picture\n\nThe file \"image.png\" is still being fetched from WhatsApp."
	pictureLate    = "The file \"image.png\" belongs to an earlier message. [image.png]"
)

// comeLate puts the picture that came after its article where it would have been otherwise.
func comeLate(articles []string) []string {
	awaited, late := slices.Index(articles, pictureAwaited), slices.Index(articles, pictureLate)
	if awaited < 0 || late < awaited {
		return articles
	}
	articles[awaited] = wanted[0][2]
	return slices.Delete(articles, late, late+1)
}

// judgeTickets says what agents would find wrong.
func judgeTickets(seen []Ticket) (problems []string) {
	var got [][]string
	for _, t := range seen {
		var articles []string
		for _, a := range t.Articles {
			if a.Note {
				continue
			}
			text := a.Text
			if len(a.Files) > 0 {
				text += " [" + strings.Join(a.Files, " ") + "]"
			}
			articles = append(articles, text)
		}
		got = append(got, comeLate(articles))
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		problems = append(problems, "the tickets (-want +got):\n"+diff)
	}
	return problems
}

// judge says what the customer would find wrong, and what agents were not told of it.
func (w *whatsApp) judge(seen []Ticket, deadLetters []store.Effect) (problems []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	notes := 0
	for _, t := range seen {
		for _, a := range t.Articles {
			if a.Note && strings.Contains(a.Text, "may have received it twice") {
				notes++
			}
		}
	}
	var gotReplies, gotCourtesies []string
	for i, m := range w.received {
		if m.purpose != conversation.Reply {
			gotCourtesies = append(gotCourtesies, m.text)
			continue
		}
		if i == 0 || w.received[i-1].key != m.key {
			gotReplies = append(gotReplies, m.text)
			continue
		}
		// It came again. The next time in a row has to be noted by itself.
		notes--
		if !w.received[i-1].withheld {
			problems = append(problems, fmt.Sprintf("%q was sent again though its status came", m.text))
		}
	}
	if notes < 0 {
		problems = append(problems, fmt.Sprintf("%d replies came twice and no ticket says so", -notes))
	}
	if diff := cmp.Diff(due(gotReplies, deadLetters), gotReplies); diff != "" {
		problems = append(problems, "the replies that the customer got (-want +got):\n"+diff)
	}
	rest := courtesies
	for _, text := range gotCourtesies {
		at := slices.Index(rest, text)
		if at < 0 {
			problems = append(problems, fmt.Sprintf("the customer got the courtesies %q", gotCourtesies))
			break
		}
		rest = rest[at+1:]
	}
	return problems
}

// due are the replies that the customer is to get. Where the process died twice in the call that sends one, and no status
// came, the reply may not be there: then it is a dead letter, which a person finds.
func due(got []string, deadLetters []store.Effect) []string {
	return slices.DeleteFunc(slices.Clone(replies), func(text string) bool {
		return !slices.Contains(got, text) && slices.ContainsFunc(deadLetters, func(e store.Effect) bool {
			return e.SendText != nil && e.Repeated && strings.HasPrefix(text, named(*e.SendText))
		})
	})
}

// named is what the text that the customer gets of a message begins with.
func named(m conversation.SendText) string {
	if m.File == nil {
		return m.Text
	}
	return m.File.File.Name + "="
}

// repeated counts the replies that came twice.
func (r *run) repeated() (n int) {
	r.whatsApp.mu.Lock()
	defer r.whatsApp.mu.Unlock()
	for i, m := range r.whatsApp.received {
		if i > 0 && r.whatsApp.received[i-1].key == m.key {
			n++
		}
	}
	return n
}
