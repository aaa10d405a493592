package cloudapi_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

const testToken = cloudapi.Token("EAAsecretsecretsecret")

// answering returns a client of a server that answers every call alike.
func answering(t *testing.T, handler http.HandlerFunc) *cloudapi.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return clientOf(t, server.URL)
}

func clientOf(t *testing.T, url string) *cloudapi.Client {
	t.Helper()
	client, err := cloudapi.NewClient(cloudapi.Options{BaseURL: url, UserAgent: "whatsapp-operator/1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func write(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestOddAnswers(t *testing.T) {
	const throttled = `{"error":{"message":"(#4) Limit","type":"OAuthException","code":4,"is_transient":true}}`
	for name, test := range map[string]struct {
		handler    http.HandlerFunc
		class      cloudapi.Class
		retryAfter time.Duration
		text       string
	}{
		"web page":         {write(502, nil, "<html>Bad gateway</html>"), cloudapi.ClassTransient, 0, "not the expected JSON"},
		"web page, 200":    {write(200, nil, "<html>Please log in</html>"), cloudapi.ClassTransient, 0, "not the expected JSON"},
		"web page, 429":    {write(429, http.Header{"Retry-After": {"7"}}, "<html></html>"), cloudapi.ClassThrottled, 7 * time.Second, "not the expected JSON"},
		"truncated":        {write(200, nil, `{"data":[{"id":"1"`), cloudapi.ClassTransient, 0, "not the expected JSON"},
		"empty":            {write(200, nil, ""), cloudapi.ClassTransient, 0, "not the expected JSON"},
		"other shape":      {write(200, nil, `{"data":{"id":[]}}`), cloudapi.ClassTransient, 0, "unexpected shape"},
		"failure, no code": {write(400, nil, `{"error":{"message":"?"}}`), cloudapi.ClassTransient, 0, "without an error code"},
		"huge":             {write(200, nil, `{"x":"`+strings.Repeat("a", 2<<20)+`"}`), cloudapi.ClassTransient, 0, "longer than"},
		"redirect":         {write(302, http.Header{"Location": {"https://elsewhere.example/"}}, ""), cloudapi.ClassTransient, 0, "redirect"},
		"throttled":        {write(429, http.Header{"Retry-After": {"30"}}, throttled), cloudapi.ClassThrottled, 30 * time.Second, "code 4"},
		"throttled, usage": {write(400, http.Header{"X-Business-Use-Case-Usage": {`{"1":[{"type":"whatsapp","estimated_time_to_regain_access":5}]}`}}, throttled),
			cloudapi.ClassThrottled, 5 * time.Minute, "code 4"},
		"endless wait":     {write(429, http.Header{"Retry-After": {"999999999"}}, throttled), cloudapi.ClassThrottled, 24 * time.Hour, "code 4"},
		"negative wait":    {write(429, http.Header{"Retry-After": {"-5"}}, throttled), cloudapi.ClassThrottled, 0, "code 4"},
		"error, 200":       {write(200, nil, `{"error":{"code":190,"message":"dead"}}`), cloudapi.ClassInvalidToken, 0, "code 190"},
		"unknown, 500":     {write(500, nil, `{"error":{"code":987654,"message":"?"}}`), cloudapi.ClassTransient, 0, "code 987654"},
		"unknown, 400":     {write(400, nil, `{"error":{"code":987654,"message":"?"}}`), cloudapi.ClassUnknown, 0, "code 987654"},
		"error of a proxy": {write(407, nil, `{"reason":"proxy"}`), cloudapi.ClassTransient, 0, "without an error code"},
	} {
		t.Run(name, func(t *testing.T) {
			client := answering(t, test.handler)
			_, err := client.PhoneNumbers(t.Context(), testToken, "1")
			if got := cloudapi.ClassOf(err); got != test.class {
				t.Errorf("class %q, want %q (%v)", got, test.class, err)
			}
			if got := cloudapi.RetryAfter(err); got != test.retryAfter {
				t.Errorf("wait %v, want %v", got, test.retryAfter)
			}
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %q does not say %q", err, test.text)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	called := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer other.Close()
	given := &http.Client{Transport: &http.Transport{}}
	defer given.CloseIdleConnections()
	redirecting := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer redirecting.Close()
	client, err := cloudapi.NewClient(cloudapi.Options{BaseURL: redirecting.URL, HTTPClient: given})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.PhoneNumbers(t.Context(), testToken, "1"); err == nil || called {
		t.Errorf("the redirect was followed: %v", err)
	}
	if given.CheckRedirect != nil {
		t.Error("the caller's HTTP client was changed")
	}
}

func TestRequestsCarryTokenAndUserAgentInHeaders(t *testing.T) {
	var seen []*http.Request
	client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Clone(context.Background()))
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), string(testToken)) {
			t.Errorf("%s has the token in its body", r.URL.Path)
		}
		_, _ = io.WriteString(w, `{"success":true,"data":[],"messages":[{"id":"wamid.1"}]}`)
	})
	ctx := t.Context()
	_, _ = client.PhoneNumbers(ctx, testToken, "1")
	_, _ = client.SubscribedApps(ctx, testToken, "1")
	_ = client.SubscribeApp(ctx, testToken, "1")
	_, _ = client.WebhookConfiguration(ctx, testToken, "2")
	_ = client.OverrideCallback(ctx, testToken, "2", "https://a.example/b", "verify")
	_ = client.ClearCallbackOverride(ctx, testToken, "2")
	_, _ = client.SendMessage(ctx, testToken, "2", cloudapi.Message{To: "+1555", Text: &cloudapi.Text{Body: "x"}})
	if len(seen) != 7 {
		t.Fatalf("%d requests, want 7", len(seen))
	}
	for _, r := range seen {
		if r.Header.Get("Authorization") != "Bearer "+string(testToken) || r.UserAgent() != "whatsapp-operator/1.2.3" {
			t.Errorf("%s %s: headers %v", r.Method, r.URL.Path, r.Header)
		}
		if strings.Contains(r.URL.String(), "secret") {
			t.Errorf("%s has a token in its URL", r.URL.Path)
		}
		if !strings.HasPrefix(r.URL.Path, "/v25.0/") {
			t.Errorf("%s is not of the default version", r.URL.Path)
		}
	}
}

