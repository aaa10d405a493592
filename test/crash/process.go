package crash

import (
	"context"
	"log/slog"
	"sync"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// channel is what the channel of the story declares.
var channel = config.Channel{
	PhoneNumber: &config.PhoneNumber{ID: "1"},
	Messages: config.Messages{
		Welcome: "welcome", Goodbye: "goodbye", Reminder: &config.Reminder{Text: "reminder", AfterMinutes: 1200},
	},
}

// process is one process of the receiver, from its start to its death or end.
type process struct {
	Process
	*life
	opened    store.Store
	clock     *clocktest.Fake
	processor *engine.Processor
	outbox    *outbox.Outbox
	graph     *outbox.GraphCaller
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// start starts a process on an open store.
func (r *run) start(opened store.Store) *process {
	p := &process{
		life:   &life{chance: r.chance, end: make(chan struct{}), moved: r.tell},
		opened: opened, clock: r.clock,
	}
	m := &mortal{Store: opened, life: p.life}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.Process = Process{
		Store: m, Clock: r.clock, Files: r.files, Settings: engine.SettingsOf(channel), Wake: p.wake, Point: p.point,
	}
	settings := func() conversation.Settings { return p.Settings }
	desk := r.helpdesk.Attach(&p.Process)
	p.Agents = &engine.Agents{Store: m, Clock: r.clock, Helpdesk: desk.Identity(), Settings: settings, Changed: p.wake}
	p.graph = &outbox.GraphCaller{Store: m, Files: r.files, Account: func() outbox.Account {
		return outbox.Account{BaseURL: r.meta.URL, Version: "v25.0", AccessToken: cloudapi.Token(r.token), PhoneNumberID: "1"}
	}}
	callers := map[conversation.Destination]outbox.Caller{
		conversation.Graph: line{r.whatsApp, &p.Process},
		conversation.Helpdesk: &outbox.HelpdeskCaller{
			Helpdesk: func() helpdesk.Helpdesk { return desk }, Store: m, Clock: r.clock, Settings: settings,
		},
		conversation.Media: &outbox.MediaCaller{Graph: p.graph, Files: r.files},
	}
	for d, c := range callers {
		callers[d] = &shaky{Caller: c, life: p.life}
	}
	log := slog.New(slog.DiscardHandler)
	p.outbox = outbox.New(outbox.Options{
		Store: m, Clock: r.clock, Log: log, Callers: callers, Jitter: func() float64 { return 0 },
	})
	p.processor = engine.NewProcessor(engine.Processor{
		Store: m, Clock: r.clock, Log: log, Processed: p.outbox.Wake, Channel: func() config.Channel { return channel },
	})
	// A dead process ends with an error, which is the death.
	p.running.Go(func() { _ = p.processor.Run(ctx) })
	p.running.Go(func() { _ = p.outbox.Run(ctx) })
	p.running.Go(func() { _ = desk.Run(ctx) })
	return p
}

func (p *process) wake() {
	p.processor.Wake()
	p.outbox.Wake()
}

// stop waits until nothing of the process is left. A process that lives finishes what it began.
func (p *process) stop() error {
	p.cancel()
	p.running.Wait()
	p.graph.Close()
	return p.opened.Close()
}
