package zammad_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

func TestCheck(t *testing.T) {
	for _, one := range []struct {
		name    string
		disturb func(*world, *zammad.Options)
		ready   bool
		reason  string
		says    string
	}{
		{"all well", func(*world, *zammad.Options) {}, true, helpdesk.ReasonReady, `in the group "2nd Level"`},
		{"no token", func(_ *world, o *zammad.Options) { o.Token = "" }, false, helpdesk.ReasonTokenMissing, "put one into the Secret"},
		{"a wrong token", func(_ *world, o *zammad.Options) { o.Token = "wrong" }, false, helpdesk.ReasonTokenRefused, "Create a new one"},
		{"a token without ticket.agent", func(w *world, o *zammad.Options) { o.Token = w.IssueToken(w.bot, "admin.webhook") }, false,
			helpdesk.ReasonPermissionMissing, "ticket.agent"},
		{"no such group", func(w *world, o *zammad.Options) {
			o.Group = "3rd Level"
			w.SetGroups(w.bot, w.group, w.AddGroup("Sales"))
		}, false, helpdesk.ReasonGroupNotFound, `"2nd Level", "Sales"`},
		{"the group is there for others", func(w *world, o *zammad.Options) {
			o.Group = "Sales"
			w.AddGroup("Sales")
			o.Token = w.IssueToken(w.bot, "ticket.agent", "admin.group")
		}, false, helpdesk.ReasonPermissionMissing, `lacks full access to the group "Sales"`},
		{"the server is down", func(w *world, _ *zammad.Options) { w.GoDown() }, false, helpdesk.ReasonUnreachable, "check that it runs"},
		{"nobody listens", func(_ *world, o *zammad.Options) { o.URL = "http://127.0.0.1:1" }, false, helpdesk.ReasonUnreachable, "No connection"},
		{"no permission for webhooks", func(w *world, o *zammad.Options) { o.Token = w.IssueToken(w.bot, "ticket.agent") }, false,
			helpdesk.ReasonEventsNotSetUp, channelName},
	} {
		t.Run(one.name, func(t *testing.T) {
			w := newWorld(t)
			w.connect(func(o *zammad.Options) { one.disturb(w, o) })
			health := w.desk.Check(t.Context())
			if health.Ready != one.ready || health.Reason != one.reason || !strings.Contains(health.Message, one.says) {
				t.Errorf("found %+v, want %s with %q", health, one.reason, one.says)
			}
			if again := w.desk.Check(t.Context()); again.Message != health.Message {
				t.Errorf("the message differs from check to check: %q", again.Message)
			}
			if strings.Contains(health.Message, w.token) || strings.Contains(health.Message, hookSecret) {
				t.Errorf("the message tells a secret: %s", health.Message)
			}
		})
	}
}

func TestCheckOfWhatIsNoZammad(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte("<html>Welcome</html>"))
	}))
	t.Cleanup(page.Close)
	w := newWorld(t)
	w.connect(func(o *zammad.Options) { o.URL = page.URL })
	if health := w.desk.Check(t.Context()); health.Ready || health.Reason != helpdesk.ReasonNotUnderstood {
		t.Errorf("found %+v", health)
	}
}

func TestTheTokenIsNotCarriedElsewhere(t *testing.T) {
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	t.Cleanup(elsewhere.Close)
	w := newWorld(t)
	front := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	t.Cleanup(front.Close)
	w.connect(func(o *zammad.Options) { o.URL = front.URL })
	if health := w.desk.Check(t.Context()); health.Ready || followed {
		t.Errorf("found %+v, followed %v", health, followed)
	}
}

func TestTheVersionIsShownWhereTheTokenMayKnowIt(t *testing.T) {
	w := newWorld(t, zammadtest.WithVersion("6.3.1"))
	if health := w.desk.Check(t.Context()); health.Version != "" || !health.Ready {
		t.Errorf("found %+v", health)
	}
	w.connect(func(o *zammad.Options) { o.Token = w.IssueToken(w.bot, "ticket.agent", "admin") })
	if health := w.desk.Check(t.Context()); health.Version != "6.3.1" {
		t.Errorf("found %+v", health)
	}
}

// names lists the names of hooks.
func names(hooks []zammadtest.Hook) string {
	var list []string
	for _, h := range hooks {
		list = append(list, h.Fields["name"].(string))
	}
	return strings.Join(list, "|")
}

func TestHooksAreCreatedOnceAndRepaired(t *testing.T) {
	w := newWorld(t)
	admin := &foreign{w}
	admin.webhook("somebody else's")
	for range 3 {
		w.desk.Check(t.Context())
	}
	triggers := channelName + " replies|" + channelName + " states"
	if names(w.Webhooks()) != "somebody else's|"+channelName || names(w.Triggers()) != triggers {
		t.Fatalf("webhooks %s, triggers %s", names(w.Webhooks()), names(w.Triggers()))
	}
	calls := w.Count(zammadtest.PutWebhook, zammadtest.PostWebhooks, zammadtest.PutTrigger, zammadtest.PostTriggers)
	if calls != 4 {
		t.Errorf("%d writes, with the one by somebody else", calls)
	}
	// A new address, as after a move of the receiver.
	w.connect(func(o *zammad.Options) { o.EventsURL = "https://wa.example.com/helpdesk/support/helpdesk" })
	w.desk.Check(t.Context())
	hooks := w.Webhooks()
	if hooks[1].Fields["endpoint"] != "https://wa.example.com/helpdesk/support/helpdesk" || hooks[0].Fields["endpoint"] != "https://else.example/" {
		t.Errorf("the webhooks are %+v", hooks)
	}
	// What Zammad would only call in vain is removed.
	w.connect(func(o *zammad.Options) { o.EventsURL = "" })
	w.desk.Check(t.Context())
	if names(w.Webhooks()) != "somebody else's" || names(w.Triggers()) != "" {
		t.Errorf("left are webhooks %s, triggers %s", names(w.Webhooks()), names(w.Triggers()))
	}
}

func TestChannelsOnOneZammadTouchOnlyTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.desk.Check(t.Context())
	w.connect(func(o *zammad.Options) { o.Installation = "cluster-2" })
	w.desk.Check(t.Context())
	w.connect(func(o *zammad.Options) { o.Name = "sales" })
	w.desk.Check(t.Context())
	w.connect(func(o *zammad.Options) { o.Name, o.EventsURL = "sales", "" })
	w.desk.Check(t.Context())
	if got, want := names(w.Webhooks()), channelName+"|whatsapp-operator cluster-2 helpdesk/support"; got != want {
		t.Errorf("webhooks %s, want %s", got, want)
	}
}

// foreign is an administrator who has nothing to do with the channel.
type foreign struct{ *world }

func (f *foreign) webhook(name string) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.URL+"/api/v1/webhooks",
		strings.NewReader(`{"name":"`+name+`","endpoint":"https://else.example/"}`))
	must(f.t, err)
	request.Header.Set("Authorization", "Token token="+f.token)
	response, err := http.DefaultTransport.RoundTrip(request)
	must(f.t, err)
	must(f.t, response.Body.Close())
}
