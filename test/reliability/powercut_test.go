package reliability

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
)

const (
	// cutsInTests is how often the power is cut for each engine unless RELIABILITY_CUTS says more.
	cutsInTests = 2
	// warmUp is how many messages are acknowledged before a volume is synced, in every other run.
	warmUp = 300
	// photos is how many files there are before the load begins, which leaves little room for fetching more.
	photos = 16
	// volumeSize is in MiB. The images are sparse.
	volumeSize = 2048
)

func cuts(t *testing.T) int {
	t.Helper()
	text := os.Getenv("RELIABILITY_CUTS")
	if text == "" {
		return cutsInTests
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("RELIABILITY_CUTS is %q, and has to be a number above 0", text)
	}
	return n
}

// powerCut runs a receiver under load, and takes the power of the volume at a random moment. Every other time the volume
// is synced before, so that the cut is not also one right after the creation of everything.
func powerCut(t *testing.T, run int, v *volume, m *meta, s settings, died func()) (acknowledged, late []string) {
	t.Helper()
	s.ConfigDir = m.configDir
	r := startReceiver(t, s)
	acknowledged = m.sendPhotos(t, r.public, run)
	l := m.begin(r.public, fmt.Sprint(run))
	l.await(t, warmUp)
	if run%2 == 1 {
		v.sync()
	}
	l.await(t, warmUp+rand.IntN(2500))
	l.cut(v)
	r.kill()
	acknowledged = append(acknowledged, l.end()...)
	died()
	v.remount()
	return acknowledged, l.late
}

// report says what a cut left.
func report(t *testing.T, run int, acknowledged []string, l left) {
	t.Helper()
	t.Logf("cut %d: %d messages acknowledged, %d of them processed, %d files whole; lost: %d messages, %d files",
		run, len(acknowledged), l.processed, l.photos, len(l.lost), l.damaged)
}

// tellLate says what became of the messages that were answered 200 while the volume was being taken away. They do not
// count: a real power cut would have kept the processor from answering, too.
func tellLate(t *testing.T, s settings, late []string) {
	t.Helper()
	l, err := s.look(t, late)
	if err != nil {
		t.Fatal(err)
	}
	if len(late) > 0 {
		t.Logf("  answered 200 while the volume was being taken away: %d messages; %d of them lost", len(late), len(l.lost))
	}
}

// summary says what all cuts together left. Files are looked at only if there are some.
func summary(t *testing.T, engine string, total, whole int) {
	t.Helper()
	t.Logf("%s: %d cuts, %d messages acknowledged, %d files fetched", engine, cuts(t), total, whole)
	if whole == 0 {
		t.Error("no file was fetched before any of the cuts, so that nothing is known of files")
	}
}

// again makes sure that a receiver can go on with what is left.
func again(t *testing.T, run int, m *meta, s settings) {
	t.Helper()
	s.ConfigDir = m.configDir
	r := startReceiver(t, s)
	if status := m.post(r.public, m.webhook(fmt.Sprintf("wamid.%d.again", run), 1)); status != http.StatusOK {
		t.Errorf("cut %d: a receiver that was started again answers %d\n%s", run, status, r.log)
	}
	r.kill()
}

func TestPowerCutsSQLite(t *testing.T) {
	total, whole := 0, 0
	for run := range cuts(t) {
		v, m := newVolume(t, volumeSize), newMeta(t)
		s := settings{DataDir: v.dir}
		acknowledged, late := powerCut(t, run, v, m, s, func() {})
		l, err := s.look(t, acknowledged)
		if err == nil {
			err = checkSQLite(s.DataDir)
		}
		if err != nil {
			t.Fatalf("cut %d: what is left cannot be used: %v", run, err)
		}
		report(t, run, acknowledged, l)
		tellLate(t, s, late)
		if len(l.lost) > 0 || l.damaged > 0 {
			t.Errorf("cut %d: acknowledged and lost: %v; %d files damaged", run, l.lost, l.damaged)
		}
		again(t, run, m, s)
		v.unmount()
		total, whole = total+len(acknowledged), whole+l.photos
	}
	summary(t, "SQLite", total, whole)
}

