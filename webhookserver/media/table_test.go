package media_test

import (
	"errors"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// What a process was writing when it died goes, and what another is still writing stays.
func TestAbandonedFilesAreSwept(t *testing.T) {
	clock := clocktest.New(time.Now())
	table := openTable(t, clock)
	pieces := func() (n int) {
		t.Helper()
		if err := table.Store.View(t.Context(), func(tx *store.Tx) error {
			for number := range int64(10) {
				for position := range int64(10) {
					_, found, err := tx.Piece(number, position)
					if err != nil {
						return err
					}
					if found {
						n++
					}
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	content := random(large)
	draft(t, table, content)
	clock.Advance(50 * time.Minute)
	writing := draft(t, table, content)
	clock.Advance(50 * time.Minute)
	if err := table.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Two of its pieces are written, the third waits for more.
	if n := pieces(); n != 2 {
		t.Errorf("%d pieces are left, want those of the file that is being written", n)
	}
	if err := writing.Keep(id); err != nil {
		t.Errorf("the file that was being written: %v", err)
	}
	remove(t, table, id)
	if n := pieces(); n != 0 {
		t.Errorf("%d pieces of a removed file are left", n)
	}
	slow := draft(t, table, content)
	clock.Advance(2 * time.Hour)
	if err := errors.Join(table.Sweep(t.Context()), slow.Keep(id)); err == nil {
		t.Error("a file was kept of which a part is gone")
	}
}
