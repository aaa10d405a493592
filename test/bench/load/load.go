package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Customers is how many customers write.
const Customers = 10_000

// Closed is a load in which each connection sends the next webhook as soon as the one before was answered.
type Closed struct {
	Connections int
	// Warmup is not counted, Duration is.
	Warmup, Duration time.Duration
	// Spoiled sends wrong signatures.
	Spoiled bool
}

// Result is what became of a load.
type Result struct {
	// Rate is the answers a second, while they were counted.
	Rate float64
	// Acknowledged holds the IDs that were answered 200, whether counted or not.
	Acknowledged []int64
	// Others counts the answers that were not 200, by status.
	Others map[int]int
	// Delays are the times from when a webhook was meant to be sent until it was answered 200, in order.
	Delays []time.Duration
}

// Sender sends webhooks, one after the other, on a connection of its own.
type Sender struct {
	conn   *connection
	writer *writer
}

// Dial returns a sender to a target.
func Dial(ctx context.Context, t Target) (*Sender, error) {
	conn, err := dial(ctx, t.Address)
	if err != nil {
		return nil, err
	}
	return &Sender{conn: conn, writer: newWriter(t)}, nil
}

// Close closes the connection.
func (s *Sender) Close() error { return s.conn.Close() }

// Send sends a webhook of a customer, or about one, and returns the status of the answer. The ID tells it from all
// others.
func (s *Sender) Send(kind Kind, id, customer int64) (status int, err error) {
	now := time.Now()
	return s.conn.do(s.writer.request(kind, id, customer, now), now)
}

// SendSpoiled is Send with a wrong signature.
func (s *Sender) SendSpoiled(kind Kind, id, customer int64) (status int, err error) {
	now := time.Now()
	return s.conn.do(s.writer.spoiled(kind, id, customer, now), now)
}

// worker is one connection of a load.
type worker struct {
	*Sender

	counted      int
	acknowledged []int64
	others       map[int]int
	delays       []time.Duration
}

func (w *worker) note(id int64, status int) {
	if status == http.StatusOK {
		w.acknowledged = append(w.acknowledged, id)
		return
	}
	w.others[status]++
}

// Run makes the load. An error is one of the connections: every answer is part of the result.
func (c Closed) Run(ctx context.Context, t Target) (Result, error) {
	var (
		ids   atomic.Int64
		start = time.Now()
		from  = start.Add(c.Warmup)
		until = from.Add(c.Duration)
	)
	result, err := run(ctx, t, c.Connections, func(_ int, w *worker) error {
		send := w.Send
		if c.Spoiled {
			send = w.SendSpoiled
		}
		for time.Now().Before(until) && ctx.Err() == nil {
			id := ids.Add(1)
			status, err := send(Message, id, id%Customers)
			if err != nil {
				return err
			}
			w.note(id, status)
			if end := time.Now(); end.After(from) && end.Before(until) {
				w.counted++
			}
		}
		return ctx.Err()
	})
	result.Rate /= c.Duration.Seconds()
	return result, err
}

// Open is a load in which each webhook has a time to be sent at, whether those before were answered or not. As a
// connection carries one request at a time, a webhook may wait for its connection; that is part of its delay.
type Open struct {
	Connections int
	// Rate is the webhooks a second.
	Rate     int
	Duration time.Duration
	// Messages is which share of the webhooks are messages: one in so many. The others are statuses.
	Messages int64
}

// Run makes the load.
func (o Open) Run(ctx context.Context, t Target) (Result, error) {
	total := int64(o.Duration.Seconds() * float64(o.Rate))
	each := time.Second / time.Duration(o.Rate)
	start := time.Now().Add(100 * time.Millisecond)
	return run(ctx, t, o.Connections, func(n int, w *worker) error {
		w.delays = make([]time.Duration, 0, total/int64(o.Connections)+1)
		for id := int64(n); id < total; id += int64(o.Connections) {
			meant := start.Add(time.Duration(id) * each)
			if wait := time.Until(meant); wait > 0 {
				time.Sleep(wait) //nolint:forbidigo // The time is what this load is made of.
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			kind := Status
			if id%o.Messages == 0 {
				kind = Message
			}
			status, err := w.Send(kind, id, id/o.Messages%Customers)
			if err != nil {
				return err
			}
			if w.note(id, status); status == http.StatusOK {
				w.delays = append(w.delays, time.Since(meant))
			}
		}
		return nil
	})
}

// run gives each connection to a goroutine of its own, and puts together what they saw.
func run(ctx context.Context, t Target, connections int, each func(n int, w *worker) error) (Result, error) {
	workers := make([]*worker, connections)
	for i := range workers {
		sender, err := Dial(ctx, t)
		if err != nil {
			return Result{}, err
		}
		workers[i] = &worker{Sender: sender, others: map[int]int{}}
	}
	defer func() {
		for _, w := range workers {
			_ = w.Close()
		}
	}()
	errs := make([]error, connections)
	var running sync.WaitGroup
	for i, w := range workers {
		running.Go(func() { errs[i] = each(i, w) })
	}
	running.Wait()
	r := Result{Others: map[int]int{}}
	for i, w := range workers {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("connection %d, after %d webhooks: %w", i, len(w.acknowledged), errs[i])
		}
		r.Rate += float64(w.counted)
		r.Acknowledged = append(r.Acknowledged, w.acknowledged...)
		r.Delays = append(r.Delays, w.delays...)
		for status, n := range w.others {
			r.Others[status] += n
		}
	}
	slices.Sort(r.Delays)
	return r, errors.Join(errs...)
}
