package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// GraphAPI returns what calls Meta and proves with each call that it knows an app's secret. Apps with the setting
// "Require App Secret" answer no others.
type GraphAPI func(appSecret cloudapi.Token) Graph

// ProvingGraph is the GraphAPI of a client.
func ProvingGraph(client *cloudapi.Client) GraphAPI {
	return func(appSecret cloudapi.Token) Graph { return client.WithAppSecret(appSecret) }
}

// access is what a channel calls Meta with.
type access struct {
	token cloudapi.Token
	// appSecret is that of the token's app; empty to prove nothing.
	appSecret cloudapi.Token
}

// Graph is what the operator needs of Meta's Cloud API. *cloudapi.Client is one.
type Graph interface {
	DebugToken(ctx context.Context, token cloudapi.Token) (cloudapi.TokenInfo, error)
	AppSubscriptions(ctx context.Context, app cloudapi.App) ([]cloudapi.AppSubscription, error)
	CreateAppSubscription(ctx context.Context, app cloudapi.App, callbackURL string, verifyToken cloudapi.Token, fields []string) error
	PhoneNumbers(ctx context.Context, token cloudapi.Token, businessAccountID string) ([]cloudapi.PhoneNumber, error)
	SubscribedApps(ctx context.Context, token cloudapi.Token, businessAccountID string) ([]cloudapi.SubscribedApp, error)
	SubscribeApp(ctx context.Context, token cloudapi.Token, businessAccountID string) error
	WebhookConfiguration(ctx context.Context, token cloudapi.Token, phoneNumberID string) (cloudapi.WebhookConfiguration, error)
	OverrideCallback(ctx context.Context, token cloudapi.Token, phoneNumberID, callbackURL string, verifyToken cloudapi.Token) error
	ClearCallbackOverride(ctx context.Context, token cloudapi.Token, phoneNumberID string) error
}

const (
	// readTimeout bounds a call that only reads. A Meta that does not answer must not hold up other channels for long.
	readTimeout = 15 * time.Second
	// writeTimeout bounds a call that writes, Meta's own call of the callback URL included.
	writeTimeout = 60 * time.Second
	// answerLifetime is how long answers are kept to be shared.
	answerLifetime = time.Hour
	// failureLifetime is how long the failure of a call stands for all that would make the same: while Meta does not
	// answer, hundreds of channels must not ask it one after the other.
	failureLifetime = 10 * time.Second
	// throttledPause is how long an app's channels wait where Meta does not say. Its limits are counted by the hour.
	throttledPause = 10 * time.Minute
)

// sharedGraph spares Meta calls: channels that ask the same with the same token share the answer, and where Meta
// throttles an app, none of its channels asks until the pause is over. A channel only ever sees what was fetched with
// its own token, because the token is part of what makes two questions the same.
type sharedGraph struct {
	api   GraphAPI
	clock clock.PassiveClock

	flights singleflight.Group

	mu      sync.Mutex
	answers map[string]answer
	// pauses holds until when an app, or a token whose app is not known, is left alone.
	pauses map[string]time.Time
	// apps tells the app of a token, by the token's hash.
	apps map[string]string
}

type answer struct {
	value any
	err   error
	at    time.Time
}

// freshness says how old answers may be, and learns how old those are that are given.
type freshness struct {
	// maxAge is how old an answer may be that was got with the same token; zero wants a new one.
	maxAge time.Duration
	// oldest is the time of the oldest answer that was given; zero while there is none.
	oldest time.Time
}

// given notes that an answer was given.
func (f *freshness) given(at time.Time) {
	if f.oldest.IsZero() || at.Before(f.oldest) {
		f.oldest = at
	}
}

// exact is a freshness for an answer that nobody had before.
func exact() *freshness { return &freshness{} }

