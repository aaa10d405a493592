package zammad

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

const (
	// fileAttempts and filePatience are how often at least, and for how long, a file of a reply is asked for that Zammad
	// does not hand out although it answers all else. Later replies on the ticket wait for it meanwhile.
	fileAttempts = 12
	filePatience = 30 * time.Minute
)

// notHandedOut is what agents are told of a file that is given up.
const notHandedOut = "Zammad did not hand it out in %d attempts, although it answered everything else (%s). " +
	"Attach it to a new reply, as a smaller file if you can."

// lateFiles counts the failures of files that fail alone. A process that starts anew begins anew.
type lateFiles struct {
	mu    sync.Mutex
	files map[string]lateFile
}

// lateFile is since when a file fails, by the clock's Elapsed, and how often it did.
type lateFile struct {
	since    time.Duration
	attempts int
}

// failed takes the failure of a file in, and returns why it is given up; empty if it is to be asked for again. Whoever
// asks for a file was answered right before, so that an outage of Zammad counts nothing.
func (l *lateFiles) failed(path string, err error, elapsed time.Duration) (reason string) {
	known := (*helpdesk.Error)(nil)
	if !errors.As(err, &known) || (known.Means != helpdesk.InDoubt && known.Means != helpdesk.Stop) {
		// The store, the connection or the token is at fault, and the file is as good as any.
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	late, again := l.files[path]
	if !again {
		if l.files == nil || len(l.files) >= maxRemembered {
			l.files = map[string]lateFile{}
		}
		late.since = elapsed
	}
	late.attempts++
	l.files[path] = late
	if late.attempts < fileAttempts || elapsed-late.since < filePatience {
		return ""
	}
	return fmt.Sprintf(notHandedOut, late.attempts, strings.TrimRight(known.Message, "."))
}

// forget forgets a file that is settled.
func (l *lateFiles) forget(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.files, path)
}
