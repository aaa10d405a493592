package cloudapitest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
)

func TestDebugToken(t *testing.T) {
	w := newWorld(t)
	info, err := w.client.DebugToken(t.Context(), w.token)
	must(t, err)
	if info.AppID != w.app.ID || info.AppName != "Test app" || !info.Valid || !info.ExpiresAt.IsZero() || info.Type != "SYSTEM_USER" ||
		!info.HasScope(cloudapi.ScopeManagement) || !info.HasScope(cloudapi.ScopeMessaging) || !info.IssuedAt.Equal(w.clock.Now()) {
		t.Errorf("token info %+v", info)
	}

	expires := w.clock.Now().Add(time.Hour)
	limited := cloudapi.Token(w.IssueToken(cloudapitest.Token{
		AppID: w.app.ID, Scopes: []string{cloudapi.ScopeMessaging}, ExpiresAt: expires, BusinessAccountIDs: []string{w.account},
	}))
	info, err = w.client.DebugToken(t.Context(), limited)
	must(t, err)
	if !info.ExpiresAt.Equal(expires) || info.HasScope(cloudapi.ScopeManagement) ||
		len(info.GranularScopes) != 1 || !slices.Equal(info.GranularScopes[0].TargetIDs, []string{w.account}) {
		t.Errorf("token info %+v", info)
	}
	w.clock.Step(time.Hour)
	_, err = w.client.DebugToken(t.Context(), limited)
	wantClass(t, "expired token", err, cloudapi.ClassInvalidToken)

	w.RevokeToken(string(w.token))
	_, err = w.client.DebugToken(t.Context(), w.token)
	wantClass(t, "revoked token", err, cloudapi.ClassInvalidToken)
	_, err = w.client.DebugToken(t.Context(), "EAAnobodysToken")
	wantClass(t, "unknown token", err, cloudapi.ClassInvalidToken)
}

func TestPhoneNumbersReadsEveryPage(t *testing.T) {
	w := newWorld(t)
	want := []string{w.number}
	for i := range 250 {
		want = append(want, w.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: w.account, VerifiedName: fmt.Sprint(i)}).ID)
	}
	other := w.AddBusinessAccount(cloudapitest.BusinessAccount{})
	w.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: other.ID})
	numbers, err := w.client.PhoneNumbers(t.Context(), w.token, w.account)
	must(t, err)
	var got []string
	for _, n := range numbers {
		got = append(got, n.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d numbers, want %d in the order they were added", len(got), len(want))
	}
	if w.Count(cloudapitest.GetPhoneNumbers) != 3 {
		t.Errorf("%d requests, want 3", w.Count(cloudapitest.GetPhoneNumbers))
	}
	first := numbers[0]
	if first.DisplayPhoneNumber != "+1 631-555-1111" || first.Status != "CONNECTED" || first.QualityRating != "GREEN" ||
		first.PlatformType != "CLOUD_API" || first.ThroughputLevel != "STANDARD" || first.MessagingLimit != "TIER_250" || first.AccountMode != "LIVE" {
		t.Errorf("number %+v", first)
	}
	w.RemovePhoneNumber(w.number)
	numbers, err = w.client.PhoneNumbers(t.Context(), w.token, w.account)
	if err != nil || len(numbers) != 250 {
		t.Errorf("%d numbers after one was removed: %v", len(numbers), err)
	}
}

