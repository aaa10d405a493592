package controllers

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// memory is what the operator remembers of one channel between reconciliations. Losing it costs requests, never
// correctness: all that must survive a restart is in status.
type memory struct {
	uid types.UID
	// statusVersion is the resourceVersion that the last write of status or finalizer gave the channel.
	statusVersion string
	// unseen are the objects, by type and name, that are known to exist and that the cache has not shown since; nil where there
	// are none.
	unseen map[string]bool
	// lookedPastCache is when the channel's objects and Secrets were last read past the cache, or the channel was met.
	lookedPastCache time.Time
	// troubled says that the channel was ready before, or that something was warned of since.
	troubled bool
	// forbidden is the spell in which the API server forbids a write of the channel's objects, and failing that in which it fails to
	// do one.
	forbidden, failing spell
	probe              probeMemory
	mirror             mirrorMemory
}

// spell is the time in which something happens in every reconciliation.
type spell struct {
	// since is the time of the first of them; zero where there is none.
	since time.Time
	// met says that it happened in this one.
	met bool
}

// meet notes that it happens now, and reports whether it has for at least as long as given.
func (p *spell) meet(now time.Time, atLeast time.Duration) bool {
	p.met = true
	if p.since.IsZero() {
		p.since = now
	}
	return now.Sub(p.since) >= atLeast
}

// pass is called at the end of a reconciliation. The spell is over where it did not happen in that.
func (p *spell) pass() {
	if !p.met {
		p.since = time.Time{}
	}
	p.met = false
}

// probeMemory is the last handshake through the callback URL.
type probeMemory struct {
	url   string
	token string
	// exposure is what the way in waited for then.
	exposure string
	at       time.Time
	failures int
	// cause is why it failed, as half a sentence.
	cause   string
	finding *finding
}

// mirrorMemory is the last look at the receiver's own status.
type mirrorMemory struct {
	at time.Time
	// silences is how often in a row the receiver, which is available, did not answer.
	silences int
	// handshake is the latest handshake that was not the operator's own, and handshakeSeen says that Meta was not asked
	// since it was noticed.
	handshake     time.Time
	handshakeSeen bool
}

// memories holds the memory of every channel.
type memories struct {
	mu        sync.Mutex
	byChannel map[types.NamespacedName]*memory
}

// of returns the memory of a channel. A channel that was deleted and made again starts with an empty one.
func (m *memories) of(name types.NamespacedName, uid types.UID) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byChannel == nil {
		m.byChannel = map[types.NamespacedName]*memory{}
	}
	found, ok := m.byChannel[name]
	if !ok || found.uid != uid {
		found = &memory{uid: uid}
		m.byChannel[name] = found
	}
	return found
}

func (m *memories) forget(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byChannel, name)
}

// exists notes that an object is known to exist, whatever the cache shows.
func (m *memory) exists(kind client.Object, name string) {
	if m.unseen == nil {
		m.unseen = map[string]bool{}
	}
	m.unseen[unseenKey(kind, name)] = true
}

// existsUnseen reports whether an object that the cache does not show is known to exist.
func (m *memory) existsUnseen(kind client.Object, name string) bool {
	return m.unseen[unseenKey(kind, name)]
}

// settle notes that it is no longer to be remembered of an object whether it exists: the cache shows it, or it is gone.
func (m *memory) settle(kind client.Object, name string) {
	if delete(m.unseen, unseenKey(kind, name)); len(m.unseen) == 0 {
		m.unseen = nil
	}
}

func unseenKey(kind client.Object, name string) string { return fmt.Sprintf("%T/%s", kind, name) }
