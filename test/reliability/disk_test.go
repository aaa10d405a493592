package reliability

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// diskSize is in MiB.
const diskSize = 256

// A volume that fills up under load: what is turned away is turned away with 503, the receiver ends and says what to do,
// and when there is room again, everything that it acknowledged is there.
func TestAFullVolume(t *testing.T) {
	v, m := newVolume(t, diskSize), newMeta(t)
	s := settings{ConfigDir: m.configDir, DataDir: v.dir}
	r := startReceiver(t, s)
	l := m.begin(r.public, "full")
	l.await(t, warmUp)
	fresh, closed := s.in(t, "fresh"), s.in(t, "closed")
	emptyStore(t, closed)
	free := v.fill()
	if code := r.exit(); code != config.ExitVolumeFull {
		t.Errorf("exit code %d", code)
	}
	acknowledged := l.end()
	says(t, r, "the volume is full: enlarge the PersistentVolumeClaim")
	for status := range l.others {
		if status != http.StatusServiceUnavailable {
			t.Errorf("webhooks were answered %d", status)
		}
	}
	// As long as it is full, every start says so, too: after that end, the first of all, and one after an orderly end.
	for _, again := range []settings{s, fresh, closed} {
		stuck := launch(t, again)
		if stuck.public != "" {
			stuck.kill()
			continue
		}
		if code := stuck.exit(); code != config.ExitVolumeFull {
			t.Errorf("exit code %d", code)
		}
		says(t, stuck, "the volume is full: enlarge the PersistentVolumeClaim")
	}
	free()
	intact(t, m, s, acknowledged)
}

// in returns settings with another directory of the same volume.
func (s settings) in(t *testing.T, name string) settings {
	t.Helper()
	s.DataDir = filepath.Join(s.DataDir, name)
	if err := os.Mkdir(s.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// emptyStore makes a store and closes it.
func emptyStore(t *testing.T, s settings) {
	t.Helper()
	made, err := s.open(t.Context())
	if err == nil {
		err = made.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A volume that fails: every read and write gives an input or output error.
func TestAFailingVolume(t *testing.T) {
	v, m := newVolume(t, volumeSize), newMeta(t)
	s := settings{ConfigDir: m.configDir, DataDir: v.dir}
	r := startReceiver(t, s)
	l := m.begin(r.public, "failing")
	l.await(t, warmUp)
	l.cut(v)
	if code := r.exit(); code != config.ExitVolumeFailed {
		t.Errorf("exit code %d", code)
	}
	acknowledged := l.end()
	says(t, r, "see what the node and the storage say about it")
	v.remount()
	intact(t, m, s, acknowledged)
}

// The limit comes before the full volume: webhooks are answered 503, the receiver goes on, and takes them again when
// there is room.
func TestANearlyFullVolume(t *testing.T) {
	v, m := newVolume(t, diskSize), newMeta(t)
	s := settings{ConfigDir: m.configDir, DataDir: v.dir, Limits: webhookserver.Limits{MinFreeDisk: 24 << 20}}
	r := startReceiver(t, s)
	l := m.begin(r.public, "nearly")
	l.await(t, warmUp)
	// What comes until the receiver looks has room in what is left.
	free := v.fillTo(20 << 20)
	var turnedAway int
	l.until(t, func() bool {
		turnedAway = l.others[http.StatusServiceUnavailable]
		return strings.Contains(r.log.String(), "the volume is nearly full")
	})
	l.until(t, func() bool { return l.others[http.StatusServiceUnavailable] > turnedAway })
	free()
	var taken int
	l.until(t, func() bool {
		taken = len(l.acknowledged)
		return strings.Contains(r.log.String(), "the volume has room again")
	})
	l.await(t, taken+warmUp)
	r.kill()
	intact(t, m, s, l.end())
}

func says(t *testing.T, r *receiver, text string) {
	t.Helper()
	if !strings.Contains(r.log.String(), text) {
		t.Errorf("the receiver does not say %q:\n%s", text, r.log)
	}
}

// intact makes sure that all is there that was acknowledged, and that a receiver goes on with it.
func intact(t *testing.T, m *meta, s settings, acknowledged []string) {
	t.Helper()
	l, err := s.look(t, acknowledged)
	if err == nil {
		err = checkSQLite(s.DataDir)
	}
	if err != nil {
		t.Fatalf("what is left cannot be used: %v", err)
	}
	report(t, 0, acknowledged, l)
	if len(l.lost) > 0 || l.damaged > 0 {
		t.Errorf("acknowledged and lost: %v; %d files damaged", l.lost, l.damaged)
	}
	again(t, 0, m, s)
}