func TestPermissionsAndAssets(t *testing.T) {
	w := newWorld(t)
	other := w.AddBusinessAccount(cloudapitest.BusinessAccount{})
	messagingOnly := cloudapi.Token(w.IssueToken(cloudapitest.Token{AppID: w.app.ID, Scopes: []string{cloudapi.ScopeMessaging}}))
	managementOnly := cloudapi.Token(w.IssueToken(cloudapitest.Token{AppID: w.app.ID, Scopes: []string{cloudapi.ScopeManagement}}))
	elsewhere := cloudapi.Token(w.IssueToken(cloudapitest.Token{AppID: w.app.ID, BusinessAccountIDs: []string{other.ID}}))
	list := func(token cloudapi.Token, id string) error {
		_, err := w.client.PhoneNumbers(t.Context(), token, id)
		return err
	}
	read := func(token cloudapi.Token, id string) error {
		_, err := w.client.WebhookConfiguration(t.Context(), token, id)
		return err
	}
	send := func(token cloudapi.Token, id string) error {
		_, err := w.client.SendMessage(t.Context(), token, id, cloudapi.Message{To: "+4915123456789", Text: &cloudapi.Text{Body: "x"}})
		return err
	}
	for name, test := range map[string]struct {
		err  error
		want cloudapi.Class
	}{
		"list with messaging alone":   {list(messagingOnly, w.account), cloudapi.ClassPermission},
		"list with management alone":  {list(managementOnly, w.account), cloudapi.ClassNone},
		"list of a foreign account":   {list(elsewhere, w.account), cloudapi.ClassPermission},
		"list of no account":          {list(w.token, "999"), cloudapi.ClassNotFound},
		"list with a dead token":      {list("EAAdead", w.account), cloudapi.ClassInvalidToken},
		"read of a foreign number":    {read(elsewhere, w.number), cloudapi.ClassPermission},
		"read of no number":           {read(w.token, "999"), cloudapi.ClassNotFound},
		"send with management alone":  {send(managementOnly, w.number), cloudapi.ClassPermission},
		"send with messaging alone":   {send(messagingOnly, w.number), cloudapi.ClassNone},
		"send from a foreign number":  {send(elsewhere, w.number), cloudapi.ClassPermission},
		"subscribe a foreign account": {w.client.SubscribeApp(t.Context(), elsewhere, w.account), cloudapi.ClassPermission},
	} {
		wantClass(t, name, test.err, test.want)
	}
}

func TestAppSubscriptions(t *testing.T) {
	w := newWorld(t)
	subscriptions, err := w.client.AppSubscriptions(t.Context(), w.app)
	if err != nil || len(subscriptions) != 0 {
		t.Fatalf("subscriptions %v, %v", subscriptions, err)
	}
	_, err = w.client.AppSubscriptions(t.Context(), cloudapi.App{ID: w.app.ID, Secret: "wrong"})
	wantClass(t, "wrong secret", err, cloudapi.ClassAppSecret)
	_, err = w.client.AppSubscriptions(t.Context(), cloudapi.App{ID: "999", Secret: "x"})
	wantClass(t, "unknown app", err, cloudapi.ClassAppSecret)

	err = w.client.CreateAppSubscription(t.Context(), w.app, w.receiver.URL+"/app", "another token", []string{"messages"})
	wantClass(t, "token with a space", err, cloudapi.ClassInvalidRequest)
	err = w.client.CreateAppSubscription(t.Context(), w.app, w.receiver.URL+"/app", "wrong-token", []string{"messages"})
	wantClass(t, "wrong verify token", err, cloudapi.ClassCallbackVerification)
	if !strings.Contains(err.Error(), "HTTP Status Code = 403; HTTP Message = Forbidden") {
		t.Errorf("error %q does not say what the callback URL answered", err)
	}
	must(t, w.client.CreateAppSubscription(t.Context(), w.app, w.receiver.URL+"/app", verifyToken, []string{"messages", "account_update"}))
	subscriptions, err = w.client.AppSubscriptions(t.Context(), w.app)
	must(t, err)
	if len(subscriptions) != 1 || subscriptions[0].CallbackURL != w.receiver.URL+"/app" || !subscriptions[0].HasField("messages") ||
		!subscriptions[0].HasField("account_update") || subscriptions[0].HasField("calls") {
		t.Errorf("subscriptions %+v", subscriptions)
	}
	if w.receiver.handshakes != 2 {
		t.Errorf("%d handshakes, want 2", w.receiver.handshakes)
	}
}

func TestProofOfTheAppSecret(t *testing.T) {
	w := newWorld(t)
	list := func(client *cloudapi.Client) error {
		_, err := client.PhoneNumbers(t.Context(), w.token, w.account)
		return err
	}
	right, wrong := w.client.WithAppSecret(w.app.Secret), w.client.WithAppSecret("wrong")
	must(t, list(right))
	wantClass(t, "wrong secret", list(wrong), cloudapi.ClassAppSecret)
	must(t, list(w.client))
	_, err := wrong.AppSubscriptions(t.Context(), w.app)
	must(t, err)

	w.AddApp(cloudapitest.App{ID: w.app.ID, Secret: string(w.app.Secret), RequireProof: true})
	must(t, list(right))
	wantClass(t, "proof required", list(w.client), cloudapi.ClassAppSecret)
	_, err = right.SendMessage(t.Context(), w.token, w.number, cloudapi.Message{To: "+4915123456789", Text: &cloudapi.Text{Body: "x"}})
	must(t, err)
}

