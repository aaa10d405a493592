package reliability

import (
	"net/http"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver"
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
	free := v.fill()
	if code := r.exit(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	acknowledged := l.end()
	says(t, r, "the volume is full: enlarge the PersistentVolumeClaim")
	for status := range l.others {
		if status != http.StatusServiceUnavailable {
			t.Errorf("webhooks were answered %d", status)
		}
	}
	// As long as it is full, a new start says so, too.
	if stuck := launch(t, s); stuck.public == "" {
		stuck.exit()
		says(t, stuck, "the volume is full: enlarge the PersistentVolumeClaim")
	} else {
		stuck.kill()
	}
	free()
	intact(t, m, s, acknowledged)
}

// A volume that fails: every read and write gives an input or output error.
func TestAFailingVolume(t *testing.T) {
	v, m := newVolume(t, volumeSize), newMeta(t)
	s := settings{ConfigDir: m.configDir, DataDir: v.dir}
	r := startReceiver(t, s)
	l := m.begin(r.public, "failing")
	l.await(t, warmUp)
	l.cut(v)
	if code := r.exit(); code != 1 {
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
