package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
)

// accessReviews is an API server that says who has a token, and who may read the metrics.
type accessReviews struct {
	users   map[string]string
	readers map[string]bool
	down    bool
	asked   int
}

func (a *accessReviews) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked++
	if a.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/apis/authentication.k8s.io/v1/tokenreviews":
		var review authenticationv1.TokenReview
		_ = json.NewDecoder(r.Body).Decode(&review)
		review.Status.User = authenticationv1.UserInfo{
			Username: a.users[review.Spec.Token], Groups: []string{"system:authenticated"}, Extra: map[string]authenticationv1.ExtraValue{"scopes": {"all"}},
		}
		review.Status.Authenticated = review.Status.User.Username != ""
		_ = json.NewEncoder(w).Encode(review)
	case "/apis/authorization.k8s.io/v1/subjectaccessreviews":
		var review authorizationv1.SubjectAccessReview
		_ = json.NewDecoder(r.Body).Decode(&review)
		wanted := *review.Spec.NonResourceAttributes
		review.Status.Allowed = a.readers[review.Spec.User] && wanted == authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"} &&
			len(review.Spec.Groups) == 1 && len(review.Spec.Extra["scopes"]) == 1
		_ = json.NewEncoder(w).Encode(review)
	}
}

// guarded are metrics that are read by those only whom an API server allows to.
func guarded(t *testing.T, reviews *accessReviews, now *clocktesting.FakeClock) func(authorization string) int {
	t.Helper()
	server := httptest.NewServer(reviews)
	t.Cleanup(server.Close)
	filter, err := filterMetricsBy(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON}}, server.Client(), now)
	if err != nil {
		t.Fatal(err)
	}
	const secret = "whatsapp_channels 3"
	handler, err := filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, secret) }))
	if err != nil {
		t.Fatal(err)
	}
	return func(authorization string) int {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if shown := answer.Body.String() == secret; shown != (answer.Code == http.StatusOK) {
			t.Errorf("with status %d the answer is %q", answer.Code, answer.Body)
		}
		return answer.Code
	}
}

func TestMetricsAreForThoseWhoMayReadThem(t *testing.T) {
	reviews := &accessReviews{users: map[string]string{"p": "prometheus", "m": "mallory"}, readers: map[string]bool{"prometheus": true}}
	read := guarded(t, reviews, clocktesting.NewFakeClock(time.Now()))
	for authorization, want := range map[string]int{
		"": http.StatusUnauthorized, "Bearer": http.StatusUnauthorized, "Bearer ": http.StatusUnauthorized, "Basic p": http.StatusUnauthorized,
		"Bearer forged": http.StatusUnauthorized, "Bearer m": http.StatusForbidden,
		"Bearer p": http.StatusOK, "bearer p": http.StatusOK,
	} {
		if got := read(authorization); got != want {
			t.Errorf("Authorization %q is answered %d, not %d", authorization, got, want)
		}
	}
}

func TestAScrapeAsksTheAPIServerOnceAMinute(t *testing.T) {
	reviews := &accessReviews{users: map[string]string{"p": "prometheus"}, readers: map[string]bool{"prometheus": true}}
	now := clocktesting.NewFakeClock(time.Now())
	read := guarded(t, reviews, now)
	for range 3 {
		if got := read("Bearer p"); got != http.StatusOK {
			t.Fatalf("the metrics are answered %d", got)
		}
		now.Step(20 * time.Second)
	}
	if reviews.asked != 2 {
		t.Errorf("the API server was asked %d times, not for a token and for an access", reviews.asked)
	}
	now.Step(time.Second)
	delete(reviews.users, "p")
	if got := read("Bearer p"); got != http.StatusUnauthorized {
		t.Errorf("a token that was revoked is answered %d", got)
	}
}

func TestMetricsStayClosedWhileTheAPIServerDoesNotAnswer(t *testing.T) {
	reviews := &accessReviews{users: map[string]string{"p": "prometheus"}, readers: map[string]bool{"prometheus": true}, down: true}
	read := guarded(t, reviews, clocktesting.NewFakeClock(time.Now()))
	if got := read("Bearer p"); got != http.StatusServiceUnavailable {
		t.Errorf("the metrics are answered %d", got)
	}
	reviews.down = false
	if got := read("Bearer p"); got != http.StatusOK {
		t.Errorf("when the API server answers again, the metrics are answered %d", got)
	}
}