func TestProofAccompaniesAccessTokensOnly(t *testing.T) {
	proofs := map[string]bool{}
	client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		proofs[r.URL.Path] = r.URL.Query().Has("appsecret_proof")
		_, _ = io.WriteString(w, `{"data":[]}`)
	})
	proving := client.WithAppSecret("secret")
	_, _ = proving.PhoneNumbers(t.Context(), testToken, "1")
	_, _ = proving.AppSubscriptions(t.Context(), cloudapi.App{ID: "2", Secret: "secret"})
	_, _ = client.PhoneNumbers(t.Context(), testToken, "3")
	want := map[string]bool{"/v25.0/1/phone_numbers": true, "/v25.0/2/subscriptions": false, "/v25.0/3/phone_numbers": false}
	if !maps.Equal(proofs, want) {
		t.Errorf("proofs %v, want %v", proofs, want)
	}
}

func TestErrorsHoldNoToken(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":{"code":190,"message":"Malformed access token %s","type":%q,"fbtrace_id":%q,"error_data":{"details":"%s and cut EAAsecretsecr"}}}`, token, token, token, token)
	}
	closing := func(w http.ResponseWriter, _ *http.Request) {
		connection, _, _ := http.NewResponseController(w).Hijack()
		_ = connection.Close()
	}
	half := func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := strings.Cut(r.Header.Get("Authorization"), "|")
		_, _ = fmt.Fprintf(w, `{"error":{"code":190,"message":"the secret is %s"}}`, secret)
	}
	app := cloudapi.App{ID: "77", Secret: "the-secretsecret"}
	for name, handler := range map[string]http.HandlerFunc{"echo": echo, "half": half, "closing": closing} {
		client := answering(t, handler)
		_, debug := client.DebugToken(t.Context(), testToken)
		_, subscriptions := client.AppSubscriptions(t.Context(), app)
		override := client.OverrideCallback(t.Context(), testToken, "1", "https://a.example", "verifysecret")
		for _, err := range []error{debug, subscriptions, override} {
			for unwrapped := err; unwrapped != nil; unwrapped = errors.Unwrap(unwrapped) {
				for _, format := range []string{"%v", "%+v", "%#v"} {
					if text := fmt.Sprintf(format, unwrapped); strings.Contains(text, "secretsec") || strings.Contains(text, "verifysecret") {
						t.Errorf("%s: the error holds a secret: %s", name, text)
					}
				}
			}
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	}
}

func TestErrorTextIsTheSameEveryTime(t *testing.T) {
	calls := 0
	client := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":{"message":"(#190) Session has expired on Saturday. The current time is Monday, 01-Jul-24 11:06:%02d PDT.","code":190,"error_subcode":463,"fbtrace_id":"A%d"}}`, calls, calls)
	})
	_, first := client.DebugToken(t.Context(), testToken)
	_, second := client.DebugToken(t.Context(), testToken)
	const want = "check the access token: Meta answered: Session has expired on Saturday (code 190, subcode 463)"
	if first.Error() != want || second.Error() != want {
		t.Errorf("errors\n%v\n%v, want\n%s", first, second, want)
	}
}

