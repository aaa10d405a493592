package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	apiv1alpha1 "github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// conditionOrder is the order of conditions in status.
var conditionOrder = []string{
	v1alpha1.ConditionCredentialsValid,
	v1alpha1.ConditionPhoneNumberReady,
	v1alpha1.ConditionReceiverAvailable,
	v1alpha1.ConditionDurable,
	v1alpha1.ConditionHelpdeskReady,
	v1alpha1.ConditionCallbackReachable,
	v1alpha1.ConditionWebhookRegistered,
	v1alpha1.ConditionGraphVersionSupported,
}

// desiredStatus computes the status from what the phases observed. What they did not look at stays as it was.
func (r *Reconciler) desiredStatus(s *scope) v1alpha1.WhatsAppChannelStatus {
	status := *s.channel.Status.DeepCopy()
	status.ObservedGeneration = new(s.observedGeneration())
	if s.invalidSpec == nil {
		s.version = judgeVersion(r.Options.Graph.Version, s.now)
	}
	status.Conditions = s.conditions()
	if s.invalidSpec != nil {
		return status
	}
	status.CallbackURL = s.callbackURL
	status.VerifyTokenSecretRef = s.verifyTokenRef
	status.Graph = r.graphStatus(s)
	if s.number != nil {
		status.PhoneNumber = s.number
	}
	if s.numbersRead {
		status.AvailablePhoneNumbers = s.numbers
	}
	if s.app != nil {
		status.App = s.app
	}
	if s.token != nil {
		status.AccessToken = s.token
	}
	if s.registration != nil {
		status.Registration = s.registration
		if *s.registration == (v1alpha1.RegistrationStatus{}) {
			status.Registration = nil
		}
	}
	if s.receiverStatus != nil {
		status.Receiver = s.receiverStatus
	}
	if s.rotation != "" {
		status.LastHandledRotation = s.rotation
	}
	if s.refresh.due && !s.interrupted && s.refresh.request != "" {
		status.LastHandledRequest = s.refresh.request
	}
	return status
}

// conditions sums the findings up. Reconciling and Stalled are there only while they are true.
func (s *scope) conditions() []metav1.Condition {
	findings := s.findings()
	var out []metav1.Condition
	add := func(conditionType string, f *finding) {
		out = append(out, s.toCondition(conditionType, f))
	}
	ready, stalled := summarize(s, findings)
	add(v1alpha1.ConditionReady, ready)
	for _, conditionType := range conditionOrder {
		add(conditionType, findings[conditionType])
	}
	switch {
	case stalled:
		add(v1alpha1.ConditionStalled, works(ready.reason, ready.message))
	case ready.status != metav1.ConditionTrue:
		add(v1alpha1.ConditionReconciling, works(ready.reason, ready.message))
	}
	return out
}

// findings returns one finding for each condition: the new one, else what status says already.
func (s *scope) findings() map[string]*finding {
	findings := map[string]*finding{
		v1alpha1.ConditionCredentialsValid:      s.credentials,
		v1alpha1.ConditionPhoneNumberReady:      s.phoneNumber,
		v1alpha1.ConditionReceiverAvailable:     s.receiver,
		v1alpha1.ConditionDurable:               s.durable,
		v1alpha1.ConditionHelpdeskReady:         s.helpdeskReady,
		v1alpha1.ConditionCallbackReachable:     s.callback,
		v1alpha1.ConditionWebhookRegistered:     s.registered,
		v1alpha1.ConditionGraphVersionSupported: s.version,
	}
	for conditionType, f := range findings {
		if f != nil {
			continue
		}
		findings[conditionType] = unknown(v1alpha1.ReasonPending, "The operator has not looked yet.")
		if known := s.condition(conditionType); known != nil {
			findings[conditionType] = &finding{known.Status, known.Reason, known.Message}
		}
	}
	registered := findings[v1alpha1.ConditionWebhookRegistered]
	findings[v1alpha1.ConditionCallbackReachable] = reconciled(findings[v1alpha1.ConditionCallbackReachable], registered)
	return findings
}

// observedGeneration is the generation that the status speaks of. Where a phase has to be tried again, a new spec was not
// acted on yet: who waits for it has to wait on. A new channel's first status has no earlier one to speak of.
func (s *scope) observedGeneration() int64 {
	if earlier := ptr.Deref(s.channel.Status.ObservedGeneration, 0); s.failed && earlier > 0 {
		return earlier
	}
	return s.channel.Generation
}

// toCondition keeps the time of the last transition where the condition's status did not change.
func (s *scope) toCondition(conditionType string, f *finding) metav1.Condition {
	condition := metav1.Condition{
		Type:               conditionType,
		Status:             f.status,
		Reason:             f.reason,
		Message:            bounded(f.message, 4096),
		ObservedGeneration: s.observedGeneration(),
		LastTransitionTime: metav1.Time{Time: s.now.Truncate(time.Second)},
	}
	if known := s.condition(conditionType); known != nil && known.Status == f.status {
		condition.LastTransitionTime = known.LastTransitionTime
	}
	return condition
}

