package webhookserver_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// brittle is a real store that fails on demand, as one whose disk died.
type brittle struct {
	store.Store
	broken *atomic.Bool
	failed chan struct{}
}

var errDisk = errors.New("the disk is full")

func (b *brittle) Append(ctx context.Context, w store.Webhook) error {
	if b.broken.CompareAndSwap(true, true) {
		select {
		case <-b.failed:
		default:
			close(b.failed)
		}
		return errDisk
	}
	return b.Store.Append(ctx, w)
}

func (b *brittle) Failed() <-chan struct{} { return b.failed }

func (b *brittle) Err() error {
	select {
	case <-b.failed:
		return errDisk
	default:
		return nil
	}
}

func TestWhatIsNotStoredIsNotAcknowledged(t *testing.T) {
	r := newReceiver(t)
	var broken atomic.Bool
	r.wrap = func(s store.Store) store.Store {
		return &brittle{Store: s, broken: &broken, failed: make(chan struct{})}
	}
	r.start()
	body := []byte(`{"object":"whatsapp_business_account","entry":[]}`)
	if status := r.post(body); status != 200 {
		t.Fatalf("before: status %d", status)
	}
	broken.Store(true)
	if status := r.post(body); status != 503 {
		t.Errorf("a webhook that could not be stored: status %d", status)
	}
	if err := r.wait(); !errors.Is(err, errDisk) {
		t.Errorf("the process goes on with a store that failed: %v", err)
	}
}

func TestWhatWasAcknowledgedSurvivesARestart(t *testing.T) {
	r := newReceiver(t)
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("the welcome", func() bool { return len(customer.Received()) == 1 })
	r.eventually("rest", func() bool { return r.status().PendingEffects == 0 })
	r.stop()
	r.start()
	// Meta repeats what it was not sure of.
	for _, d := range r.meta.Deliveries() {
		if status := r.post(d.Body); status != 200 {
			t.Errorf("a repeated webhook: status %d", status)
		}
	}
	r.eventually("all are processed", func() bool { s := r.status(); return s.Backlog == 0 && s.PendingEffects == 0 })
	if list := r.tickets(); len(list) != 1 || len(r.ticket(list[0].ID).Articles) != 2 || len(customer.Received()) != 1 {
		t.Errorf("%d tickets, %v, %d messages to the customer", len(list), articles(r.ticket(1)), len(customer.Received()))
	}
}
