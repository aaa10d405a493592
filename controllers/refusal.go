package controllers

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

const (
	// refusedInterval is how often an object is applied again that the API server refused.
	refusedInterval = time.Minute
	// forbiddenPatience is how long a write that the API server forbids is tried again at once. An API server that has just
	// started forbids what it allows as soon as it has read the roles.
	forbiddenPatience = 15 * time.Second
)

// refusal returns the finding for an error that only a person can help: an object that is not ours, or one that the
// API server does not accept. It returns nil for all other errors.
func (s *scope) refusal(err error, foreignReason, refusedReason string) *finding {
	var foreign *foreignError
	switch {
	case errors.As(err, &foreign):
		return fails(foreignReason, foreign.Error())
	case apierrors.HasStatusCause(err, namespaceTerminating):
		return nil
	case apierrors.IsForbidden(err) && s.mayPass():
		return nil
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), deniedByWebhook(err):
		return fails(refusedReason, fmt.Sprintf("The API server refuses an object of the channel: %s.", err))
	}
	return nil
}

// deniedByWebhook reports whether an admission webhook denies an object without a code of its own, as policy engines do: the
// API server then answers 400, with whatever reason the webhook gives, or none.
func deniedByWebhook(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && status.Status().Code == http.StatusBadRequest
}

// mayPass notes that the API server forbade something, and reports whether it has not for long. What status tells already has not
// passed: an operator that has just started does not take it back.
func (s *scope) mayPass() bool {
	s.forbidden = true
	if s.memory.forbiddenSince.IsZero() {
		s.memory.forbiddenSince = s.now
	}
	return s.now.Sub(s.memory.forbiddenSince) < forbiddenPatience && !s.tellsOfRefusal()
}

// tellsOfRefusal reports whether status says that the API server does not take an object of the channel.
func (s *scope) tellsOfRefusal() bool {
	for _, conditionType := range []string{v1alpha1.ConditionReceiverAvailable, v1alpha1.ConditionHelpdeskReady, v1alpha1.ConditionCallbackReachable} {
		if s.hasReason(conditionType, v1alpha1.ReasonRefused, v1alpha1.ReasonVolumeNotEnlarged) {
			return true
		}
	}
	return false
}