// graphStatus notes how the conversation with Meta went, so that a restarted operator goes on where this one stopped.
func (r *Reconciler) graphStatus(s *scope) *v1alpha1.GraphStatus {
	status := s.channel.Status.Graph.DeepCopy()
	if status == nil {
		status = &v1alpha1.GraphStatus{}
	}
	status.Version, status.VersionExpiresAt = r.Options.Graph.Version, nil
	if end, known := cloudapi.VersionEnd(status.Version); known {
		status.VersionExpiresAt = &metav1.Time{Time: end}
	}
	switch {
	case s.credentialsMissing != nil:
		// Whatever comes back has to be looked at anew.
		*status = v1alpha1.GraphStatus{Version: status.Version, VersionExpiresAt: status.VersionExpiresAt}
	case !s.refresh.due, s.interrupted:
	case s.graphFailure != nil:
		if s.refresh.changed {
			status.LastRefreshTime, status.Failures = nil, 0
		}
		status.Inputs = s.refresh.inputs
		status.Failures++
		status.NextAttemptTime = &metav1.Time{Time: s.now.Add(backoff(status.Failures, s.graphFailure)).Truncate(time.Second)}
	default:
		status.Inputs = s.refresh.inputs
		status.Failures, status.NextAttemptTime = 0, nil
		status.LastRefreshTime = &metav1.Time{Time: s.readAt().Truncate(time.Second)}
	}
	return status
}

// readAt is when all that was read of Meta in this reconciliation was known to be so.
func (s *scope) readAt() time.Time {
	if oldest := s.refresh.fresh.oldest; !oldest.IsZero() {
		return oldest
	}
	return s.now
}

// nextGraphAttempt is when Meta has to be asked again, by a status.
func nextGraphAttempt(s *scope, graph *v1alpha1.GraphStatus) (time.Time, bool) {
	switch {
	case graph == nil || s.credentialsMissing != nil:
		return time.Time{}, false
	case graph.NextAttemptTime != nil:
		return graph.NextAttemptTime.Time, true
	case graph.LastRefreshTime != nil:
		return graph.LastRefreshTime.Add(s.interval()), true
	}
	return time.Time{}, false
}

// writeStatus applies the status, unless it is what the API server has already.
func (r *Reconciler) writeStatus(ctx context.Context, s *scope, status v1alpha1.WhatsAppChannelStatus) error {
	if equality.Semantic.DeepEqual(status, s.channel.Status) {
		return nil
	}
	declared, err := statusConfiguration(status)
	if err != nil {
		return err
	}
	applied, err := r.applyStatus(ctx, s, declared)
	if err != nil {
		return fmt.Errorf("apply the status: %w", err)
	}
	if applied {
		r.announce(s, status)
	}
	return nil
}

// maxStatusAttempts bounds how often a status is applied again because somebody else changed the channel meanwhile.
const maxStatusAttempts = 5

// applyStatus applies a status, unless the channel is gone. The API server takes a status for whatever has the channel's
// name, so the version keeps that of a deleted channel from a new one; where it is outdated, the UID tells the two apart.
func (r *Reconciler) applyStatus(
	ctx context.Context, s *scope, declared *apiv1alpha1.WhatsAppChannelStatusApplyConfiguration,
) (applied bool, err error) {
	version := s.resourceVersion
	for range maxStatusAttempts {
		channel := apiv1alpha1.WhatsAppChannel(s.channel.Name, s.channel.Namespace).WithResourceVersion(version).WithStatus(declared)
		err = r.Client.Status().Apply(ctx, channel, client.FieldOwner(manifests.ManagedBy), client.ForceOwnership)
		if !apierrors.IsConflict(err) {
			s.memory.statusVersion = ptr.Deref(channel.ResourceVersion, "")
			return err == nil, client.IgnoreNotFound(err)
		}
		current := &v1alpha1.WhatsAppChannel{}
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(s.channel), current); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		if current.UID != s.channel.UID {
			return false, nil
		}
		version = current.ResourceVersion
	}
	return false, err
}

// statusConfiguration turns a status into its apply configuration. All fields of a status are left out where they are
// empty, so nothing is claimed that is not said.
func statusConfiguration(status v1alpha1.WhatsAppChannelStatus) (*apiv1alpha1.WhatsAppChannelStatusApplyConfiguration, error) {
	encoded, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("write the status: %w", err)
	}
	declared := apiv1alpha1.WhatsAppChannelStatus()
	if err := json.Unmarshal(encoded, declared); err != nil {
		return nil, fmt.Errorf("write the status: %w", err)
	}
	return declared, nil
}

// nextWakeUp returns how long nothing has to be looked at, provided that nothing changes.
func (s *scope) nextWakeUp(status v1alpha1.WhatsAppChannelStatus) time.Duration {
	if s.again {
		return time.Millisecond
	}
	wakeUps := s.wakeUps
	if at, ok := nextGraphAttempt(s, status.Graph); ok {
		wakeUps = append(slices.Clone(wakeUps), at)
	}
	if len(wakeUps) == 0 {
		return 0
	}
	next := slices.MinFunc(wakeUps, time.Time.Compare)
	return max(next.Sub(s.now), time.Second)
}
