package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// customer makes a conversation with a message, a ticket with an article, and an effect that opened it, all at a time.
func customer(t *testing.T, s store.Store, state conversation.State, ticket store.TicketState, at time.Time) {
	t.Helper()
	id := state.ID
	update(t, s, func(tx *store.Tx) error {
		if err := tx.SaveConversation(state, at); err != nil {
			return err
		}
		err := tx.AddMessage(store.Message{WAMID: id + "/w", Conversation: id, SentAt: at, ReceivedAt: at})
		ticketID, err2 := tx.AddTicket(store.Ticket{Marker: id + "/t", Conversation: id, Epoch: 1, State: store.TicketOpen, CreatedAt: at})
		err3 := tx.AddArticle(ticketID, store.Article{Marker: id + "/w", Text: "x", WrittenAt: at}, at)
		err4 := tx.SetTicketState(ticketID, ticket, at)
		err5 := tx.AddEffects(id, []conversation.Effect{
			{Key: id + "/open", Kind: conversation.KindOpenTicket, Epoch: 1}, {Key: id + "/article", Kind: conversation.KindAddArticle, Epoch: 1},
		}, at)
		for _, key := range []string{"/open", "/article"} {
			e, _, err := tx.EffectByKey(id + key)
			if err := errors.Join(err, tx.ConfirmEffect(e, "", at)); err != nil {
				return err
			}
		}
		return errors.Join(err, err2, err3, err4, err5)
	})
}

func retention(t *testing.T, opener Opener) {
	s := open(t, opener)
	old, cutoff := At.Add(-100*24*time.Hour), At.Add(-90*24*time.Hour)
	user := func(id string, open bool) conversation.State {
		return conversation.State{ID: id, Epoch: 1, Open: open, Customer: conversation.Customer{UserID: "US." + id}}
	}
	customer(t, s, user("done", false), store.TicketClosed, old)
	customer(t, s, user("open", true), store.TicketOpen, old)
	customer(t, s, user("waits", false), store.TicketClosed, old)
	add(t, s, "waits", effect("waits/send", conversation.KindSendText))
	customer(t, s, user("fresh", false), store.TicketClosed, At)
	update(t, s, func(tx *store.Tx) error {
		_, _, _, err := tx.RememberRequest("old", "f", "r", old)
		return errors.Join(err, tx.AddStatus("w", "sent", nil, old), tx.AddStatus("w", "read", []byte("read"), At),
			tx.AddForeignStatus("f", "sent", nil, old), tx.AddForeignStatus("f", "read", nil, At))
	})
	for range 10 {
		update(t, s, func(tx *store.Tx) error {
			_, err := tx.ExpireRows(cutoff, 1)
			_, err2 := tx.ExpireTickets(cutoff, 1)
			return errors.Join(err, err2)
		})
	}
	// One by one, as what stays must not keep the rest from being looked at.
	for after := int64(0); ; {
		var list []store.Effect
		view(t, s, func(tx *store.Tx) (err error) { list, err = tx.OldOpenings(cutoff, after, 1); return err })
		if len(list) == 0 {
			break
		}
		after = list[0].ID
		update(t, s, func(tx *store.Tx) error { _, err := tx.ExpireOpenings(list); return err })
	}
	var removed int64
	for last := ""; ; {
		var ids []string
		view(t, s, func(tx *store.Tx) (err error) { ids, err = tx.OldConversations(cutoff, last, 1); return err })
		if len(ids) == 0 {
			break
		}
		last = ids[0]
		update(t, s, func(tx *store.Tx) error {
			n, err := tx.ExpireConversations(append(ids, "fresh"), cutoff)
			removed += n
			return err
		})
	}
	if removed != 1 {
		t.Errorf("%d conversations were removed, want one", removed)
	}
	kept := map[string][]string{}
	view(t, s, func(tx *store.Tx) error {
		for _, id := range []string{"done", "open", "waits", "fresh"} {
			_, conversationThere, err := tx.Conversation(id)
			_, message, err2 := tx.Message(id + "/w")
			_, ticket, err3 := tx.TicketByMarker(id + "/t")
			article, err4 := tx.HasArticle(id + "/w")
			_, opening, err5 := tx.EffectByKey(id + "/open")
			_, other, err6 := tx.EffectByKey(id + "/article")
			leads, err7 := tx.ConversationOf(store.UserID, "US."+id)
			if err := errors.Join(err, err2, err3, err4, err5, err6, err7); err != nil {
				return err
			}
			for name, there := range map[string]bool{
				"conversation": conversationThere, "message": message, "ticket": ticket, "article": article,
				"opening": opening, "effect": other, "identity": leads == id,
			} {
				if there {
					kept[id] = append(kept[id], name)
				}
			}
			slices.Sort(kept[id])
		}
		return nil
	})
	if diff := cmp.Diff(map[string][]string{
		"open":  {"article", "conversation", "identity", "opening", "ticket"},
		"waits": {"conversation", "identity", "opening"},
		"fresh": {"article", "conversation", "effect", "identity", "message", "opening", "ticket"},
	}, kept); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	update(t, s, func(tx *store.Tx) error {
		statuses, err := tx.TakeStatuses("w")
		if len(statuses) != 1 {
			t.Errorf("%d statuses, want the young one", len(statuses))
		}
		kept, err3 := tx.KeptStatuses(10)
		if len(kept) != 1 || kept[0].Status != "read" {
			t.Errorf("%d statuses of others, want the young one", len(kept))
		}
		_, _, fresh, err2 := tx.RememberRequest("old", "f", "r", At)
		if !fresh {
			t.Error("an old request is still known")
		}
		return errors.Join(err, err2, err3)
	})
}
