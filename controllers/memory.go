package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// memory is what the operator remembers of one channel between reconciliations. Losing it costs requests, never
// correctness: all that must survive a restart is in status.
type memory struct {
	uid types.UID
	// statusVersion is the resourceVersion that the last write of status or finalizer gave the channel.
	statusVersion string
	// exists are the objects, by type and name, that are known to exist even if the cache does not show them.
	exists map[string]bool
	// lookedPastCache is when the channel's objects and Secrets were last read past the cache, or the channel was met.
	lookedPastCache time.Time
	// troubled says that the channel was ready before, or that something was warned of since.
	troubled bool
	// forbiddenSince is since when the API server has forbidden a write of the channel's objects, each time that it was tried;
	// zero if it did not at the last one.
	forbiddenSince time.Time
	probe          probeMemory
	mirror         mirrorMemory
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
		found = &memory{uid: uid, exists: map[string]bool{}}
		m.byChannel[name] = found
	}
	return found
}

func (m *memories) forget(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byChannel, name)
}
