package media_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
)

const (
	id     = "0123456789abcdef0123456789abcdef"
	hello  = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	beyond = "../../../../../../etc/passwd"
)

func open(t *testing.T, path string) *media.Dir {
	t.Helper()
	d, err := media.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func draft(t *testing.T, d *media.Dir, text string) *media.Draft {
	t.Helper()
	f, err := d.Draft()
	if err == nil {
		_, err = io.WriteString(f, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAFileIsThereWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "media")
	d := open(t, path)
	f := draft(t, d, "hello")
	if _, err := d.Open(id); !errors.Is(err, media.ErrNoFile) {
		t.Errorf("while it is written: %v", err)
	}
	if f.Size() != 5 || f.SHA256() != hello {
		t.Errorf("draft: %d, %s", f.Size(), f.SHA256())
	}
	if err := f.Keep(id); err != nil {
		t.Fatal(err)
	}
	f.Discard()
	if size, sum, err := open(t, path).Look(id); size != 5 || sum != hello || err != nil {
		t.Errorf("kept: %d, %s, %v", size, sum, err)
	}
	if err := d.Remove(id); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(id); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if _, _, err := d.Look(id); !errors.Is(err, media.ErrNoFile) {
		t.Errorf("removed: %v", err)
	}
}

func TestUnfinishedFilesGo(t *testing.T) {
	path := t.TempDir()
	draft(t, open(t, path), "a crash comes")
	draft(t, open(t, path), "hello").Discard()
	if err := draft(t, open(t, path), "hello").Keep(id); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) != 1 || entries[0].Name() != id {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestIDsAreNoPaths(t *testing.T) {
	d := open(t, t.TempDir())
	for _, bad := range []string{beyond, "", ".", "draft-1", id + "0", "0123456789ABCDEF0123456789ABCDEF"} {
		f := draft(t, d, "x")
		if err := f.Keep(bad); err == nil {
			t.Errorf("%q was kept", bad)
		}
		f.Discard()
		if _, err := d.Open(bad); !errors.Is(err, media.ErrNoFile) {
			t.Errorf("open %q: %v", bad, err)
		}
		if err := d.Remove(bad); err != nil {
			t.Errorf("remove %q: %v", bad, err)
		}
	}
}
