package zammad

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

const (
	// answerTimeout bounds a call whose caller sets no limit, until its answer is read.
	answerTimeout = 30 * time.Second
	// transferTimeout bounds the transfer of a file, and stallTimeout how long it may stand still.
	transferTimeout = 5 * time.Minute
	stallTimeout    = 30 * time.Second
)

// watch ends a request that takes too long, by a clock that nobody sets.
type watch struct {
	clock clock.Clock
	// end is when the request has to be over, and pause how long nothing of it may come.
	end, pause time.Duration
	// moved is when something of it came last.
	moved atomic.Int64
}

// watch returns a context for a request, which ends after limit, or after a pause in which nothing was told to have
// moved. It is the caller's to stop.
func (c *client) watch(ctx context.Context, limit, pause time.Duration) (watched context.Context, w *watch, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	begun := c.clock.Elapsed()
	w = &watch{clock: c.clock, end: begun + limit, pause: pause}
	w.moved.Store(int64(begun))
	go w.run(ctx, cancel)
	return ctx, w, func() { cancel(nil) }
}

func (w *watch) run(ctx context.Context, end context.CancelCauseFunc) {
	for {
		over := min(w.end, time.Duration(w.moved.Load())+w.pause)
		if over <= w.clock.Elapsed() {
			end(context.DeadlineExceeded)
			return
		}
		timer := w.clock.TimerAt(over)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// download reads a file, whose body is the caller's to close. A transfer that stands still or takes too long breaks off.
func (c *client) download(ctx context.Context, path string) (*http.Response, error) {
	ctx, w, stop := c.watch(ctx, transferTimeout, stallTimeout)
	response, err := c.request(ctx, http.MethodGet, path, nil, 0)
	if err != nil {
		stop()
		return nil, err
	}
	response.Body = &watchedBody{ReadCloser: response.Body, watch: w, stop: stop}
	return response, nil
}

// watchedBody tells the watch what comes.
type watchedBody struct {
	io.ReadCloser
	watch *watch
	stop  func()
}

func (b *watchedBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	if n > 0 {
		b.watch.moved.Store(int64(b.watch.clock.Elapsed()))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = lost(err)
	}
	return n, err
}

// Close ends the transfer, whether or not all of it came.
func (b *watchedBody) Close() error {
	defer b.stop()
	return b.ReadCloser.Close()
}