// Without syncs messages have to be lost; else the other tests prove nothing.
func TestPowerCutsAreNoticed(t *testing.T) {
	for run := range 5 {
		v, m := newVolume(t, volumeSize), newMeta(t)
		acknowledged, _ := powerCut(t, 1, v, m, settings{DataDir: v.dir, Careless: true}, func() {})
		l, err := settings{DataDir: v.dir}.look(t, acknowledged)
		v.unmount()
		if err != nil {
			t.Logf("control, cut %d, synchronous=OFF: %d messages acknowledged, and the database cannot be used: %v", run, len(acknowledged), err)
			return
		}
		t.Logf("control, cut %d, synchronous=OFF: %d messages acknowledged, %d lost", run, len(acknowledged), len(l.lost))
		if len(l.lost) > 0 {
			return
		}
	}
	t.Error("with synchronous=OFF nothing was lost, so that these tests would not notice a loss")
}

// startPostgres runs PostgreSQL with its data on a volume. A database that initdb had not synced would be gone after a
// cut right after its creation: its files would be there, and empty.
func startPostgres(t *testing.T, v *volume, settings map[string]string) *postgrestest.Server {
	t.Helper()
	return postgrestest.Start(t, postgrestest.Options{Dir: v.dir, Synced: true, Settings: settings})
}

// restartPostgres starts it after a cut. Its lock files are of a process that is gone, and may be empty, which
// PostgreSQL would not dare to remove itself.
func restartPostgres(t *testing.T, v *volume, server *postgrestest.Server) error {
	t.Helper()
	for _, name := range []string{"data/postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"} {
		if err := os.Remove(filepath.Join(v.dir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return server.TryRun()
}

func TestPowerCutsPostgreSQL(t *testing.T) {
	total, whole := 0, 0
	for run := range cuts(t) {
		v, m := newVolume(t, volumeSize), newMeta(t)
		server := startPostgres(t, v, nil)
		s := settings{DSN: server.DSN()}
		acknowledged, late := powerCut(t, run, v, m, s, server.Kill)
		if err := restartPostgres(t, v, server); err != nil {
			t.Fatalf("cut %d: PostgreSQL does not start: %v", run, err)
		}
		l, err := s.look(t, acknowledged)
		if err != nil {
			t.Fatalf("cut %d: what is left cannot be used: %v", run, err)
		}
		checkPostgres(server)
		report(t, run, acknowledged, l)
		tellLate(t, s, late)
		if len(l.lost) > 0 || l.damaged > 0 {
			t.Errorf("cut %d: acknowledged and lost: %v; %d files damaged", run, l.lost, l.damaged)
		}
		again(t, run, m, s)
		server.Stop()
		v.unmount()
		total, whole = total+len(acknowledged), whole+l.photos
	}
	summary(t, "PostgreSQL", total, whole)
}

func TestPowerCutsOfPostgreSQLAreNoticed(t *testing.T) {
	for run := range 5 {
		v, m := newVolume(t, volumeSize), newMeta(t)
		server := startPostgres(t, v, map[string]string{"fsync": "off"})
		s := settings{DSN: server.DSN()}
		acknowledged, _ := powerCut(t, 1, v, m, s, server.Kill)
		err := restartPostgres(t, v, server)
		var l left
		if err == nil {
			l, err = s.look(t, acknowledged)
		}
		server.Stop()
		v.unmount()
		if err != nil {
			t.Logf("control, cut %d, fsync=off: %d messages acknowledged, and the database cannot be used: %v", run, len(acknowledged), err)
			return
		}
		t.Logf("control, cut %d, fsync=off: %d messages acknowledged, %d lost", run, len(acknowledged), len(l.lost))
		if len(l.lost) > 0 {
			return
		}
	}
	t.Error("with fsync=off nothing was lost, so that these tests would not notice a loss")
}
