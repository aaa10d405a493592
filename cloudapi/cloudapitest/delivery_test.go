package cloudapitest_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
)

func TestCustomersMessagesAreDelivered(t *testing.T) {
	w := newWorld(t)
	w.connect(t)
	erika := w.Customer("+49 151 23456789", "Erika")
	id := erika.Says(w.number, "Grüße/hello 😀")
	w.settle(t)
	got := w.receiver.messages()
	if len(got) != 1 {
		t.Fatalf("%d messages arrived", len(got))
	}
	m := got[0]
	if m.ID != id || m.From != "4915123456789" || m.FromUserID != erika.UserID() || m.Text.Body != "Grüße/hello 😀" || !m.Timestamp.Equal(w.clock.Now()) {
		t.Errorf("message %+v", m)
	}
	value := w.receiver.payloads[0].Entries[0].Changes[0].Value
	contact, found := value.ContactOf(m)
	if !found || contact.Name != "Erika" || contact.WAID != "4915123456789" {
		t.Errorf("contact %+v", contact)
	}
	if value.Metadata.PhoneNumberID != w.number || value.Metadata.DisplayPhoneNumber != "16315551111" {
		t.Errorf("metadata %+v", value.Metadata)
	}
	body := string(w.receiver.bodies[0])
	if !strings.Contains(body, `Gr\u00fc\u00dfe\/hello \ud83d\ude00`) {
		t.Errorf("the body is not escaped as Meta does: %s", body)
	}

	erika.AdoptUsername("erika.m").Says(w.number, "hidden")
	w.settle(t)
	m = w.receiver.messages()[1]
	contact, _ = w.receiver.payloads[1].Entries[0].Changes[0].Value.ContactOf(m)
	if m.From != "" || m.FromUserID != erika.UserID() || contact.Username != "erika.m" || contact.WAID != "" {
		t.Errorf("message of a hidden number: %+v, %+v", m, contact)
	}
}

func TestOnlySubscribedAppsGetWebhooks(t *testing.T) {
	w := newWorld(t)
	says := func(text string) { w.Customer("+49 151 1", "").Says(w.number, text); w.settle(t) }
	says("before anything")
	w.SubscribeApp(w.app.ID, w.receiver.URL+"/app", "account_update")
	must(t, w.client.SubscribeApp(t.Context(), w.token, w.account))
	says("without the field")
	w.SubscribeApp(w.app.ID, w.receiver.URL+"/app")
	says("to the app")
	w.SetOverride(w.number, w.app.ID, w.receiver.URL+"/number")
	says("to the number")
	var texts []string
	for _, m := range w.receiver.messages() {
		texts = append(texts, m.Text.Body)
	}
	if want := []string{"to the app", "to the number"}; !slices.Equal(texts, want) {
		t.Errorf("%q arrived, want %q", texts, want)
	}
	var states []string
	for _, d := range w.Deliveries() {
		state := d.State
		if len(d.Attempts) > 0 {
			state += strings.TrimPrefix(d.Attempts[0].URL, w.receiver.URL)
		}
		states = append(states, state)
	}
	if want := []string{"nowhere", "nowhere", "accepted/app", "accepted/number"}; !slices.Equal(states, want) {
		t.Errorf("deliveries %q, want %q", states, want)
	}
}

func TestWebhooksAreDeliveredAgainForSevenDays(t *testing.T) {
	w := newWorld(t)
	w.connect(t)
	w.receiver.status = slices.Repeat([]int{503}, 100)
	w.Customer("+49 151 1", "").Says(w.number, "hello")
	start := w.clock.Now()
	var last time.Duration
	var gaps []time.Duration
	for range 100 {
		w.settle(t)
		d := w.Deliveries()[0]
		if d.State == cloudapitest.DeliveryDropped {
			break
		}
		if gap := d.Due.Sub(w.clock.Now()); gap > 0 {
			gaps = append(gaps, gap)
		}
		w.clock.SetTime(d.Due)
		last = d.Due.Sub(start)
	}
	d := w.Deliveries()[0]
	if d.State != cloudapitest.DeliveryDropped || len(d.Attempts) != len(cloudapitest.DefaultRetrySchedule())+1 {
		t.Fatalf("delivery %s after %d attempts", d.State, len(d.Attempts))
	}
	if last < 6*24*time.Hour || last > 7*24*time.Hour {
		t.Errorf("the last attempt is after %v", last)
	}
	if !slices.IsSorted(gaps) {
		t.Errorf("the frequency does not fall: %v", gaps)
	}
	if len(w.receiver.messages()) != 0 {
		t.Error("a refused message counts as received")
	}
}

