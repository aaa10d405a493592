package webhookserver_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// endpoint takes CloudEvents as somebody's own helpdesk does.
type endpoint struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	events []taken
	// answers are the statuses that the next events are answered with; after them, all are taken.
	answers []int
	// tried counts the events that were not taken, by ID.
	tried map[string]int
}

type taken struct {
	header http.Header
	kind   string
	id     string
	data   map[string]any
}

const endpointToken = "Bearer endpoint-token-41c2"

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{t: t, tried: map[string]int{}}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Error(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	id := r.Header.Get("Ce-Id")
	if r.Header.Get("Authorization") != endpointToken {
		e.tried[id]++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if len(e.answers) > 0 {
		e.tried[id]++
		w.WriteHeader(e.answers[0])
		e.answers = e.answers[1:]
		return
	}
	kind := r.Header.Get("Ce-Type")
	e.events = append(e.events, taken{header: r.Header.Clone(), kind: kind, id: id, data: e.valid(kind, body)})
}

// valid reads the data of an event, and holds it to the schema that is documented for its type.
func (e *endpoint) valid(kind string, body []byte) map[string]any {
	short, found := strings.CutPrefix(kind, "io.whatsapp-operator.")
	if !found {
		e.t.Errorf("an event has the type %q", kind)
		return nil
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "docs", "cloudevents", short+".schema.json"))
	if err != nil {
		e.t.Error(err)
		return nil
	}
	data, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err == nil {
		err = schema.Validate(data)
	}
	if err != nil {
		e.t.Errorf("the data of %s: %v", kind, err)
	}
	read, _ := data.(map[string]any)
	return read
}

// story is what was told, one line an event.
func (e *endpoint) story() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var lines []string
	for _, event := range e.events {
		line := strings.TrimSuffix(strings.TrimPrefix(event.kind, "io.whatsapp-operator."), ".v1")
		if article, ok := event.data["article"].(map[string]any); ok {
			line += " " + article["author"].(string) + ": " + article["text"].(string)
		}
		if status, ok := event.data["status"].(map[string]any); ok {
			line += " " + status["state"].(string)
		}
		lines = append(lines, line)
	}
	return lines
}

func (e *endpoint) first() taken {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.events[0]
}

// without leaves out lines that begin with a word: statuses come whenever Meta sends them.
func without(lines []string, word string) (rest []string) {
	for _, line := range lines {
		if !strings.HasPrefix(line, word) {
			rest = append(rest, line)
		}
	}
	return rest
}

func (r *receiver) putCloudEvents(e *endpoint) {
	r.t.Helper()
	r.leaks.Register(endpointToken)
	r.put(config.HelpdeskTokenFile, endpointToken)
	r.putChannel(func(c *config.Channel) {
		c.Helpdesk = &config.Helpdesk{CloudEvents: &config.CloudEvents{URL: e.URL, ReceiverURL: "https://support-receiver.helpdesk.svc:8081"}}
		c.Messages.Goodbye = "Your request is closed."
	})
}

func TestWhatHappensIsToldByCloudEvents(t *testing.T) {
	r, e := newReceiver(t), newEndpoint(t)
	r.putCloudEvents(e)
	e.answers = []int{http.StatusInternalServerError}
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("the ticket and the welcome told", func() bool { return len(without(e.story(), "message.status")) == 2 })
	opened := e.first()
	conversation := opened.header.Get("Ce-Subject")
	if e.tried[opened.id] != 1 {
		t.Errorf("the event that the endpoint did not take at first came %d times before, with this ID", e.tried[opened.id])
	}
	for name, want := range map[string]string{
		"Ce-Specversion": "1.0", "Ce-Source": "/apis/whatsapp-operator.io/v1alpha1/namespaces/helpdesk/whatsappchannels/support",
		"Content-Type": "application/json", "Traceparent": opened.header.Get("Ce-Traceparent"),
	} {
		if got := opened.header.Get(name); got != want || want == "" {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name, values := range opened.header {
		if name != "Ce-Subject" && strings.Contains(strings.Join(values, " "), customerPhone) {
			t.Errorf("the header %s names the customer", name)
		}
	}

	path := "/v1/conversations/" + conversation
	for range 2 {
		if status := r.api(http.MethodPost, path+"/replies", "one", `{"text":"`+agentText+`"}`, nil); status != http.StatusOK {
			t.Fatalf("reply: status %d", status)
		}
	}
	r.eventually("the reply told as delivered", func() bool { return len(customer.Received()) == 2 && len(without(e.story(), "message.status")) == 3 })
	if status := r.api(http.MethodPost, path+"/close", "two", "", nil); status != http.StatusOK {
		t.Fatalf("close: status %d", status)
	}
	r.eventually("the goodbye", func() bool { return len(without(e.story(), "message.status")) == 5 })
	customer.Says(r.number.ID, "One more thing")
	r.eventually("the next ticket", func() bool { return len(without(e.story(), "message.status")) == 7 })
	if diff := cmp.Diff([]string{
		"ticket.opened customer: " + customerText, "message.sent channel: Thanks for writing.",
		"message.sent agent: " + agentText, "message.sent channel: Your request is closed.", "ticket.closed",
		"ticket.opened customer: One more thing", "message.sent channel: Thanks for writing.",
	}, without(e.story(), "message.status")); diff != "" {
		t.Errorf("the endpoint was told (-want +got):\n%s", diff)
	}
	r.eventually("deliveries told", func() bool { return strings.Contains(strings.Join(e.story(), "\n"), "message.status delivered") })
}

func TestAnEndpointThatRefusesTheTokenHoldsNothingUp(t *testing.T) {
	r, e := newReceiver(t), newEndpoint(t)
	r.putCloudEvents(e)
	r.put(config.HelpdeskTokenFile, "Bearer outdated")
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("the welcome, which waits for no helpdesk", func() bool { return len(customer.Received()) == 1 })
	r.put(config.HelpdeskTokenFile, endpointToken)
	r.eventually("the ticket told with the new token", func() bool { return len(without(e.story(), "message.status")) == 2 })
}

func TestAConversationGoesOnInAnotherHelpdesk(t *testing.T) {
	r, e := newReceiver(t), newEndpoint(t)
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("a ticket in the inbox, with the welcome", func() bool { return len(r.tickets()) == 1 && len(r.ticket(1).Articles) == 2 })
	before := r.tickets()[0]
	r.putCloudEvents(e)
	r.eventually("the change taken up", func() bool {
		s := r.status()
		return s.Helpdesk != nil && s.Helpdesk.Kind == "cloudevents" && s.Helpdesk.Ready
	})
	customer.Says(r.number.ID, "Are you there?")
	r.eventually("a ticket in the other helpdesk, with a note", func() bool { return len(without(e.story(), "message.status")) == 2 })
	if got := without(e.story(), "message.status"); got[0] != "ticket.opened customer: Are you there?" || !strings.Contains(got[1], "earlier one") {
		t.Errorf("the endpoint was told %q", got)
	}
	if subject := e.first().header.Get("Ce-Subject"); subject != before.Conversation {
		t.Errorf("it goes on as the conversation %s, want %s", subject, before.Conversation)
	}
	if got := len(r.ticket(before.ID).Articles); got != 2 {
		t.Errorf("the inbox has %d articles, want those from before alone", got)
	}
	if status := r.api(http.MethodPost, "/v1/conversations/"+before.Conversation+"/replies", "k", `{"text":"Yes"}`, &wire.Article{}); status != http.StatusOK {
		t.Errorf("a reply is answered with %d", status)
	}
}
