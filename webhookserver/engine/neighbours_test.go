package engine_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// field is a webhook of another field than messages, for the channel's number.
func field(name, value string) string {
	return `{"object":"whatsapp_business_account","entry":[{"id":"2","changes":[{"field":"` + name +
		`","value":{"metadata":{"phone_number_id":"1"},` + value + `}}]}]}`
}

func (b *bench) effectText(key string) (text string) {
	b.t.Helper()
	b.view(func(tx *store.Tx) error {
		e, found, err := tx.EffectByKey(key)
		switch {
		case !found:
		case e.OpenTicket != nil:
			text = e.OpenTicket.Article.Text
		case e.AddArticle != nil:
			text = string(e.AddArticle.Author) + ": " + e.AddArticle.Text
		}
		return err
	})
	return text
}

func TestACallOpensATicketAndTheWindow(t *testing.T) {
	b := newBench(t)
	call := func(id, event, direction string) string {
		return field("calls", `"calls":[{"id":"`+id+`","from":"1555","to":"1","event":"`+event+`","direction":"`+direction+`","timestamp":"1793613600"}]`)
	}
	b.process(call("c1", "connect", "USER_INITIATED"), call("c1", "connect", "USER_INITIATED"), call("c1", "terminate", "USER_INITIATED"), call("c2", "connect", "BUSINESS_INITIATED"))
	s := b.conversationOf("c1")
	if s.Epoch != 1 || !s.Open || s.LastMessageAt.Unix() != 1793613600 {
		t.Errorf("the conversation: %+v", s)
	}
	if got := b.effectText(conversation.TicketKey(s.ID, 1)); got != "The customer tried to call this number with WhatsApp." {
		t.Errorf("the ticket says %q", got)
	}
	b.view(func(tx *store.Tx) error {
		_, found, err := tx.Message("c2")
		if found {
			t.Error("a call of the business is taken for one of the customer")
		}
		records, err2 := tx.Records(0, 10)
		if len(records) != 3 {
			t.Errorf("%d records of 3 webhooks, one of them repeated", len(records))
		}
		return errors.Join(err, err2)
	})
}

func TestWhatIsWrittenInTheAppIsShownOnTheTicket(t *testing.T) {
	b := newBench(t)
	echo := func(id, to, rest string) string {
		return field("smb_message_echoes", `"message_echoes":[{"id":"`+id+`","from":"1",`+to+`,"timestamp":"1793613600",`+rest+`}]`)
	}
	plain := `"type":"text","text":{"body":"Hi"}`
	b.process(
		messages(text("w1", `"from":"1555","from_user_id":"US.1"`)),
		echo("e1", `"to":"1555"`, plain),
		echo("e2", `"to_user_id":"US.1"`, `"type":"edit","edit":{"original_message_id":"e1","message":{`+plain+`}}`),
		echo("e3", `"to":"1555"`, `"type":"revoke","revoke":{"original_message_id":"e1"}`),
		echo("e4", `"to":"1777"`, plain),
	)
	got := []string{b.effectText("e1/echo"), b.effectText("e2/echo"), b.effectText("e3/echo"), b.effectText("e4/echo")}
	want := []string{
		"note: Written to the customer in the WhatsApp Business app:\nHi",
		"note: A message to the customer was edited in the WhatsApp Business app. It now says:\nHi",
		"note: A message to the customer was deleted in the WhatsApp Business app.",
		"",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tickets say (-want +got):\n%s", diff)
	}
}