func TestWebhooksArriveAfterAnOutage(t *testing.T) {
	w := newWorld(t, cloudapitest.WithRetrySchedule(time.Minute, time.Hour))
	w.connect(t)
	// 201 is not a success either.
	w.receiver.status = []int{500, 201}
	w.Customer("+49 151 1", "").Says(w.number, "first")
	w.settle(t)
	w.Customer("+49 151 1", "").Says(w.number, "second")
	w.settle(t)
	for range 2 {
		w.clock.Step(time.Hour)
		w.settle(t)
	}
	got := map[string]bool{}
	for _, m := range w.receiver.messages() {
		got[m.Text.Body] = true
	}
	if len(got) != 2 {
		t.Errorf("arrived: %v", got)
	}
}

func TestRetriesFollowAChangeOfTheCallbackURL(t *testing.T) {
	w := newWorld(t, cloudapitest.WithRetrySchedule(time.Minute))
	w.connect(t)
	w.SetOverride(w.number, w.app.ID, "https://127.0.0.1:1/gone")
	w.Customer("+49 151 1", "").Says(w.number, "hello")
	w.settle(t)
	w.SetOverride(w.number, w.app.ID, w.receiver.URL)
	w.clock.Step(time.Minute)
	w.settle(t)
	if len(w.receiver.messages()) != 1 {
		t.Errorf("deliveries %+v", w.Deliveries())
	}
}

func TestDuplicatesOrderAndBatches(t *testing.T) {
	w := newWorld(t)
	w.connect(t)
	write := func() {
		w.Hold()
		for i := range 7 {
			w.Customer(fmt.Sprintf("+49 151 %d", i), "").Says(w.number, fmt.Sprint(i))
		}
		w.settle(t)
		if len(w.receiver.messages()) != 0 {
			t.Fatal("a held message arrived")
		}
		w.Release()
		w.settle(t)
	}
	texts := func() string {
		var all []string
		for _, m := range w.receiver.messages() {
			all = append(all, m.Text.Body)
		}
		w.receiver.mu.Lock()
		defer w.receiver.mu.Unlock()
		w.receiver.payloads = nil
		return strings.Join(all, "")
	}
	w.SetDeliveryMode(cloudapitest.DeliveryMode{BatchSize: 3, Order: cloudapitest.Reverse})
	write()
	if n := len(w.receiver.payloads); n != 3 {
		t.Errorf("%d webhooks, want 3", n)
	}
	if got := texts(); got != "6543210" {
		t.Errorf("order %s", got)
	}
	w.SetDeliveryMode(cloudapitest.DeliveryMode{Duplicates: 2})
	write()
	if got := texts(); got != "000111222333444555666" {
		t.Errorf("order %s", got)
	}
	w.SetDeliveryMode(cloudapitest.DeliveryMode{Order: rand.New(rand.NewPCG(1, 2)).Shuffle})
	write()
	if got := texts(); len(got) != 7 || got == "0123456" {
		t.Errorf("order %s", got)
	}
	w.SetDeliveryMode(cloudapitest.DeliveryMode{})
	w.Customer("+49 151 1", "").Says(w.number, "later")
	w.settle(t)
	if got := texts(); got != "later" {
		t.Errorf("after the release %q arrived", got)
	}
}

func TestSendMessage(t *testing.T) {
	w := newWorld(t)
	w.connect(t)
	erika := w.Customer("+49 151 23456789", "Erika")
	question := erika.Says(w.number, "Hello?")
	sent, err := w.client.SendMessage(t.Context(), w.token, w.number, cloudapi.Message{
		To: "49 151 23456789", Text: &cloudapi.Text{Body: "Hi!"}, ReplyTo: question, BizOpaqueCallbackData: "effect-1",
	})
	must(t, err)
	w.settle(t)
	received := erika.Received()
	if len(received) != 1 || received[0].ID != sent.ID || received[0].Text != "Hi!" || received[0].ReplyTo != question || sent.WAID != "4915123456789" {
		t.Errorf("sent %+v, received %+v", sent, received)
	}
	w.ReportStatus(sent.ID, webhook.StatusRead)
	w.ReportFailure(sent.ID, 131026)
	w.settle(t)
	statuses := w.receiver.statuses()
	var kinds []string
	for _, s := range statuses {
		kinds = append(kinds, s.Status)
		if s.ID != sent.ID || s.RecipientID != "4915123456789" || s.BizOpaqueCallbackData != "effect-1" {
			t.Errorf("status %+v", s)
		}
		if (s.RecipientUserID == "") != (s.Status == webhook.StatusFailed) {
			t.Errorf("status %s names the user id %q", s.Status, s.RecipientUserID)
		}
	}
	if want := []string{"sent", "delivered", "read", "failed"}; !slices.Equal(kinds, want) {
		t.Fatalf("statuses %q, want %q", kinds, want)
	}
	if errors := statuses[3].Errors; len(errors) != 1 || errors[0].Code != 131026 {
		t.Errorf("errors %+v", errors)
	}

	bsuid, err := w.client.SendMessage(t.Context(), w.token, w.number, cloudapi.Message{Recipient: erika.UserID(), Text: &cloudapi.Text{Body: "again"}})
	must(t, err)
	if bsuid.UserID != erika.UserID() || bsuid.WAID != "" || len(erika.Received()) != 2 {
		t.Errorf("sent %+v", bsuid)
	}
}

