package crash

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
)

const (
	zammadGroup  = "2nd Level"
	zammadSecret = "secret"
)

// Zammad is a simulated Zammad. Each request to it is a point at which the receiver can die: before Zammad does what it
// is asked, or before the answer is there.
type Zammad struct {
	tb testing.TB
	// away is how long from the start on it answers nobody.
	away time.Duration

	mu        sync.Mutex
	sim       *zammadtest.Server
	front     *httptest.Server
	agent     zammadtest.Agent
	bot       int
	processes map[string]*Process
	desks     map[*Process]*zammad.Helpdesk
	written   map[string]int
	closed    map[int]bool
	// back is when it begins to answer.
	back time.Time
}

// NewZammad returns what makes a Zammad for each run. It answers nobody as long as it is away after the run's start.
func NewZammad(tb testing.TB, away time.Duration) func() Helpdesk {
	tb.Helper()
	return func() Helpdesk {
		return &Zammad{
			tb: tb, away: away, processes: map[string]*Process{}, desks: map[*Process]*zammad.Helpdesk{}, written: map[string]int{}, closed: map[int]bool{},
		}
	}
}

// start starts the server, by the clock of the run.
func (z *Zammad) start(p *Process) {
	z.back = p.Clock.Now().Add(z.away)
	z.sim = zammadtest.New(zammadtest.WithClock(p.Clock))
	group := z.sim.AddGroup(zammadGroup)
	z.agent = z.sim.Agent(z.sim.AddAgent("Emma", "Taylor", group))
	z.bot = z.sim.AddAgent("WhatsApp", "Bot", group)
	z.front = httptest.NewServer(http.HandlerFunc(z.serve))
	z.tb.Cleanup(func() {
		z.front.Close()
		z.sim.Close()
	})
}

// serve passes a request on, unless the process that made it dies.
func (z *Zammad) serve(w http.ResponseWriter, r *http.Request) {
	z.mu.Lock()
	p := z.processes[strings.TrimPrefix(r.Header.Get("Authorization"), "Token token=")]
	z.mu.Unlock()
	if p != nil && p.Clock.Now().Before(z.back) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	// What only reads leaves nothing behind.
	if p == nil || r.Method == http.MethodGet {
		z.sim.ServeHTTP(w, r)
		return
	}
	if p.Point() != nil {
		panic(http.ErrAbortHandler)
	}
	answer := httptest.NewRecorder()
	z.sim.ServeHTTP(answer, r)
	if p.Point() != nil {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// Attach implements Helpdesk.
func (z *Zammad) Attach(p *Process) helpdesk.Helpdesk {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.sim == nil {
		z.start(p)
	}
	token := z.sim.IssueToken(z.bot, "ticket.agent")
	z.processes[token] = p
	const identity = "zammad"
	settings := func() conversation.Settings { return p.Settings }
	desk := zammad.New(zammad.Options{
		URL: z.front.URL, Token: token, Secret: zammadSecret, Group: zammadGroup, Namespace: "helpdesk", Name: "support", Installation: "crash",
		EventsURL: z.front.URL, Identity: identity,
		Receiver: helpdesk.Receiver{
			Agents: &engine.Agents{Store: p.Store, Clock: p.Clock, Helpdesk: identity, Settings: settings, Changed: p.Wake},
			Notes:  &engine.Notes{Store: p.Store, Helpdesk: identity}, Files: dirFiles{p.Files}, Clock: p.Clock, Log: slog.New(slog.DiscardHandler),
		},
	})
	z.desks[p] = desk
	return desk
}

// dirFiles are the files on the volume.
type dirFiles struct{ media.Files }

func (d dirFiles) Open(ctx context.Context, id string) (io.ReadCloser, error) {
	return d.Files.Open(ctx, id)
}

func (d dirFiles) Keep(ctx context.Context, source, name, mimeType string, content io.Reader) (conversation.File, error) {
	read, err := io.ReadAll(content)
	if err != nil {
		return conversation.File{}, err
	}
	kept, err := Keep(ctx, d.Files, source, []File{{Name: name, MIMEType: mimeType, Content: string(read)}})
	if err != nil {
		return conversation.File{}, err
	}
	return kept[0], nil
}

// ticket returns the ID of a ticket by its number in the order in which they were opened.
func (z *Zammad) ticket(at int) (int, error) {
	tickets := z.sim.Tickets()
	if at >= len(tickets) {
		return 0, errNoTicket
	}
	return tickets[at].ID, nil
}

// Reply implements Helpdesk.
func (z *Zammad) Reply(ctx context.Context, p *Process, ticket int, key string, r Reply) error {
	id, err := z.ticket(ticket)
	if err != nil {
		return err
	}
	z.mu.Lock()
	article, written := z.written[key]
	z.mu.Unlock()
	if !written {
		note := zammadtest.Note{Body: r.Text, Plain: true}
		for _, f := range r.Files {
			note.Files = append(note.Files, zammadtest.File{Name: f.Name, MIMEType: f.MIMEType, Content: []byte(f.Content)})
		}
		article = z.agent.Writes(id, note)
		z.mu.Lock()
		z.written[key] = article
		z.mu.Unlock()
	}
	return z.ring(p, id, func() (bool, error) {
		taken, err := p.Agents.Taken(ctx, []string{strconv.Itoa(article)})
		return taken[strconv.Itoa(article)], err
	})
}

// Close implements Helpdesk.
func (z *Zammad) Close(ctx context.Context, p *Process, ticket int) error {
	id, err := z.ticket(ticket)
	if err != nil {
		return err
	}
	z.mu.Lock()
	closed := z.closed[id]
	z.closed[id] = true
	z.mu.Unlock()
	if !closed {
		z.agent.Closes(id)
	}
	return z.ring(p, id, func() (bool, error) {
		known, err := p.Agents.Tickets(ctx, []string{strconv.Itoa(id)})
		return !known[strconv.Itoa(id)].Open, err
	})
}

// ring rings the doorbell and waits until what it is rung for is known. A dead process never knows.
func (z *Zammad) ring(p *Process, ticket int, known func() (bool, error)) error {
	z.mu.Lock()
	desk := z.desks[p]
	z.mu.Unlock()
	id := strconv.Itoa(ticket)
	switch tickets, err := p.Agents.Tickets(context.Background(), []string{id}); {
	case err != nil:
		return err
	case tickets[id] == helpdesk.Known{}:
		// The agent took the one of two tickets that the receiver did not keep.
		return errUnknownTicket
	}
	body := `{"ticket":{"id":` + id + `}}`
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		request := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(body))
		request.Header.Set("X-Hub-Signature", zammadtest.Sign([]byte(body), zammadSecret))
		desk.Doorbell().ServeHTTP(httptest.NewRecorder(), request)
		for range 50 {
			if is, err := known(); is || err != nil {
				return err
			}
			if err := p.Store.Err(); err != nil {
				return err
			}
			timer := time.NewTimer(tick)
			<-timer.C
		}
	}
	return errImpatient
}

// Tickets implements Helpdesk.
func (z *Zammad) Tickets(context.Context, *Process) (seen []Ticket, err error) {
	for _, t := range z.sim.Tickets() {
		var ticket Ticket
		slices.SortFunc(t.Articles, func(a, b zammadtest.Article) int { return a.ID - b.ID })
		for _, a := range t.Articles {
			article := Article{Text: a.Body, Note: a.Internal}
			for _, f := range a.Files {
				article.Files = append(article.Files, f.Name)
			}
			ticket.Articles = append(ticket.Articles, article)
		}
		seen = append(seen, ticket)
	}
	return seen, nil
}
