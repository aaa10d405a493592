package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func ticketLinks(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	link := func(helpdesk, ticket string, epoch int, into string, open bool) store.TicketLink {
		return store.TicketLink{Helpdesk: helpdesk, Ticket: ticket, Conversation: "c1", Epoch: epoch, MergedInto: into, Open: open}
	}
	update(t, s, func(tx *store.Tx) error {
		return errors.Join(
			tx.LinkTicket(link("one", "7", 1, "", true)), tx.LinkTicket(link("one", "7", 1, "8", false)),
			tx.LinkTicket(link("one", "8", 1, "", true)), tx.LinkTicket(link("one", "10", 2, "11", false)),
			tx.LinkTicket(link("one", "11", 3, "10", false)), tx.LinkTicket(link("two", "7", 1, "", false)),
		)
	})
	view(t, s, func(tx *store.Tx) error {
		for _, want := range []struct {
			helpdesk string
			epoch    int
			ticket   string
		}{{"one", 1, "8"}, {"two", 1, "7"}, {"one", 4, ""}, {"three", 1, ""}, {"one", 2, ""}} {
			got, found, err := tx.TicketOf(want.helpdesk, "c1", want.epoch)
			if err != nil || found != (want.ticket != "") || (found && got.Ticket != want.ticket) {
				t.Errorf("the ticket %d in %s is %+v, %v, %v", want.epoch, want.helpdesk, got, found, err)
			}
		}
		got, found, err := tx.TicketLink("one", "7")
		if diff := cmp.Diff(link("one", "7", 1, "8", false), got); !found || diff != "" {
			t.Errorf("found %v (-want +got):\n%s", found, diff)
		}
		open, err2 := tx.OpenLinks("one", "", 10)
		rest, err3 := tx.OpenLinks("one", "8", 10)
		if diff := cmp.Diff([]string{"8"}, open); diff != "" || len(rest) != 0 {
			t.Errorf("open, and %q after it (-want +got):\n%s", rest, diff)
		}
		return errors.Join(err, err2, err3)
	})
	update(t, s, func(tx *store.Tx) error { return tx.UnlinkTicket("one", "8") })
	view(t, s, func(tx *store.Tx) error {
		_, found, err := tx.TicketOf("one", "c1", 1)
		if found {
			t.Error("a ticket that is gone still stands for one that was merged into it")
		}
		return err
	})
}

func agentArticles(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	for _, want := range []bool{true, false} {
		update(t, s, func(tx *store.Tx) error {
			fresh, err := tx.AddAgentArticle("one", "70", "c1", "c1/reply/1")
			if fresh != want {
				t.Errorf("it is new: %v, want %v", fresh, want)
			}
			return err
		})
	}
	view(t, s, func(tx *store.Tx) error {
		one, err := tx.AgentArticle("one", "c1/reply/1")
		other, err2 := tx.AgentArticle("two", "c1/reply/1")
		taken, err3 := tx.HasAgentArticle("one", "70")
		elsewhere, err4 := tx.HasAgentArticle("two", "70")
		if one != "70" || other != "" || !taken || elsewhere {
			t.Errorf("the article is %q in one, %q in two; taken %v, %v", one, other, taken, elsewhere)
		}
		return errors.Join(err, err2, err3, err4)
	})
	// What agents did is known as long as the conversation, and no longer.
	update(t, s, func(tx *store.Tx) error {
		if err := tx.LinkTicket(store.TicketLink{Helpdesk: "one", Ticket: "7", Conversation: "c1", Epoch: 1}); err != nil {
			return err
		}
		if err := tx.SaveConversation(conversation.State{ID: "c1", Epoch: 1}, At); err != nil {
			return err
		}
		removed, err := tx.ExpireConversations([]string{"c1"}, At.Add(time.Hour))
		if removed != 1 {
			t.Errorf("removed %d conversations", removed)
		}
		return err
	})
	view(t, s, func(tx *store.Tx) error {
		taken, err := tx.HasAgentArticle("one", "70")
		_, linked, err2 := tx.TicketLink("one", "7")
		if taken || linked {
			t.Errorf("after its conversation, the article is known: %v, the ticket: %v", taken, linked)
		}
		return errors.Join(err, err2)
	})
}

func swaps(t *testing.T, opener Opener) {
	s := open(t, opener)
	for _, step := range []struct {
		expected, value string
		want            bool
	}{{"", "a", true}, {"", "b", false}, {"b", "c", false}, {"a", "", true}, {"", "d", true}} {
		update(t, s, func(tx *store.Tx) error {
			swapped, err := tx.SwapMeta("note", step.expected, step.value)
			if swapped != step.want {
				t.Errorf("%q for %q: %v", step.value, step.expected, swapped)
			}
			return err
		})
	}
	view(t, s, func(tx *store.Tx) error {
		value, err := tx.Meta("note")
		if value != "d" {
			t.Errorf("it is %q", value)
		}
		return err
	})
}

func files(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	fetch := func(name string) conversation.Effect {
		return conversation.Effect{
			Key: conversation.MediaKey(name), Kind: conversation.KindFetchMedia, Epoch: 1,
			FetchMedia: &conversation.FetchMedia{ArticleID: name, MediaID: "5", File: conversation.File{ID: name}},
		}
	}
	update(t, s, func(tx *store.Tx) error {
		return tx.AddEffects("c1", []conversation.Effect{fetch("gone"), fetch("waits"), {
			Key: "r1/upload/1", Kind: conversation.KindUploadMedia, Epoch: 1, UploadMedia: &conversation.UploadMedia{File: conversation.File{ID: "sent"}},
		}}, At)
	})
	update(t, s, func(tx *store.Tx) error {
		e, _, err := tx.EffectByKey(conversation.MediaKey("gone"))
		if err != nil {
			return err
		}
		_, err = tx.FinishEffect(e, store.EffectGivenUp, "", "it is damaged", At)
		return err
	})
	view(t, s, func(tx *store.Tx) error {
		for id, want := range map[string]conversation.AttachmentState{
			"gone": conversation.AttachmentFailed, "waits": conversation.AttachmentPending, "sent": conversation.AttachmentKept, "other": "",
		} {
			got, found, err := tx.FileOf("c1", id)
			if err != nil || found != (want != "") || got.State != want || (id == "gone" && got.Reason != "it is damaged") {
				t.Errorf("the file %s is %+v, %v, %v", id, got, found, err)
			}
			if _, found, err := tx.FileOf("c2", id); err != nil || found {
				t.Errorf("another conversation has the file %s: %v, %v", id, found, err)
			}
		}
		return nil
	})
}