func TestSendAfterEffectLosesOnlyTheAnswer(t *testing.T) {
	w := newWorld(t)
	w.connect(t)
	w.Fail(cloudapitest.Failure{Endpoint: cloudapitest.PostMessages, CloseConnection: true, AfterEffect: true, Times: 1})
	_, err := w.client.SendMessage(t.Context(), w.token, w.number, cloudapi.Message{
		To: "+4915123456789", Text: &cloudapi.Text{Body: "x"}, BizOpaqueCallbackData: "effect-2",
	})
	if err == nil || cloudapi.NotSent(err) {
		t.Errorf("NotSent(%v) = true", err)
	}
	w.settle(t)
	statuses := w.receiver.statuses()
	if len(w.Sent()) != 1 || len(statuses) != 2 || statuses[0].BizOpaqueCallbackData != "effect-2" {
		t.Errorf("%d sent, statuses %+v", len(w.Sent()), statuses)
	}
}

func TestCustomerServiceWindow(t *testing.T) {
	w := newWorld(t)
	w.EnforceWindow(true)
	erika := w.Customer("+49 151 23456789", "")
	send := func() error {
		_, err := w.client.SendMessage(t.Context(), w.token, w.number, cloudapi.Message{To: erika.Phone(), Text: &cloudapi.Text{Body: "x"}})
		return err
	}
	wantClass(t, "never written", send(), cloudapi.ClassWindowClosed)
	erika.Says(w.number, "hello")
	w.clock.Step(24 * time.Hour)
	must(t, send())
	w.clock.Step(time.Second)
	wantClass(t, "after 24 hours", send(), cloudapi.ClassWindowClosed)
}

func TestNumbersThatCannotSend(t *testing.T) {
	w := newWorld(t)
	send := func(to string) error {
		_, err := w.client.SendMessage(t.Context(), w.token, w.number, cloudapi.Message{To: to, Text: &cloudapi.Text{Body: "x"}})
		return err
	}
	wantClass(t, "to itself", send("+1 631-555-1111"), cloudapi.ClassUndeliverable)
	wantClass(t, "too short", send("+1 63"), cloudapi.ClassInvalidRequest)
	w.AddPhoneNumber(cloudapitest.PhoneNumber{ID: w.number, BusinessAccountID: w.account, Status: "PENDING"})
	wantClass(t, "not connected", send("+4915123456789"), cloudapi.ClassNotRegistered)
}

func TestPostSignsAnyBody(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Post(t.Context(), w.number, []byte(`{}`)); err == nil {
		t.Error("a body was posted without a subscription")
	}
	w.connect(t)
	status, err := w.Post(t.Context(), w.number, []byte(`{"object":"whatsapp_business_account","entry":[]}`))
	if err != nil || status != 200 || len(w.receiver.bodies) != 1 {
		t.Errorf("status %d, %v", status, err)
	}
}

func TestCloseEndsDeliveriesUnderWay(t *testing.T) {
	w := newWorld(t, cloudapitest.WithRetrySchedule(time.Hour))
	w.connect(t)
	w.receiver.status = []int{500}
	w.Customer("+49 151 1", "").Says(w.number, "waits for its next attempt")
	w.settle(t)
	for i := range 50 {
		w.Customer("+49 151 1", "").Says(w.number, fmt.Sprint(i))
	}
	w.Close()
	w.Customer("+49 151 1", "").Says(w.number, "too late")
}
