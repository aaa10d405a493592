package api_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// members are what a JSON object may and must have.
type members struct{ all, required []string }

// membersOf are those of a Go type.
func membersOf(value any) (m members) {
	for field := range reflect.TypeOf(value).Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		m.all = append(m.all, name)
		if options == "" {
			m.required = append(m.required, name)
		}
	}
	return m.sorted()
}

func (m members) sorted() members {
	slices.Sort(m.all)
	slices.Sort(m.required)
	return m
}

// members are those of a schema of the document.
func (c *contract) members(schema string) (m members) {
	components, _ := c.document["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	described, _ := schemas[schema].(map[string]any)
	properties, _ := described["properties"].(map[string]any)
	for name := range properties {
		m.all = append(m.all, name)
	}
	required, _ := described["required"].([]any)
	for _, name := range required {
		text, _ := name.(string)
		m.required = append(m.required, text)
	}
	return m.sorted()
}

// An object of the document takes no member that is not in it, so a member that is sent and not described makes programs
// that check answers refuse them.
func TestTheDocumentHasTheMembersThatAreSent(t *testing.T) {
	c := newContract(t)
	for schema, value := range map[string]any{
		"Status": config.Status{}, "Helpdesk": config.HelpdeskStatus{},
		"Ticket": wire.Ticket{}, "Customer": wire.Customer{}, "Article": wire.Article{}, "Delivery": wire.Delivery{},
		"Attachment": wire.Attachment{}, "Reply": wire.Reply{}, "Conversation": wire.Conversation{}, "Message": wire.Message{},
		"DeadLetter": wire.DeadLetter{}, "Quarantined": wire.Quarantined{}, "Record": wire.Record{}, "MessageStatus": wire.Status{},
		"Tickets": wire.Tickets{}, "DeadLetters": wire.DeadLetters{}, "Quarantine": wire.Quarantine{}, "Records": wire.Records{},
		"Statuses": wire.Statuses{}, "Problem": wire.Problem{},
	} {
		if diff := cmp.Diff(membersOf(value), c.members(schema), cmp.AllowUnexported(members{})); diff != "" {
			t.Errorf("%s (-sent +documented):\n%s", schema, diff)
		}
	}
}
