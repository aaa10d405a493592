package view_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/view"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *time.Time { return new(now.Add(-d)) }

// channel is a channel that its admin registers, with everything as it should be.
func channel(change func(*v1alpha1.WhatsAppChannel)) *v1alpha1.WhatsAppChannel {
	c := &v1alpha1.WhatsAppChannel{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "helpdesk", Name: "support", Generation: 2, CreationTimestamp: metav1.Time{Time: now.AddDate(0, 0, -3)},
		},
		Spec: v1alpha1.WhatsAppChannelSpec{BusinessAccountID: "102290129340398", TargetGroup: "2nd Level", PhoneNumber: "+1 631 555 1111"},
		Status: v1alpha1.WhatsAppChannelStatus{
			CallbackURL: "https://wa.example.com/helpdesk/support",
			App:         &v1alpha1.AppStatus{ID: "670843887433847"},
			PhoneNumber: &v1alpha1.PhoneNumberStatus{
				ID: "106540352242922", DisplayPhoneNumber: "+1 631-555-1111", VerifiedName: "Support", QualityRating: "GREEN",
			},
		},
	}
	for _, condition := range []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonReady, Message: "Customers' messages arrive as tickets, and replies go out."},
		{Type: v1alpha1.ConditionCredentialsValid, Reason: v1alpha1.ReasonAccepted, Message: "Meta accepts the access token and the app secret."},
		{Type: v1alpha1.ConditionPhoneNumberReady, Reason: v1alpha1.ReasonConnected, Message: "The number can send and receive."},
		{Type: v1alpha1.ConditionReceiverAvailable, Reason: v1alpha1.ReasonAvailable, Message: "The receiver takes webhooks."},
		{Type: v1alpha1.ConditionWebhookRegistered, Reason: v1alpha1.ReasonRegistered, Message: "Meta calls this channel for this number."},
	} {
		condition.Status, condition.ObservedGeneration = metav1.ConditionTrue, c.Generation
		c.Status.Conditions = append(c.Status.Conditions, condition)
	}
	if change != nil {
		change(c)
	}
	return c
}

// fail makes a condition, and Ready with it, False.
func fail(c *v1alpha1.WhatsAppChannel, conditionType, reason, message string) {
	for i := range c.Status.Conditions {
		if t := c.Status.Conditions[i].Type; t == conditionType || t == v1alpha1.ConditionReady {
			c.Status.Conditions[i].Status, c.Status.Conditions[i].Reason, c.Status.Conditions[i].Message = metav1.ConditionFalse, reason, message
		}
	}
}

const pasteThis = "Paste the callback URL https://wa.example.com/helpdesk/support at Meta."

func unregistered(c *v1alpha1.WhatsAppChannel) {
	fail(c, v1alpha1.ConditionWebhookRegistered, v1alpha1.ReasonNotRegistered, pasteThis)
}

func inZammad(c *v1alpha1.WhatsAppChannel) {
	c.Spec.Helpdesk.Zammad = &v1alpha1.ZammadHelpdesk{URL: "https://zammad.example.com"}
}

func withoutReceiver(c *v1alpha1.WhatsAppChannel) {
	unregistered(c)
	fail(c, v1alpha1.ConditionReceiverAvailable, v1alpha1.ReasonUnschedulable, "No node takes the receiver: 0/3 nodes are available.")
}

// working is a receiver that has something to do.
func working() *config.Status {
	return &config.Status{
		Version: "1.2.3", PhoneNumberID: "106540352242922", LastMessageTime: before(5 * time.Minute), LastWebhookTime: before(time.Minute),
		LastHandshakeTime: before(48 * time.Hour), Backlog: 1, PendingEffects: 2,
		Helpdesk: &config.HelpdeskStatus{Kind: "inbox", Ready: true},
	}
}

func troubled() *config.Status {
	s := working()
	s.DeadLetters, s.Quarantined, s.SendingError = 3, 1, "Meta refuses the access token."
	s.Helpdesk = &config.HelpdeskStatus{Kind: "zammad", Version: "6.5.2", URL: "https://zammad.example.com", Message: "There is no group 2nd Level."}
	return s
}

var tickets = []wire.Ticket{
	{
		ID: 12, Conversation: "C1", Title: "Erika Mustermann (+12025550143) via WhatsApp", Group: "2nd Level", State: "open",
		Customer:  wire.Customer{Name: "Erika\x1b[2J Mustermann", Phone: "12025550143", UserID: "US.1"},
		CreatedAt: *before(time.Hour), UpdatedAt: *before(time.Minute), WindowEndsAt: new(now.Add(20 * time.Hour)),
	},
	{ID: 7, Conversation: "C2", State: "closed", Customer: wire.Customer{UserID: "US.2"}, CreatedAt: *before(72 * time.Hour),
		UpdatedAt: *before(48 * time.Hour), WindowEndsAt: before(24 * time.Hour)},
}

func full() wire.Ticket {
	t := tickets[0]
	t.Articles = []wire.Article{
		{Author: "customer", Text: "Hello!\nSee the picture.\x1b]0;owned\a", WrittenAt: *before(time.Hour), Attachments: []wire.Attachment{
			{Kind: "image", Name: "jar.jpg", Size: 120 << 10, State: "kept", Path: "/v1/…"},
			{Kind: "document", Name: "bill.pdf", State: "pending"},
			{Kind: "video", Name: "film.mp4", State: "failed", Reason: "WhatsApp no longer has the file."},
		}},
		{Author: "channel", Text: "Thanks for writing.", WrittenAt: *before(59 * time.Minute), Delivery: &wire.Delivery{State: "read"}},
		{Author: "agent", Text: "We are on it.", WrittenAt: *before(time.Minute), Delivery: &wire.Delivery{State: "failed", Reason: "The number is not on WhatsApp."}},
	}
	return t
}

