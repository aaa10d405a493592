package inbox_test

import (
	"strconv"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/helpdesktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/inbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

func TestTheInboxIsAHelpdesk(t *testing.T) {
	helpdesktest.Run(t, func(t *testing.T, r helpdesk.Receiver) helpdesktest.Desk {
		t.Helper()
		s, err := store.OpenSQLite(t.Context(), store.SQLiteOptions{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		// Its tickets are in the store of the conversations.
		if err := s.Update(t.Context(), func(tx *store.Tx) error {
			return tx.SaveConversation(conversation.State{ID: "c1", Epoch: 1, Open: true}, r.Clock.Now())
		}); err != nil {
			t.Fatal(err)
		}
		return helpdesktest.Desk{Helpdesk: &inbox.Inbox{Store: s, Clock: r.Clock}, See: func(ticket string) helpdesktest.Ticket {
			return see(t, s, ticket)
		}}
	})
}

func see(t *testing.T, s store.Store, ticket string) (seen helpdesktest.Ticket) {
	t.Helper()
	id, err := strconv.ParseInt(ticket, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.View(t.Context(), func(tx *store.Tx) error {
		stored, _, err := tx.Ticket(id)
		if err != nil {
			return err
		}
		seen.State = stored.State
		articles, err := tx.Articles(id)
		if err != nil {
			return err
		}
		for _, a := range articles {
			files, err := tx.Attachments(a.Marker)
			if err != nil {
				return err
			}
			shown := helpdesktest.Article{Text: a.Text + " " + a.DeliveryReason}
			for _, f := range files {
				shown.Files = append(shown.Files, f.Name)
			}
			seen.Articles = append(seen.Articles, shown)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return seen
}
