package reliability

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// left is what is there after a failure.
type left struct {
	// lost are acknowledged messages that are neither processed nor waiting.
	lost []string
	// processed counts the acknowledged messages that were taken up, photos the files that are whole, and damaged those
	// that count as fetched and are not.
	processed, photos, damaged int
}

var wamidOf = regexp.MustCompile(`"id":"(wamid\.[^"]+)"`)

// look opens what a receiver left behind.
func (s settings) look(t *testing.T, acknowledged []string) (l left, err error) {
	t.Helper()
	opened, err := s.open(context.Background())
	if err != nil {
		return l, err
	}
	defer opened.Close()
	files, err := s.files(opened)
	if err != nil {
		return l, err
	}
	waiting, err := waitingIn(opened)
	if err != nil {
		return l, err
	}
	var fetched []string
	// A transaction may take only so long.
	for some := range slices.Chunk(acknowledged, 200) {
		if err := opened.View(context.Background(), func(tx *store.Tx) error {
			for _, wamid := range some {
				_, processed, err := tx.Message(wamid)
				if err != nil {
					return err
				}
				if !processed {
					if !waiting[wamid] {
						l.lost = append(l.lost, wamid)
					}
					continue
				}
				l.processed++
				fetch, found, err := tx.EffectByKey(wamid + "/media")
				if err != nil {
					return err
				}
				if found && fetch.State == store.EffectDone {
					fetched = append(fetched, conversation.FileID(wamid))
				}
			}
			return nil
		}); err != nil {
			return l, err
		}
	}
	want := sha256.Sum256(photo)
	for _, id := range fetched {
		if sum, err := sumOf(files, id); err != nil || sum != hex.EncodeToString(want[:]) {
			l.damaged++
			continue
		}
		l.photos++
	}
	return l, nil
}

// waitingIn returns the messages that are stored and not processed.
func waitingIn(opened store.Store) (map[string]bool, error) {
	waiting := map[string]bool{}
	err := opened.View(context.Background(), func(tx *store.Tx) error {
		inbox, err := tx.NextInbox(1<<30, 1<<30)
		for _, row := range inbox {
			for _, m := range wamidOf.FindAllSubmatch(row.Body, -1) {
				waiting[string(m[1])] = true
			}
		}
		return err
	})
	return waiting, err
}

func (s settings) files(opened store.Store) (media.Files, error) {
	if s.DSN != "" {
		return &media.Table{Store: opened, Clock: clock.System{}}, nil
	}
	return media.OpenDir(s.mediaDir())
}

func sumOf(files media.Files, id string) (string, error) {
	file, err := files.Open(context.Background(), id)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// checkSQLite lets SQLite check a whole database.
func checkSQLite(dir string) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "receiver.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	var says string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&says); err != nil {
		return err
	}
	if says != "ok" {
		return fmt.Errorf("integrity_check says: %s", says)
	}
	return nil
}

// checkPostgres lets PostgreSQL compare all indexes of the channel with their tables.
func checkPostgres(server *postgrestest.Server) {
	server.Exec(
		`CREATE EXTENSION IF NOT EXISTS amcheck`,
		`SELECT bt_index_check(c.oid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
			JOIN pg_namespace n ON n.oid = c.relnamespace WHERE a.amname = 'btree' AND n.nspname = 'channel' AND i.indisvalid`,
	)
}
