package crash

import (
	"context"
	"sync"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// life is whether a process lives.
type life struct {
	*chance
	once sync.Once
	end  chan struct{}
	// moved tells whoever waits that something happened.
	moved func()
}

func (l *life) dead() bool {
	select {
	case <-l.end:
		return true
	default:
		return false
	}
}

// point is where the process may die. It returns nil if it lives.
func (l *life) point() error {
	if l.dead() {
		return errKilled
	}
	if l.strikes() {
		l.once.Do(func() { close(l.end) })
		l.moved()
		return errKilled
	}
	return nil
}

// through does something that the process may die before or after. What it learns when it is dead, it never learned.
func (l *life) through(do func() error) error {
	defer l.moved()
	if err := l.point(); err != nil {
		return err
	}
	if err := do(); err != nil || l.dead() {
		if l.dead() {
			return errKilled
		}
		return err
	}
	return l.point()
}

// mortal is a real store of a process that may die at each commit.
type mortal struct {
	store.Store
	*life
}

func (m *mortal) Append(ctx context.Context, w store.Webhook) error {
	return m.through(func() error { return m.Store.Append(ctx, w) })
}

func (m *mortal) Update(ctx context.Context, fn func(*store.Tx) error) error {
	return m.through(func() error { return m.Store.Update(ctx, fn) })
}

func (m *mortal) View(ctx context.Context, fn func(*store.Tx) error) error {
	if m.dead() {
		return errKilled
	}
	return m.Store.View(ctx, fn)
}

func (m *mortal) Failed() <-chan struct{} { return m.end }

func (m *mortal) Err() error {
	if m.dead() {
		return errKilled
	}
	return nil
}

// shaky is a destination of a process that may die at each call, and does not hear every answer.
type shaky struct {
	outbox.Caller
	*life
}

func (s *shaky) Call(ctx context.Context, e store.Effect, state conversation.State) (id string, err error) {
	err = s.heard(func() (err error) {
		id, err = s.Caller.Call(ctx, e, state)
		return err
	})
	return id, err
}

// Within lets the receiver's own inbox be part of a transaction, in which no answer gets lost.
func (s *shaky) Within(data store.Data) outbox.Caller {
	if local, ok := s.Caller.(outbox.Local); ok {
		return local.Within(data)
	}
	return nil
}

func (s *shaky) Find(ctx context.Context, e store.Effect) (id string, found bool, err error) {
	err = s.heard(func() (err error) {
		id, found, err = s.Caller.Find(ctx, e)
		return err
	})
	return id, found, err
}

func (s *shaky) heard(call func() error) error {
	err := s.through(call)
	if err == nil && s.happens(s.faults.LostAnswers) {
		return errLost
	}
	return err
}

func (s *shaky) Judge(err error) outbox.Verdict {
	if err == errLost || err == errKilled { //nolint:errorlint // They are what heard returns.
		return outbox.Verdict{Means: outbox.InDoubt, Reason: err.Error()}
	}
	return s.Caller.Judge(err)
}