// Each case is compared with testdata/<name>.txt.
func TestWhatIsShown(t *testing.T) {
	status := func(c *v1alpha1.WhatsAppChannel, r *config.Status, problem string) func(io.Writer) error {
		return func(w io.Writer) error { return view.StatusOf(c, r, problem).Write(w, now) }
	}
	setup := func(c *v1alpha1.WhatsAppChannel, token string) func(io.Writer) error {
		return func(w io.Writer) error {
			s := view.SetupOf(c)
			s.VerifyToken = token
			return s.Write(w)
		}
	}
	automatic := func(c *v1alpha1.WhatsAppChannel) {
		withoutReceiver(c)
		c.Spec.Callback.Registration = v1alpha1.RegistrationAutomatic
	}
	mirrored := func(c *v1alpha1.WhatsAppChannel) {
		c.Status.Receiver = &v1alpha1.ReceiverStatus{Backlog: new(int64(4)), DeadLetters: new(int64(1)), LastMessageTime: &metav1.Time{Time: *before(time.Hour)}}
	}
	list := []view.Status{view.StatusOf(channel(mirrored), nil, ""), view.StatusOf(channel(unregistered), nil, "")}
	for name, write := range map[string]func(io.Writer) error{
		"status-ready":        status(channel(nil), working(), ""),
		"status-troubled":     status(channel(inZammad), troubled(), ""),
		"status-unregistered": status(channel(unregistered), working(), ""),
		"status-unasked":      status(channel(mirrored), nil, "no receiver runs"),
		"status-new":          status(channel(func(c *v1alpha1.WhatsAppChannel) { c.Status = v1alpha1.WhatsAppChannelStatus{} }), nil, ""),
		"status-changed":      status(channel(func(c *v1alpha1.WhatsAppChannel) { c.Generation++ }), working(), ""),
		"setup-paste":         setup(channel(unregistered), "0f5c0e2e"),
		"setup-too-early":     setup(channel(withoutReceiver), "0f5c0e2e"),
		"setup-registered":    setup(channel(nil), "0f5c0e2e"),
		"setup-automatic":     setup(channel(automatic), ""),
		"channels":            func(w io.Writer) error { return view.Channels(w, list, now, false, false) },
		"channels-all-wide":   func(w io.Writer) error { return view.Channels(w, list, now, true, true) },
		"tickets":             func(w io.Writer) error { return view.Tickets(w, "support", tickets, now, false) },
		"tickets-wide":        func(w io.Writer) error { return view.Tickets(w, "support", tickets, now, true) },
		"ticket":              func(w io.Writer) error { return view.Ticket(w, "support", full(), now) },
		"dead-letters": func(w io.Writer) error {
			return view.DeadLetters(w, []wire.DeadLetter{{ID: 3, Kind: "send-text", Destination: "graph", Attempts: 9, CreatedAt: *before(time.Hour), Error: "refused"}}, now, false)
		},
		"quarantine": func(w io.Writer) error {
			return view.Quarantine(w, []wire.Quarantined{{ID: 4, Reason: "other-number", Detail: "another phone number ID", Body: "{}", ReceivedAt: *before(time.Hour)}}, now, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got), `go test ./plugin/view -update` writes what is shown now:\n%s", diff)
			}
		})
	}
}

func TestWhatToDoNext(t *testing.T) {
	held := func(c *v1alpha1.WhatsAppChannel) { fail(c, "", v1alpha1.ReasonHeld, "Delivery is held.") }
	expiring := func(c *v1alpha1.WhatsAppChannel) {
		c.Status.Conditions[1].Reason, c.Status.Conditions[1].Message = v1alpha1.ReasonTokenExpiring, "The token ends in 3 days."
	}
	for name, tc := range map[string]struct {
		status view.Status
		want   []string
	}{
		"nothing":       {view.StatusOf(channel(nil), working(), ""), []string{}},
		"paste":         {view.StatusOf(channel(unregistered), working(), ""), []string{"Register the callback URL at Meta: kubectl whatsapp setup support -n helpdesk"}},
		"what blocks":   {view.StatusOf(channel(withoutReceiver), nil, "no receiver runs"), []string{"No node takes the receiver: 0/3 nodes are available."}},
		"held":          {view.StatusOf(channel(held), working(), ""), []string{"Set spec.delivery to Active, or remove it, when messages may be passed on again."}},
		"a token's end": {view.StatusOf(channel(expiring), working(), ""), []string{"The token ends in 3 days."}},
		"much": {view.StatusOf(channel(nil), troubled(), ""), []string{
			"Messages cannot be sent to customers: Meta refuses the access token.",
			"Tickets cannot be opened: There is no group 2nd Level.",
			"Look at what was given up, and try it again: kubectl whatsapp dead-letters support -n helpdesk",
			"Look at the webhooks that could not be processed: kubectl whatsapp quarantine list support -n helpdesk",
		}},
	} {
		if diff := cmp.Diff(tc.want, tc.status.Next); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
