package outbox_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// ledger is a helpdesk that several replicas call.
type ledger struct {
	mu sync.Mutex
	// calls are the keys of the effects that were called, by conversation and in order.
	calls map[string][]string
	// arrived has one channel a replica, closed at its first call.
	arrived []chan struct{}
	once    []sync.Once
}

// clerk is the ledger as one replica sees it.
type clerk struct {
	*ledger
	replica int
}

func (c clerk) Call(ctx context.Context, e store.Effect, _ conversation.State) (string, error) {
	c.once[c.replica].Do(func() { close(c.arrived[c.replica]) })
	// Nobody goes on before all have work, so that they do share it.
	for _, arrived := range c.arrived {
		select {
		case <-arrived:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[e.Conversation] = append(c.calls[e.Conversation], e.Key)
	return "1", nil
}

func (clerk) Find(context.Context, store.Effect) (string, bool, error) { return "", false, nil }

func (clerk) Judge(error) outbox.Verdict { return outbox.Verdict{Means: outbox.InDoubt} }

func TestReplicasShareTheEffectsAndKeepTheirOrder(t *testing.T) {
	const replicas, conversations, articles = 3, 40, 4
	server := postgrestest.Start(t, postgrestest.Options{})
	book := &ledger{calls: map[string][]string{}, once: make([]sync.Once, replicas)}
	ctx, cancel := context.WithCancel(context.Background())
	var (
		running sync.WaitGroup
		stores  []*store.Postgres
	)
	for range replicas {
		s, err := store.OpenPostgres(t.Context(), store.PostgresOptions{
			Schema: "channel", DSN: func() (string, error) { return server.DSN(), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		stores = append(stores, s)
		book.arrived = append(book.arrived, make(chan struct{}))
	}
	defer func() { cancel(); running.Wait() }()

	want := map[string][]string{}
	now := time.Now()
	if err := stores[0].Update(t.Context(), func(tx *store.Tx) error {
		for i := range conversations {
			id := fmt.Sprintf("c%d", i)
			effects := []conversation.Effect{{Key: id + "/ticket", Kind: conversation.KindOpenTicket}}
			for j := range articles {
				effects = append(effects, conversation.Effect{Key: fmt.Sprintf("%s/%d", id, j), Kind: conversation.KindAddArticle})
			}
			for _, e := range effects {
				want[id] = append(want[id], e.Key)
			}
			if err := tx.SaveConversation(conversation.State{ID: id}, now); err != nil {
				return err
			}
			if err := tx.AddEffects(id, effects, now); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, s := range stores {
		o := outbox.New(outbox.Options{
			Store: s, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
			Callers: map[conversation.Destination]outbox.Caller{conversation.Helpdesk: clerk{book, i}},
		})
		running.Go(func() {
			if err := o.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	gomega.NewWithT(t).Eventually(func() (left int64, err error) {
		err = stores[0].View(t.Context(), func(tx *store.Tx) error {
			c, err := tx.Counts()
			for _, n := range c.Effects {
				left += n
			}
			return err
		})
		return left, err
	}).WithTimeout(2 * time.Minute).Should(gomega.BeZero())
	book.mu.Lock()
	defer book.mu.Unlock()
	if diff := cmp.Diff(want, book.calls); diff != "" {
		t.Errorf("calls by conversation (-want +got):\n%s", diff)
	}
}
