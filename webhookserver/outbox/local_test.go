package outbox_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/outbox"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// nearby is a destination in the store, where each call leaves a record, and after it may fail.
type nearby struct {
	*caller
	data store.Data
	fail map[string]error
}

func (n nearby) Within(data store.Data) outbox.Caller {
	n.data = data
	return n
}

func (n nearby) Call(ctx context.Context, e store.Effect, state conversation.State) (string, error) {
	if n.data == nil {
		return n.caller.Call(ctx, e, state)
	}
	if err := n.data.Update(ctx, func(tx *store.Tx) error {
		return tx.AddRecord(store.Record{ReceivedAt: start, Field: e.Key})
	}); err != nil {
		return "", err
	}
	return "near " + e.Key, n.fail[e.Key]
}

func TestCallsToTheStoreItselfAreMadeWithinATransaction(t *testing.T) {
	b := newBench(t)
	b.instead = nearby{caller: &b.helpdesk, fail: map[string]error{"2": fail(outbox.Refused)}}
	b.helpdesk.answer = func(int, store.Effect) error { return fail(outbox.Refused) }
	keys := []string{"1", "2", "3", "4"}
	b.customer("d")
	b.update(func(tx *store.Tx) error {
		article := func(key string) conversation.Effect {
			return conversation.Effect{Key: key, Kind: conversation.KindAddArticle, Epoch: 1}
		}
		// The first of each conversation are taken in one transaction.
		return errors.Join(
			tx.AddEffects("c", []conversation.Effect{article("1"), article("3")}, start),
			tx.AddEffects("d", []conversation.Effect{article("2"), article("4")}, start),
		)
	})
	b.run()
	b.becomes("3", store.EffectDone)
	b.becomes("4", store.EffectDone)
	var left []string
	for _, key := range keys {
		e := b.effect(key)
		left = append(left, e.RemoteID+e.Error)
	}
	b.update(func(tx *store.Tx) error {
		records, err := tx.Records(0, 10)
		for _, r := range records {
			left = append(left, "record of "+r.Field)
		}
		return err
	})
	// What failed there left nothing behind, and was called as any other destination, which can say what to do about it.
	if diff := cmp.Diff([]string{"near 1", "the reason", "near 3", "near 4", "record of 1", "record of 3", "record of 4"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2"}, b.helpdesk.made()); diff != "" {
		t.Errorf("called outside (-want +got):\n%s", diff)
	}
}
