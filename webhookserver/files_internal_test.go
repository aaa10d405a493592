package webhookserver

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func TestFilesOfArticlesThatAreGoneAreRemoved(t *testing.T) {
	opened, err := store.OpenSQLite(context.Background(), store.SQLiteOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	files, err := media.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	named, gone := conversation.FileID("named"), conversation.FileID("gone")
	for _, id := range []string{named, gone} {
		draft, err := files.Draft(context.Background())
		if err == nil {
			_, err = io.WriteString(draft, id)
		}
		if err == nil {
			err = draft.Keep(id)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	at := time.Now()
	article := conversation.Article{ID: "w1", WrittenAt: at}
	if err := opened.Update(context.Background(), func(tx *store.Tx) error {
		return errors.Join(
			tx.SaveConversation(conversation.State{ID: "c"}, at),
			tx.AddAttachments(article.ID, []conversation.Attachment{{File: conversation.File{ID: named}}}),
			tx.AddEffects("c", []conversation.Effect{{Key: "k", Kind: conversation.KindAddArticle, AddArticle: &article}}, at),
		)
	}); err != nil {
		t.Fatal(err)
	}
	remove := func(before time.Time) int {
		t.Helper()
		n, err := removeFiles(context.Background(), opened, files, before)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := remove(at.Add(-time.Hour)); n != 0 {
		t.Errorf("%d new files were removed", n)
	}
	if n := remove(at.Add(time.Hour)); n != 0 {
		t.Errorf("%d files were removed whose article may still come", n)
	}
	if err := opened.Update(context.Background(), func(tx *store.Tx) error {
		e, _, err := tx.EffectByKey("k")
		if err != nil {
			return err
		}
		_, err = tx.FinishEffect(e, store.EffectDone, "", "", at)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := remove(at.Add(time.Hour)); n != 1 {
		t.Errorf("%d files were removed, want 1", n)
	}
	if _, _, err := files.Look(context.Background(), named); err != nil {
		t.Errorf("the file of an article: %v", err)
	}
	if _, _, err := files.Look(context.Background(), gone); !errors.Is(err, media.ErrNoFile) {
		t.Errorf("the file of none: %v", err)
	}
}
