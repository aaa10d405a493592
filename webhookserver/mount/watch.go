package mount

import (
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

const (
	// dataLink is what the kubelet replaces when the files of a volume change.
	dataLink = "..data"
	// pollInterval is how often the files are looked at without having been told that they changed, for volumes that
	// send no notices.
	pollInterval = time.Minute
)

// watch calls look at once, whenever something in the directory changes, and from time to time, until the context
// ends.
func watch(ctx context.Context, dir string, c clock.Clock, log *slog.Logger, look func()) {
	var events <-chan fsnotify.Event
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		events = watcher.Events
		err = watcher.Add(dir)
	}
	if err != nil {
		log.Warn("changes of a mounted directory are not noticed at once, only every minute", "error", err)
	}
	var watchErrors <-chan error
	if watcher != nil {
		watchErrors = watcher.Errors
	}
	for {
		look()
		timer := c.NewTimer(pollInterval)
		select {
		case <-events:
		case <-watchErrors:
			// Notices may have been lost; looking is the answer.
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}
