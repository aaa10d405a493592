package controllers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/fnv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

const (
	// refreshInterval is how often Meta is asked at most where nothing changed; up to refreshJitter is added, by channel.
	refreshInterval = time.Hour
	refreshJitter   = 6 * time.Minute
	// shareableAge is how old an answer that another channel, or this one, got with the same token may be where something
	// changed.
	shareableAge = time.Minute
	// pendingManualInterval is how often Meta is asked while a person has to paste the callback URL.
	pendingManualInterval = 10 * time.Minute
	// lastKnownLifetime is how long what Meta said stands while Meta does not answer.
	lastKnownLifetime = 6 * time.Hour

	firstBackoff = 15 * time.Second
	maxBackoff   = 30 * time.Minute

	// unwatchedSecretInterval is how often a Secret is looked for that is missing or lacks the label: such a one is not
	// watched.
	unwatchedSecretInterval = time.Minute

	// maxRequestLength is how much of the annotation requestedAt status keeps.
	maxRequestLength = 256
)

// refreshPlan says whether Meta is asked in this reconciliation.
type refreshPlan struct {
	due bool
	// fresh is how old answers may be. The time of the oldest is when all that status says was read, so that channels
	// with one token fall into step, and the first that is due asks for all.
	fresh *freshness
	// inputs is the fingerprint of what Meta is asked about.
	inputs string
	// changed says that the fingerprint is not that of the last attempt.
	changed bool
	// request is the value of the annotation requestedAt that this refresh answers, if any.
	request string
}

// planRefresh decides whether Meta is asked. Its inputs are the channel, the Secrets' versions and the clock, so a
// restarted operator with a fresh status asks nothing.
func (r *Reconciler) planRefresh(s *scope) refreshPlan {
	graph := s.channel.Status.Graph
	if graph == nil {
		graph = &v1alpha1.GraphStatus{}
	}
	plan := refreshPlan{inputs: r.fingerprint(s), fresh: &freshness{maxAge: shareableAge}}
	plan.changed = plan.inputs != graph.Inputs
	if plan.request = s.newRequest(); plan.request != "" {
		plan.fresh.maxAge = 0
	}
	waiting := graph.NextAttemptTime != nil && s.now.Before(graph.NextAttemptTime.Time)
	switch {
	case !s.accessToken.known():
		// There is nothing to ask with.
	case plan.changed, plan.request != "":
		plan.due = true
	case waiting:
		// Only what Meta's own handshake waited for is worth asking earlier.
		plan.due = s.reachableNow()
	case s.handshakeSeen():
		// An answer from before the handshake would not show what it was about.
		plan.due, plan.fresh.maxAge = true, 0
	case s.blockageGone():
		plan.due = true
	case graph.LastRefreshTime == nil, graph.NextAttemptTime != nil:
		plan.due = true
	default:
		plan.due = !s.now.Before(graph.LastRefreshTime.Add(s.interval()))
		plan.fresh.maxAge = s.interval() / 2
	}
	return plan
}

// interval is how long what Meta said is good for.
func (s *scope) interval() time.Duration {
	if s.awaitsPaste() {
		return pendingManualInterval
	}
	return s.hourly()
}

// hourly is how long an hour is for a channel: they are not to look all at once.
func (s *scope) hourly() time.Duration {
	spread := fnv.New32a()
	_, _ = spread.Write([]byte(s.channel.UID))
	return refreshInterval + time.Duration(spread.Sum32())%refreshJitter
}

// awaitsPaste reports whether a person has to do something at Meta before the channel is registered.
func (s *scope) awaitsPaste() bool {
	return s.channel.Spec.Callback.Registration != v1alpha1.RegistrationAutomatic &&
		s.hasReason(v1alpha1.ConditionWebhookRegistered, v1alpha1.ReasonNotRegistered,
			v1alpha1.ReasonAccountNotSubscribed, v1alpha1.ReasonAppNotSubscribed, v1alpha1.ReasonFieldNotSubscribed)
}