func newSharedGraph(api GraphAPI, clock clock.PassiveClock) *sharedGraph {
	return &sharedGraph{
		api:     api,
		clock:   clock,
		answers: map[string]answer{},
		pauses:  map[string]time.Time{},
		apps:    map[string]string{},
	}
}

// debugToken reads what Meta knows of a token.
func (g *sharedGraph) debugToken(ctx context.Context, fresh *freshness, with access) (cloudapi.TokenInfo, error) {
	who := hashOf(with.token)
	info, err := share(ctx, g, "DebugToken", who, hashOf(with.appSecret), fresh, func(ctx context.Context) (cloudapi.TokenInfo, error) {
		return g.api(with.appSecret).DebugToken(ctx, with.token)
	})
	if err == nil && info.AppID != "" {
		g.mu.Lock()
		g.apps[who] = info.AppID
		g.mu.Unlock()
	}
	return info, err
}

func (g *sharedGraph) appSubscriptions(ctx context.Context, fresh *freshness, app cloudapi.App) ([]cloudapi.AppSubscription, error) {
	who := hashOf(app.Secret)
	g.mu.Lock()
	g.apps[who] = app.ID
	g.mu.Unlock()
	return share(ctx, g, "AppSubscriptions", who, app.ID, fresh, func(ctx context.Context) ([]cloudapi.AppSubscription, error) {
		return g.api("").AppSubscriptions(ctx, app)
	})
}

func (g *sharedGraph) phoneNumbers(ctx context.Context, fresh *freshness, with access, businessAccountID string) ([]cloudapi.PhoneNumber, error) {
	return share(ctx, g, "PhoneNumbers", hashOf(with.token), businessAccountID+"/"+hashOf(with.appSecret), fresh, func(ctx context.Context) ([]cloudapi.PhoneNumber, error) {
		return g.api(with.appSecret).PhoneNumbers(ctx, with.token, businessAccountID)
	})
}

func (g *sharedGraph) subscribedApps(ctx context.Context, fresh *freshness, with access, businessAccountID string) ([]cloudapi.SubscribedApp, error) {
	return share(ctx, g, "SubscribedApps", hashOf(with.token), businessAccountID+"/"+hashOf(with.appSecret), fresh, func(ctx context.Context) ([]cloudapi.SubscribedApp, error) {
		return g.api(with.appSecret).SubscribedApps(ctx, with.token, businessAccountID)
	})
}

// webhookConfiguration is never shared: it is one number's, and it decides about writing.
func (g *sharedGraph) webhookConfiguration(ctx context.Context, with access, phoneNumberID string) (cloudapi.WebhookConfiguration, error) {
	var configuration cloudapi.WebhookConfiguration
	err := g.call(ctx, readTimeout, "WebhookConfiguration", hashOf(with.token), func(ctx context.Context) (err error) {
		configuration, err = g.api(with.appSecret).WebhookConfiguration(ctx, with.token, phoneNumberID)
		return err
	})
	return configuration, err
}

func (g *sharedGraph) createAppSubscription(ctx context.Context, app cloudapi.App, callbackURL string, verifyToken cloudapi.Token, fields []string) error {
	return g.call(ctx, writeTimeout, "CreateAppSubscription", hashOf(app.Secret), func(ctx context.Context) error {
		return g.api("").CreateAppSubscription(ctx, app, callbackURL, verifyToken, fields)
	})
}

func (g *sharedGraph) subscribeApp(ctx context.Context, with access, businessAccountID string) error {
	return g.call(ctx, writeTimeout, "SubscribeApp", hashOf(with.token), func(ctx context.Context) error {
		return g.api(with.appSecret).SubscribeApp(ctx, with.token, businessAccountID)
	})
}

func (g *sharedGraph) overrideCallback(ctx context.Context, with access, phoneNumberID, callbackURL string, verifyToken cloudapi.Token) error {
	return g.call(ctx, writeTimeout, "OverrideCallback", hashOf(with.token), func(ctx context.Context) error {
		return g.api(with.appSecret).OverrideCallback(ctx, with.token, phoneNumberID, callbackURL, verifyToken)
	})
}

