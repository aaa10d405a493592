package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	authentication "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	// verdictLifetime is how long the API server's word on a caller stands, so that not every scrape asks it.
	verdictLifetime = time.Minute
	// verdictsKept bounds how many callers are remembered. There are a few, and anybody may send tokens that are none.
	verdictsKept = 256
	// verdictTimeout bounds the questions about a caller.
	verdictTimeout = 10 * time.Second
)

// metricsAccess lets callers read the metrics whom the API server knows by their token, and allows to. It is own code because
// that of k8s.io/apiserver makes the program more than half as large again, and costs memory accordingly.
type metricsAccess struct {
	tokens   authentication.TokenReviewInterface
	access   authorization.SubjectAccessReviewInterface
	verdicts *utilcache.LRUExpireCache
}

// caller is who wants to do what. It holds a hash of the token, which is nobody's to keep.
type caller struct {
	token        [sha256.Size]byte
	method, path string
}

// filterMetrics is the FilterProvider of the metrics.
func filterMetrics(kubernetes *rest.Config, httpClient *http.Client) (metricsserver.Filter, error) {
	return filterMetricsBy(kubernetes, httpClient, clock.RealClock{})
}

func filterMetricsBy(kubernetes *rest.Config, httpClient *http.Client, now utilcache.Clock) (metricsserver.Filter, error) {
	tokens, err := authentication.NewForConfigAndClient(kubernetes, httpClient)
	if err != nil {
		return nil, fmt.Errorf("set up the authentication for the metrics: %w", err)
	}
	access, err := authorization.NewForConfigAndClient(kubernetes, httpClient)
	if err != nil {
		return nil, fmt.Errorf("set up the authorization for the metrics: %w", err)
	}
	guard := &metricsAccess{
		tokens: tokens.TokenReviews(), access: access.SubjectAccessReviews(),
		verdicts: utilcache.NewLRUExpireCacheWithClock(verdictsKept, now),
	}
	return func(log logr.Logger, metrics http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch verdict, err := guard.judge(r); {
			case err != nil:
				log.Error(err, "Could not find out who may read the metrics")
				http.Error(w, "The API server could not be asked. Try again.", http.StatusServiceUnavailable)
			case verdict != http.StatusOK:
				http.Error(w, http.StatusText(verdict), verdict)
			default:
				metrics.ServeHTTP(w, r)
			}
		}), nil
	}, nil
}

// judge returns the HTTP status that a request deserves: 200, 401 for a caller whom the API server does not know, or 403 for
// one who may not.
func (m *metricsAccess) judge(r *http.Request) (verdict int, err error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token = strings.TrimSpace(token); token == "" || !strings.EqualFold(scheme, "Bearer") {
		return http.StatusUnauthorized, nil
	}
	who := caller{sha256.Sum256([]byte(token)), r.Method, r.URL.Path}
	if known, ok := m.verdicts.Get(who); ok {
		verdict, _ = known.(int)
		return verdict, nil
	}
	if verdict, err = m.ask(r, token); err == nil {
		m.verdicts.Add(who, verdict, verdictLifetime)
	}
	return verdict, err
}

// ask asks the API server who has a token, and whether they may do what the request wants.
func (m *metricsAccess) ask(r *http.Request, token string) (verdict int, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), verdictTimeout)
	defer cancel()
	identity, err := m.tokens.Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("review a token: %w", err)
	}
	if !identity.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	user := identity.Status.User
	question := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: r.URL.Path, Verb: strings.ToLower(r.Method)},
		User:                  user.Username, UID: user.UID, Groups: user.Groups, Extra: map[string]authorizationv1.ExtraValue{},
	}}
	for name, value := range user.Extra {
		question.Spec.Extra[name] = authorizationv1.ExtraValue(value)
	}
	answer, err := m.access.Create(ctx, question, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("review an access: %w", err)
	}
	if !answer.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}
