package controllers

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// countingGraph answers one thing, and counts how often it is asked.
type countingGraph struct {
	Graph
	asked int
	err   error
}

func (g *countingGraph) DebugToken(context.Context, cloudapi.Token) (cloudapi.TokenInfo, error) {
	g.asked++
	return cloudapi.TokenInfo{AppID: "1", Valid: true}, g.err
}

func (g *countingGraph) PhoneNumbers(context.Context, cloudapi.Token, string) ([]cloudapi.PhoneNumber, error) {
	g.asked++
	return []cloudapi.PhoneNumber{{ID: "2"}}, g.err
}

// always is api whatever is proven.
func always(api Graph) GraphAPI {
	return func(cloudapi.Token) Graph { return api }
}

func TestAnswersAreSharedByTheSameTokenOnly(t *testing.T) {
	api, clock := &countingGraph{}, clocktesting.NewFakeClock(time.Now())
	shared := newSharedGraph(always(api), clock)
	ask := func(maxAge time.Duration, token cloudapi.Token, account string) int {
		before := api.asked
		if _, err := shared.phoneNumbers(t.Context(), &freshness{maxAge: maxAge}, access{token: token}, account); err != nil {
			t.Fatal(err)
		}
		return api.asked - before
	}
	if got := ask(time.Minute, "token-a", "10"); got != 1 {
		t.Errorf("Meta was asked %d times at first", got)
	}
	if got := ask(time.Minute, "token-a", "10"); got != 0 {
		t.Error("the answer was not shared")
	}
	if got := ask(time.Minute, "token-b", "10"); got != 1 {
		t.Error("a token saw what was fetched with another")
	}
	if got := ask(time.Minute, "token-a", "11"); got != 1 {
		t.Error("one account's answer was given for another")
	}
	if got := ask(0, "token-a", "10"); got != 1 {
		t.Error("an old answer was given to who wants a new one")
	}
	clock.Step(2 * time.Minute)
	if got := ask(time.Minute, "token-a", "10"); got != 1 {
		t.Error("an answer was given that is too old")
	}
}

func TestWhoeverSharesLearnsWhenItWasRead(t *testing.T) {
	api, clock := &countingGraph{}, clocktesting.NewFakeClock(time.Now())
	shared := newSharedGraph(always(api), clock)
	read := clock.Now()
	for range 2 {
		fresh := &freshness{maxAge: time.Hour}
		if _, err := shared.phoneNumbers(t.Context(), fresh, access{token: "token-a"}, "10"); err != nil {
			t.Fatal(err)
		}
		if !fresh.oldest.Equal(read) {
			t.Errorf("an answer of %v is said to be of %v", read, fresh.oldest)
		}
		clock.Step(20 * time.Minute)
	}
}

func TestFailuresAreSharedForAMoment(t *testing.T) {
	refusal := &cloudapi.Error{HTTPStatus: http.StatusUnauthorized, Code: 190}
	for name, tc := range map[string]struct {
		err   error
		after time.Duration
		asked int
	}{
		"no answer, asked by several": {errors.New("no answer"), failureLifetime / 2, 1},
		"no answer, asked later":      {errors.New("no answer"), 2 * failureLifetime, 2},
		"a refusal is an answer":      {refusal, 2 * failureLifetime, 1},
		"a refusal that is old":       {refusal, 2 * time.Minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			api, clock := &countingGraph{err: tc.err}, clocktesting.NewFakeClock(time.Now())
			shared := newSharedGraph(always(api), clock)
			for range 2 {
				if _, err := shared.phoneNumbers(t.Context(), &freshness{maxAge: time.Minute}, access{token: "token-a"}, "10"); !errors.Is(err, tc.err) {
					t.Errorf("the failure became %v", err)
				}
				clock.Step(tc.after)
			}
			if api.asked != tc.asked {
				t.Errorf("Meta was asked %d times", api.asked)
			}
			if _, err := shared.phoneNumbers(t.Context(), exact(), access{token: "token-a"}, "10"); err == nil || api.asked != tc.asked+1 {
				t.Error("who wants a new answer did not get one")
			}
		})
	}
}

func TestThrottlingPausesAllTokensOfTheApp(t *testing.T) {
	api, clock := &countingGraph{}, clocktesting.NewFakeClock(time.Now())
	shared := newSharedGraph(always(api), clock)
	for _, token := range []cloudapi.Token{"token-a", "token-b"} {
		if _, err := shared.debugToken(t.Context(), exact(), access{token: token}); err != nil {
			t.Fatal(err)
		}
	}
	api.err = &cloudapi.Error{HTTPStatus: http.StatusTooManyRequests, Code: 4, RetryAfter: 20 * time.Minute}
	if _, err := shared.phoneNumbers(t.Context(), exact(), access{token: "token-a"}, "10"); cloudapi.ClassOf(err) != cloudapi.ClassThrottled {
		t.Fatalf("the error is %v", err)
	}
	api.err = nil
	asked := api.asked
	_, err := shared.phoneNumbers(t.Context(), exact(), access{token: "token-b"}, "10")
	if cloudapi.ClassOf(err) != cloudapi.ClassThrottled || cloudapi.RetryAfter(err) != 20*time.Minute || api.asked != asked {
		t.Errorf("another token of the app asked during the pause: %v", err)
	}
	if _, err := shared.phoneNumbers(t.Context(), exact(), access{token: "token-of-another-app"}, "10"); err != nil {
		t.Errorf("another app pauses too: %v", err)
	}
	clock.Step(20*time.Minute + time.Second)
	if _, err := shared.phoneNumbers(t.Context(), exact(), access{token: "token-b"}, "10"); err != nil {
		t.Errorf("the pause does not end: %v", err)
	}
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	transient := errors.New("no answer")
	previous := time.Duration(0)
	for failures := int32(1); failures < 100; failures++ {
		wait := backoff(failures, transient)
		if wait < previous || wait > maxBackoff || wait < firstBackoff {
			t.Fatalf("after %d failures it waits %v, after one less %v", failures, wait, previous)
		}
		previous = wait
	}
	if previous != maxBackoff {
		t.Errorf("it never waits longer than %v", previous)
	}
	throttled := &cloudapi.Error{HTTPStatus: http.StatusTooManyRequests, Code: 4}
	if wait := backoff(1, throttled); wait != throttledPause {
		t.Errorf("when throttled it waits %v", wait)
	}
	throttled.RetryAfter = time.Hour
	if wait := backoff(1, throttled); wait != time.Hour {
		t.Errorf("told to wait an hour it waits %v", wait)
	}
}