func (g *sharedGraph) clearCallbackOverride(ctx context.Context, with access, phoneNumberID string) error {
	return g.call(ctx, writeTimeout, "ClearCallbackOverride", hashOf(with.token), func(ctx context.Context) error {
		return g.api(with.appSecret).ClearCallbackOverride(ctx, with.token, phoneNumberID)
	})
}

// share answers from what was fetched before, where that is fresh enough, or asks, once for all that ask the same at the
// same time. A refusal is an answer like any other; a failure that may pass is kept for a moment only.
func share[T any](ctx context.Context, g *sharedGraph, operation, who, what string, fresh *freshness, ask func(context.Context) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	key := operation + "/" + who + "/" + what
	if kept, ok := g.kept(key, fresh.maxAge); ok {
		fresh.given(kept.at)
		return kept.value.(T), kept.err
	}
	shared, _, _ := g.flights.Do(key, func() (any, error) {
		var value T
		// The caller that happens to come first must not end the call for the others.
		err := g.call(context.WithoutCancel(ctx), readTimeout, operation, who, func(ctx context.Context) (err error) {
			value, err = ask(ctx)
			return err
		})
		return g.keep(key, value, err), nil
	})
	given := shared.(answer)
	fresh.given(given.at)
	return given.value.(T), given.err
}

// kept returns an answer that is at most as old as it may be.
func (g *sharedGraph) kept(key string, maxAge time.Duration) (answer, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	kept, ok := g.answers[key]
	if ok && kept.err != nil && cloudapi.ClassOf(kept.err).Retryable() {
		maxAge = min(maxAge, failureLifetime)
	}
	return kept, ok && maxAge > 0 && g.clock.Since(kept.at) <= maxAge
}

func (g *sharedGraph) keep(key string, value any, err error) answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	for other, kept := range g.answers {
		if now.Sub(kept.at) > answerLifetime {
			delete(g.answers, other)
		}
	}
	for paused, until := range g.pauses {
		if now.After(until) {
			delete(g.pauses, paused)
		}
	}
	given := answer{value: value, err: err, at: now}
	if cloudapi.ClassOf(err) != cloudapi.ClassThrottled {
		// Throttling is kept as a pause, which knows when it ends.
		g.answers[key] = given
	}
	return given
}

// call makes one call, unless the app is paused, and counts it.
func (g *sharedGraph) call(ctx context.Context, timeout time.Duration, operation, who string, do func(context.Context) error) error {
	if wait := g.pause(who); wait > 0 {
		return &cloudapi.Error{HTTPStatus: http.StatusTooManyRequests, Code: 4, Message: "Application request limit reached", RetryAfter: wait}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := do(ctx)
	class := cloudapi.ClassOf(err)
	graphRequests.WithLabelValues(operation, classLabel(class)).Inc()
	if class == cloudapi.ClassThrottled {
		wait := cloudapi.RetryAfter(err)
		if wait <= 0 {
			wait = throttledPause
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.pauses[who] = g.clock.Now().Add(wait)
		if app, ok := g.apps[who]; ok {
			g.pauses[app] = g.clock.Now().Add(wait)
		}
	}
	return err
}

// pause returns how long an app is still to be left alone.
func (g *sharedGraph) pause(who string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	until := g.pauses[who]
	if app, ok := g.apps[who]; ok && g.pauses[app].After(until) {
		until = g.pauses[app]
	}
	return until.Sub(g.clock.Now())
}

// hashOf tells tokens apart without holding them.
func hashOf(token cloudapi.Token) string {
	sum := sha256.Sum256([]byte(string(token)))
	return hex.EncodeToString(sum[:])
}

func classLabel(class cloudapi.Class) string {
	if class == cloudapi.ClassNone {
		return "OK"
	}
	return string(class)
}
