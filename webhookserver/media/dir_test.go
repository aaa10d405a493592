package media_test

import (
	"errors"
	"math"
	"os"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
)

func TestUnfinishedFilesGo(t *testing.T) {
	path := t.TempDir()
	open := func() *media.Dir {
		t.Helper()
		d, err := media.OpenDir(path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	draft(t, open(), "a crash comes")
	if err := draft(t, open(), "hello").Keep(id); err != nil {
		t.Fatal(err)
	}
	open()
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) != 1 || entries[0].Name() != id {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestFilesLeaveRoomForTheDatabase(t *testing.T) {
	d, err := media.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d.Reserve = math.MaxInt64
	if _, err := d.Draft(t.Context()); !errors.Is(err, media.ErrFull) {
		t.Errorf("a file on a volume that is nearly full: %v", err)
	}
}
