package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func (b *bench) message(id string) (m wire.Message) {
	b.t.Helper()
	status, answer := b.do(http.MethodGet, "/v1/messages/"+id, "api", "", "")
	if status != http.StatusOK {
		b.t.Fatalf("message %s: status %d, %s", id, status, answer)
	}
	if err := json.Unmarshal([]byte(answer), &m); err != nil {
		b.t.Fatal(err)
	}
	return m
}

func TestAMessageIsFollowedToItsTicket(t *testing.T) {
	b := newBench(t)
	ticketKey := conversation.TicketKey("c", 1)
	open := &conversation.OpenTicket{Article: conversation.Article{ID: "wamid.a/b=="}}
	b.update(func(tx *store.Tx) error {
		if err := tx.SaveConversation(conversation.State{ID: "c", Epoch: 1, Open: true}, start); err != nil {
			return err
		}
		for _, wamid := range []string{"wamid.a/b==", "w2", "aside"} {
			if err := tx.AddMessage(store.Message{WAMID: wamid, Conversation: "c", Type: "text", ReceivedAt: start}); err != nil {
				return err
			}
		}
		return tx.AddEffects("c", []conversation.Effect{
			{Key: ticketKey, Kind: conversation.KindOpenTicket, Epoch: 1, OpenTicket: open},
			{Key: conversation.ArticleKey("w2"), Kind: conversation.KindAddArticle, Epoch: 1, AddArticle: &conversation.Article{ID: "w2"}},
		}, start)
	})
	if status, _ := b.do(http.MethodGet, "/v1/messages/unknown", "api", "", ""); status != http.StatusNotFound {
		t.Errorf("an unknown message: status %d", status)
	}
	first := wire.Message{ID: "wamid.a/b==", Type: "text", ReceivedAt: start, State: wire.MessageWaiting}
	if diff := cmp.Diff(first, b.message("wamid.a%2Fb==")); diff != "" {
		t.Errorf("before the helpdesk was called (-want +got):\n%s", diff)
	}
	if got := b.message("aside").State; got != wire.MessageRecorded {
		t.Errorf("a message without a ticket is %s", got)
	}

	b.finish(ticketKey, store.EffectDone, "7", "")
	first.State, first.Ticket = wire.MessageOnTicket, "7"
	if diff := cmp.Diff(first, b.message("wamid.a%2Fb==")); diff != "" {
		t.Errorf("on the ticket (-want +got):\n%s", diff)
	}
	second := wire.Message{ID: "w2", Type: "text", ReceivedAt: start, State: wire.MessageWaiting, Ticket: "7"}
	if diff := cmp.Diff(second, b.message("w2")); diff != "" {
		t.Errorf("an article that waits (-want +got):\n%s", diff)
	}
	b.finish(conversation.ArticleKey("w2"), store.EffectDead, "", "the helpdesk refuses")
	second.State, second.Error = wire.MessageDeadLetter, "the helpdesk refuses"
	if diff := cmp.Diff(second, b.message("w2")); diff != "" {
		t.Errorf("a dead letter (-want +got):\n%s", diff)
	}
}

// finish ends an effect.
func (b *bench) finish(key string, state store.EffectState, remoteID, why string) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		e, _, err := tx.EffectByKey(key)
		if err != nil {
			return err
		}
		_, err = tx.FinishEffect(e, state, remoteID, why, start)
		return err
	})
}

func TestTheListSaysHowLongATicketCanBeAnswered(t *testing.T) {
	b := newBench(t)
	b.open()
	_, answer := b.do(http.MethodGet, "/v1/tickets", "api", "", "")
	var list wire.Tickets
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Tickets) != 1 || list.Tickets[0].WindowEndsAt == nil || !list.Tickets[0].WindowEndsAt.Equal(start.AddDate(0, 0, 1)) {
		t.Errorf("the list: %+v", list.Tickets)
	}
}
