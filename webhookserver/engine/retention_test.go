package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/engine"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// There is more than a transaction removes, and more than it looks at stays before that.
func TestRetainRemovesAllThatIsOldAndDone(t *testing.T) {
	b := newBench(t)
	ago := start.Add(-90*24*time.Hour - time.Hour)
	const customers = 350
	var open []string
	if err := b.store.Update(t.Context(), func(tx *store.Tx) error {
		for i := range customers {
			state := conversation.State{ID: fmt.Sprintf("c%03d", i), Epoch: 2, Open: i < 120}
			if state.Open {
				open = append(open, state.ID)
			}
			key := conversation.TicketKey(state.ID, 1)
			err := errors.Join(
				tx.SaveConversation(state, ago),
				tx.AddMessage(store.Message{WAMID: state.ID, Conversation: state.ID, SentAt: ago, ReceivedAt: ago}),
				tx.AddEffects(state.ID, []conversation.Effect{{Key: key, Kind: conversation.KindOpenTicket, Epoch: 1}}, ago),
			)
			e, _, err2 := tx.EffectByKey(key)
			if err := errors.Join(err, err2, tx.ConfirmEffect(e, "", ago)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		days int
		want int64
	}{
		{0, 0},
		{91, 0},
		// Messages, how their tickets were opened, and the conversations that are not open.
		{90, customers + customers + customers - int64(len(open))},
		{90, 0},
	} {
		removed, err := engine.Retain(t.Context(), b.store, tc.days, start)
		if err != nil || removed != tc.want {
			t.Errorf("with %d days, %d were removed, want %d: %v", tc.days, removed, tc.want, err)
		}
	}
	b.view(func(tx *store.Tx) error {
		left, err := tx.OldConversations(start, "", customers)
		if diff := cmp.Diff(open, left); diff != "" {
			t.Errorf("what is left (-want +got):\n%s", diff)
		}
		return err
	})
}