// blockageGone reports whether something in the cluster that a condition about Meta waited for has come about.
func (s *scope) blockageGone() bool {
	switch {
	case s.held && s.hasReason(v1alpha1.ConditionPhoneNumberReady, v1alpha1.ReasonClaiming, v1alpha1.ReasonNumberTaken):
		return true
	case s.available && s.verifyToken.known() && s.hasReason(v1alpha1.ConditionWebhookRegistered, v1alpha1.ReasonWaitingForReceiver):
		return true
	case s.hasReason(v1alpha1.ConditionWebhookRegistered, v1alpha1.ReasonRegistering) && s.prepared():
		return true
	case s.hasReason(v1alpha1.ConditionWebhookRegistered, v1alpha1.ReasonRegistered) && s.verifyTokenDue():
		return true
	case s.hasReason(v1alpha1.ConditionWebhookRegistered, v1alpha1.ReasonWaitingForCallback) && !s.callbackSettling():
		return true
	}
	return s.reachableNow()
}

// reachableNow reports whether the callback URL, at which Meta's handshake failed, has come to answer the operator's.
func (s *scope) reachableNow() bool {
	return s.hasReason(v1alpha1.ConditionWebhookRegistered, v1alpha1.ReasonCallbackVerificationFailed) &&
		!s.hasReason(v1alpha1.ConditionCallbackReachable, v1alpha1.ReasonReachable) &&
		s.callback != nil && s.callback.status == metav1.ConditionTrue
}

// handshakeSeen reports whether the receiver saw a handshake since Meta was last asked, while a person has to paste the
// callback URL: it shows that it was pasted.
func (s *scope) handshakeSeen() bool {
	graph, mirror := s.channel.Status.Graph, s.memory.mirror
	return s.awaitsPaste() && mirror.handshakeSeen && graph != nil && graph.LastRefreshTime != nil &&
		mirror.handshake.After(graph.LastRefreshTime.Time)
}

// fingerprint identifies what Meta is asked about: a change of it makes what status says of Meta outdated.
func (r *Reconciler) fingerprint(s *scope) string {
	spec := s.channel.Spec
	encoded, err := json.Marshal([]string{
		spec.BusinessAccountID,
		cloudapi.Digits(spec.PhoneNumber),
		string(spec.Callback.Registration),
		string(spec.Callback.AppSubscription),
		s.callbackURL,
		s.channel.Annotations[v1alpha1.TakeOverAnnotation],
		s.accessToken.version,
		s.appSecret.version,
		r.Options.Graph.BaseURL,
		r.Options.Graph.Version,
	})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16])
}

// newRequest returns the value of the annotation requestedAt, as status keeps it, if it was not acted on yet.
func (s *scope) newRequest() string {
	request := shortened(s.channel.Annotations[v1alpha1.RequestedAtAnnotation])
	if request == s.channel.Status.LastHandledRequest {
		return ""
	}
	return request
}

// shortened is the value of an annotation, or where that is long its hash.
func shortened(request string) string {
	if len(request) <= maxRequestLength {
		return request
	}
	sum := sha256.Sum256([]byte(request))
	return hex.EncodeToString(sum[:])
}

// backoff is how long to wait after a number of failures in a row.
func backoff(failures int32, failure error) time.Duration {
	wait := maxBackoff
	if failures < 8 {
		wait = min(firstBackoff<<(failures-1), maxBackoff)
	}
	if cloudapi.ClassOf(failure) == cloudapi.ClassThrottled {
		wait = max(wait, throttledPause)
	}
	return max(wait, cloudapi.RetryAfter(failure))
}

// lastKnownStands reports whether what status says of Meta is still good although Meta does not answer.
func (s *scope) lastKnownStands(conditionType string) bool {
	graph := s.channel.Status.Graph
	return !s.refresh.changed && graph != nil && graph.LastRefreshTime != nil &&
		s.now.Sub(graph.LastRefreshTime.Time) < lastKnownLifetime &&
		s.condition(conditionType) != nil &&
		!s.hasReason(conditionType, v1alpha1.ReasonPending, v1alpha1.ReasonGraphUnavailable, v1alpha1.ReasonGraphThrottled,
			v1alpha1.ReasonWaitingForCredentials)
}

// unanswered notes that Meta could not be asked, and returns what to say of it: nothing where what is known stands.
func (s *scope) unanswered(conditionType string, err error) *finding {
	s.graphFailure = err
	if s.lastKnownStands(conditionType) {
		return nil
	}
	if cloudapi.ClassOf(err) == cloudapi.ClassThrottled {
		return unknown(v1alpha1.ReasonGraphThrottled, "Meta's hourly limit of calls is used up. The operator asks again when it is over; nothing has to be done.")
	}
	return unknown(v1alpha1.ReasonGraphUnavailable, "Meta could not be asked: "+sentence(err)+" The operator asks again; a running receiver is not affected.")
}