func TestNewClientRefusesBadOptions(t *testing.T) {
	for name, o := range map[string]cloudapi.Options{
		"no scheme":      {BaseURL: "graph.facebook.com"},
		"other scheme":   {BaseURL: "ftp://graph.facebook.com"},
		"user":           {BaseURL: "https://me:pass@graph.facebook.com"},
		"query":          {BaseURL: "https://graph.facebook.com?x=1"},
		"version":        {Version: "25"},
		"version path":   {Version: "v25.0/../x"},
		"user agent":     {UserAgent: "whatsapp-operator"},
		"injected agent": {UserAgent: "a/1.2.3\r\nX: y"},
	} {
		if _, err := cloudapi.NewClient(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := cloudapi.NewClient(cloudapi.Options{}); err != nil {
		t.Errorf("the zero options: %v", err)
	}
}

func TestInvalidArgumentsAreNeverSent(t *testing.T) {
	client := answering(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s %s", r.Method, r.URL.Path) })
	ctx := t.Context()
	text := &cloudapi.Text{Body: "x"}
	send := func(m cloudapi.Message) error {
		_, err := client.SendMessage(ctx, testToken, "1", m)
		return err
	}
	list := func(token cloudapi.Token, id string) error {
		_, err := client.PhoneNumbers(ctx, token, id)
		return err
	}
	for name, err := range map[string]error{
		"no token":             list("", "1"),
		"token with newline":   list("EAAx\n", "1"),
		"no id":                list(testToken, ""),
		"id with path":         list(testToken, "1/../2"),
		"no recipient":         send(cloudapi.Message{Text: text}),
		"two recipients":       send(cloudapi.Message{To: "+1555", Recipient: "US.1", Text: text}),
		"recipient, no digits": send(cloudapi.Message{To: "+", Text: text}),
		"no content":           send(cloudapi.Message{To: "+1555"}),
		"empty text":           send(cloudapi.Message{To: "+1555", Text: &cloudapi.Text{}}),
		"long text":            send(cloudapi.Message{To: "+1555", Text: &cloudapi.Text{Body: strings.Repeat("ä", 4097)}}),
		"long callback data":   send(cloudapi.Message{To: "+1555", Text: text, BizOpaqueCallbackData: strings.Repeat("x", 513)}),
		"callback not https":   client.OverrideCallback(ctx, testToken, "1", "http://a.example", "v"),
		"callback too long":    client.OverrideCallback(ctx, testToken, "1", "https://a.example/"+strings.Repeat("x", 200), "v"),
		"no verify token":      client.OverrideCallback(ctx, testToken, "1", "https://a.example", ""),
		"no fields":            client.CreateAppSubscription(ctx, cloudapi.App{ID: "1", Secret: "s"}, "https://a.example", "v", nil),
		"no secret":            client.CreateAppSubscription(ctx, cloudapi.App{ID: "1"}, "https://a.example", "v", []string{"messages"}),
	} {
		if !errors.Is(err, cloudapi.ErrInvalidArgument) || cloudapi.ClassOf(err) != cloudapi.ClassInvalidRequest || !cloudapi.NotSent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListingsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		next     func(page int) string
		maxPages int
	}{
		"cursor that repeats": {func(int) string { return "same" }, 2},
		"cursors in a circle": {func(page int) string { return fmt.Sprint(page % 3) }, 4},
		"cursors without end": {func(page int) string { return fmt.Sprint(page) }, 50},
	} {
		pages := 0
		client := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			pages++
			_, _ = fmt.Fprintf(w, `{"data":[{"id":"1"}],"paging":{"cursors":{"after":%q},"next":"https://x"}}`, test.next(pages))
		})
		if _, err := client.PhoneNumbers(t.Context(), testToken, "1"); !errors.Is(err, cloudapi.ErrTooManyPages) {
			t.Errorf("%s: %v", name, err)
		}
		if pages > test.maxPages {
			t.Errorf("%s: %d pages were read, at most %d are needed", name, pages, test.maxPages)
		}
	}
}

// A full page without "next" is followed all the same, as Meta's own examples
// leave it out.
func TestListingsFollowFullPagesWithoutNext(t *testing.T) {
	client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "" {
			_, _ = io.WriteString(w, `{"data":[{"id":"0"}`+strings.Repeat(`,{"id":"0"}`, 99)+`],"paging":{"cursors":{"after":"a"}}}`)
			return
		}
		_, _ = io.WriteString(w, `{"data":[{"id":"last"}],"paging":{"cursors":{"after":"b"}}}`)
	})
	numbers, err := client.PhoneNumbers(t.Context(), testToken, "1")
	if err != nil || len(numbers) != 101 || numbers[100].ID != "last" {
		t.Errorf("%d numbers, %v", len(numbers), err)
	}
}