func TestOverrideNeedsTheChainBeforeIt(t *testing.T) {
	w := newWorld(t)
	override := func() error {
		return w.client.OverrideCallback(t.Context(), w.token, w.number, w.receiver.URL+"/hook", verifyToken)
	}
	wantClass(t, "nothing subscribed", override(), cloudapi.ClassNotSubscribed)
	must(t, w.client.SubscribeApp(t.Context(), w.token, w.account))
	wantClass(t, "app without subscription", override(), cloudapi.ClassNotSubscribed)
	w.SubscribeApp(w.app.ID, "https://app.example/hook")
	if w.receiver.handshakes != 0 {
		t.Error("the callback URL was called before the prerequisites were there")
	}
	must(t, override())

	configuration, err := w.client.WebhookConfiguration(t.Context(), w.token, w.number)
	must(t, err)
	want := cloudapi.WebhookConfiguration{PhoneNumber: w.receiver.URL + "/hook", Application: "https://app.example/hook"}
	if configuration != want || configuration.Effective() != w.receiver.URL+"/hook" {
		t.Errorf("configuration %+v, want %+v", configuration, want)
	}
	apps, err := w.client.SubscribedApps(t.Context(), w.token, w.account)
	if err != nil || len(apps) != 1 || apps[0].ID != w.app.ID || apps[0].Name != "Test app" || apps[0].OverrideCallbackURL != "" {
		t.Errorf("subscribed apps %+v, %v", apps, err)
	}
	must(t, w.client.ClearCallbackOverride(t.Context(), w.token, w.number))
	if got := w.CallbackURL(w.number, w.app.ID); got != "https://app.example/hook" {
		t.Errorf("after the override was cleared, the callback URL is %q", got)
	}
}

// Overrides belong to the app that made them.
func TestOverridesOfTwoAppsAreApart(t *testing.T) {
	w := newWorld(t)
	w.connect(t)
	second := w.AddApp(cloudapitest.App{})
	token := cloudapi.Token(w.IssueToken(cloudapitest.Token{AppID: second.ID}))
	configuration, err := w.client.WebhookConfiguration(t.Context(), token, w.number)
	if err != nil || configuration.Effective() != "" {
		t.Errorf("the second app sees %+v, %v", configuration, err)
	}
}

func TestHandshakeFailures(t *testing.T) {
	// A name server that is slow would make it a time-out.
	w := newWorld(t, cloudapitest.WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "callback.invalid:") {
			return nil, &net.DNSError{Err: "no such host", Name: "callback.invalid", IsNotFound: true}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}))
	w.connect(t)
	for name, test := range map[string]struct {
		url       string
		handshake http.HandlerFunc
		text      string
	}{
		"not found":       {handshake: http.NotFound, text: "HTTP Status Code = 404; HTTP Message = Not Found"},
		"no content":      {handshake: func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) }, text: "HTTP Status Code = 204"},
		"redirect":        {handshake: http.RedirectHandler("https://a.example", http.StatusFound).ServeHTTP, text: "HTTP Status Code = 302"},
		"other challenge": {handshake: func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("ok")) }, text: "does not match"},
		"quoted challenge": {handshake: func(rw http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(rw, "%q", r.URL.Query().Get("hub.challenge"))
		}, text: "does not match"},
		"no answer": {handshake: func(rw http.ResponseWriter, _ *http.Request) {
			connection, _, _ := http.NewResponseController(rw).Hijack()
			_ = connection.Close()
		}, text: "curl_errno = 52"},
		"refused":      {url: "https://127.0.0.1:1/hook", text: "curl_errno = 7"},
		"unknown host": {url: "https://callback.invalid/hook", text: "curl_errno = 6"},
		"without TLS":  {url: strings.Replace(w.URL, "http://", "https://", 1), text: "curl_errno = 35"},
	} {
		t.Run(name, func(t *testing.T) {
			w.receiver.mu.Lock()
			w.receiver.handshake = test.handshake
			w.receiver.mu.Unlock()
			url := test.url
			if url == "" {
				url = w.receiver.URL + "/other"
			}
			err := w.client.OverrideCallback(t.Context(), w.token, w.number, url, verifyToken)
			wantClass(t, name, err, cloudapi.ClassCallbackVerification)
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %q does not say %q", err, test.text)
			}
			if got := w.CallbackURL(w.number, w.app.ID); got != w.receiver.URL+"/hook" {
				t.Errorf("the callback URL changed to %q", got)
			}
		})
	}
}