func TestNotSentTellsRefusedFromInDoubt(t *testing.T) {
	send := func(t *testing.T, client *cloudapi.Client) error {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.SendMessage(ctx, testToken, "1", cloudapi.Message{To: "+1555", Text: &cloudapi.Text{Body: "x"}})
		if err == nil {
			t.Fatal("no error")
		}
		return err
	}
	refusal := func(status, code int) http.HandlerFunc {
		return write(status, nil, fmt.Sprintf(`{"error":{"code":%d,"message":"m"}}`, code))
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    bool
	}{
		"window closed":        {refusal(400, 131047), true},
		"pair rate":            {refusal(400, 131056), true},
		"throughput":           {refusal(400, 130429), true},
		"dead token":           {refusal(401, 190), true},
		"unknown code, 400":    {refusal(400, 999), true},
		"131000":               {refusal(400, 131000), false},
		"131000 with 500":      {refusal(500, 131000), false},
		"temporary with 400":   {refusal(400, 2), false},
		"any code with 500":    {refusal(500, 131047), false},
		"web page with 502":    {write(502, nil, "<html>"), false},
		"web page with 403":    {write(403, nil, "<html>"), false},
		"success without id":   {write(200, nil, `{"messages":[]}`), false},
		"truncated success":    {write(200, nil, `{"messages":[{"id":"wami`), false},
		"closed after request": {func(w http.ResponseWriter, r *http.Request) { drop(w, r) }, false},
		"closed within answer": {write(200, http.Header{"Content-Length": {"100"}}, `{"messages"`), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := send(t, answering(t, test.handler))
			if got := cloudapi.NotSent(err); got != test.want {
				t.Errorf("NotSent(%v) = %v, want %v", err, got, test.want)
			}
		})
	}

	t.Run("given up after sending", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client := answering(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		})
		_, err := client.SendMessage(ctx, testToken, "1", cloudapi.Message{To: "+1555", Text: &cloudapi.Text{Body: "x"}})
		if err == nil || cloudapi.NotSent(err) {
			t.Errorf("NotSent(%v) = true", err)
		}
	})
	t.Run("connection refused", func(t *testing.T) {
		if err := send(t, clientOf(t, "http://127.0.0.1:1")); !cloudapi.NotSent(err) || cloudapi.ClassOf(err) != cloudapi.ClassTransient {
			t.Errorf("%v counts as in doubt", err)
		}
	})
	t.Run("host unknown", func(t *testing.T) {
		if err := send(t, clientOf(t, "http://graph.invalid")); !cloudapi.NotSent(err) {
			t.Errorf("%v counts as in doubt", err)
		}
	})
	t.Run("certificate not trusted", func(t *testing.T) {
		server := httptest.NewUnstartedServer(write(200, nil, `{}`))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		defer server.Close()
		if err := send(t, clientOf(t, server.URL)); !cloudapi.NotSent(err) || !strings.Contains(err.Error(), "not trusted") {
			t.Errorf("%v", err)
		}
	})
	t.Run("cancelled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := clientOf(t, "http://127.0.0.1:1").SendMessage(ctx, testToken, "1", cloudapi.Message{To: "+1555", Text: &cloudapi.Text{Body: "x"}})
		if !cloudapi.NotSent(err) {
			t.Errorf("%v counts as in doubt", err)
		}
	})
	t.Run("transport that reports nothing", func(t *testing.T) {
		client, err := cloudapi.NewClient(cloudapi.Options{HTTPClient: &http.Client{Transport: silent{}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := send(t, client); cloudapi.NotSent(err) {
			t.Errorf("%v counts as not sent", err)
		}
	})
}

// silent is a transport without traces: whether it wrote anything is unknown.
type silent struct{}

func (silent) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

func drop(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	connection, _, _ := http.NewResponseController(w).Hijack()
	_ = connection.Close()
}

func TestRootCAsAreTrusted(t *testing.T) {
	server := httptest.NewTLSServer(write(200, nil, `{"data":[]}`))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client, err := cloudapi.NewClient(cloudapi.Options{BaseURL: server.URL, RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	if _, err := client.PhoneNumbers(t.Context(), testToken, "1"); err != nil {
		t.Error(err)
	}
}

func TestRequestErrorsNameNoAddress(t *testing.T) {
	client := answering(t, drop)
	_, err := client.PhoneNumbers(t.Context(), testToken, "1")
	const want = "list the phone numbers of business account 1: no answer from 127.0.0.1: the connection was closed without an answer"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if cloudapi.ClassOf(err) != cloudapi.ClassTransient {
		t.Errorf("class %q", cloudapi.ClassOf(err))
	}
}