func TestHandshakeRefusesUntrustedCertificates(t *testing.T) {
	w := newWorld(t, cloudapitest.WithRootCAs(nil))
	w.SubscribeApp(w.app.ID, "https://elsewhere.example")
	w.SubscribeAccount(w.account, w.app.ID)
	err := w.client.OverrideCallback(t.Context(), w.token, w.number, w.receiver.URL, verifyToken)
	wantClass(t, "self-signed", err, cloudapi.ClassCallbackVerification)
	if !strings.Contains(err.Error(), "curl_errno = 60") {
		t.Errorf("error %q", err)
	}
}

type timesOut struct{}

func (timesOut) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, context.DeadlineExceeded
}

func TestHandshakeTimesOut(t *testing.T) {
	w := newWorld(t, cloudapitest.WithTransport(timesOut{}))
	w.SubscribeApp(w.app.ID, "https://elsewhere.example")
	w.SubscribeAccount(w.account, w.app.ID)
	err := w.client.OverrideCallback(t.Context(), w.token, w.number, w.receiver.URL, verifyToken)
	wantClass(t, "time-out", err, cloudapi.ClassCallbackVerification)
	if !strings.Contains(err.Error(), "curl_errno = 28") {
		t.Errorf("error %q", err)
	}
}

func TestFailures(t *testing.T) {
	w := newWorld(t)
	list := func() error {
		_, err := w.client.PhoneNumbers(t.Context(), w.token, w.account)
		return err
	}
	w.Fail(cloudapitest.Failure{Endpoint: cloudapitest.GetPhoneNumbers, Code: 4, Times: 2, RetryAfter: 90 * time.Second})
	for range 2 {
		err := list()
		wantClass(t, "throttled", err, cloudapi.ClassThrottled)
		if cloudapi.RetryAfter(err) != 90*time.Second {
			t.Errorf("wait %v", cloudapi.RetryAfter(err))
		}
	}
	must(t, list())

	undo := w.Fail(cloudapitest.Failure{HTTPStatus: http.StatusBadGateway})
	wantClass(t, "web page", list(), cloudapi.ClassTransient)
	undo()
	must(t, list())

	w.Fail(cloudapitest.Failure{CloseConnection: true, Object: w.account})
	wantClass(t, "closed", list(), cloudapi.ClassTransient)
	_, err := w.client.DebugToken(t.Context(), w.token)
	must(t, err)
	w.Heal()
	must(t, list())

	w.Fail(cloudapitest.Failure{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := w.client.PhoneNumbers(ctx, w.token, w.account)
		done <- err
	}()
	cancel()
	wantClass(t, "hanging", <-done, cloudapi.ClassTransient)

	w.Heal()
	codes := map[int]cloudapi.Class{}
	for _, r := range w.Requests() {
		if r.Code != 0 {
			codes[r.Code] = cloudapi.ClassOfCode(r.Code)
		}
		if r.TokenInURL {
			t.Errorf("%s had its token in the URL", r.Endpoint)
		}
	}
	if len(codes) != 1 || codes[4] != cloudapi.ClassThrottled {
		t.Errorf("the log shows the codes %v", codes)
	}
}

func TestEveryErrorCodeCanBeInjected(t *testing.T) {
	w := newWorld(t)
	for _, code := range []int{1, 2, 3, 4, 10, 33, 100, 190, 200, 368, 80007, 130403, 130429, 130472, 130497, 131000, 131005, 131008, 131009,
		131016, 131021, 131026, 131031, 131042, 131045, 131047, 131048, 131049, 131050, 131051, 131052, 131053, 131056, 131057, 133010} {
		w.Fail(cloudapitest.Failure{Endpoint: cloudapitest.PostMessages, Code: code, Times: 1})
		_, err := w.client.SendMessage(t.Context(), w.token, w.number, cloudapi.Message{To: "+4915123456789", Text: &cloudapi.Text{Body: "x"}})
		wantClass(t, fmt.Sprint(code), err, cloudapi.ClassOfCode(code))
	}
	if len(w.Sent()) != 0 {
		t.Errorf("%d messages were sent", len(w.Sent()))
	}
}
