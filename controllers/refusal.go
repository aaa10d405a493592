package controllers

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

const (
	// refusedInterval is how often an object is applied again that the API server did not take.
	refusedInterval = time.Minute
	// forbiddenPatience is how long a write that the API server forbids is tried again at once. An API server that has just
	// started forbids what it allows as soon as it has read the roles.
	forbiddenPatience = 15 * time.Second
	// failingPatience is how long a write that the API server fails to do is tried again at once. What is restarted, be it the API
	// server or an admission webhook, mostly is back by then.
	failingPatience = time.Minute
)

// refusal returns the finding for an error that only a person can help: an object that is not ours, one that the API server
// does not accept, or one that it has failed to write for long. It returns nil for all other errors.
func (s *scope) refusal(err error) *finding {
	var foreign *foreignError
	switch {
	case errors.As(err, &foreign):
		return fails(v1alpha1.ReasonNameTaken, foreign.Error())
	case apierrors.HasStatusCause(err, namespaceTerminating):
		return nil
	case apierrors.IsForbidden(err):
		if !s.lasts(&s.memory.forbidden, forbiddenPatience) {
			return nil
		}
		return refused(err)
	case apierrors.IsInvalid(err), denied(err):
		return refused(err)
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return nil
	}
	var answer *apierrors.StatusError
	if !errors.As(err, &answer) || !s.lasts(&s.memory.failing, failingPatience) {
		return nil
	}
	s.withheld = append(s.withheld, err)
	return failing(err, answer)
}

func refused(err error) *finding {
	return fails(v1alpha1.ReasonRefused, fmt.Sprintf("The API server refuses an object of the channel: %s.", err))
}

// tellRefusal turns an error that only a person can help into a condition's finding.
func (s *scope) tellRefusal(err error, condition **finding) error {
	if f := s.refusal(err); f != nil {
		*condition = f
		s.wakeUpIn(refusedInterval)
		return nil
	}
	return err
}

// denials are what the API server says where a policy denies a write, be it an admission webhook or the API server's own.
var denials = regexp.MustCompile(`denied (the )?request`)

// denied reports whether a policy denies an object. The code is no help: the policy chooses it, and where an admission webhook
// chooses none, as policy engines do, the API server answers 400.
func denied(err error) bool {
	var answer *apierrors.StatusError
	return errors.As(err, &answer) && (answer.ErrStatus.Code == http.StatusBadRequest || denials.MatchString(answer.ErrStatus.Message))
}

// lasts notes that the API server did not take something, and reports whether it has not for long. What status tells already has
// lasted: an operator that has just started does not take it back.
func (s *scope) lasts(p *spell, patience time.Duration) bool {
	return p.meet(s.now, patience) || s.tellsOfRefusal()
}

// tellsOfRefusal reports whether status says that the API server does not take an object of the channel.
func (s *scope) tellsOfRefusal() bool {
	for _, conditionType := range []string{
		v1alpha1.ConditionReceiverAvailable, v1alpha1.ConditionHelpdeskReady, v1alpha1.ConditionCallbackReachable,
	} {
		if s.hasReason(conditionType, v1alpha1.ReasonRefused, v1alpha1.ReasonVolumeNotEnlarged, v1alpha1.ReasonAPIServerFailing) {
			return true
		}
	}
	return s.hasReason(v1alpha1.ConditionWebhookRegistered, v1alpha1.ReasonAPIServerFailing)
}

// failedCall is what the API server says where an admission webhook does not work. The rest of that has the address.
var failedCall = regexp.MustCompile(`failed calling webhook "([^"]+)"`)

// failing says what the API server fails to do. Its answer is not quoted: it may name the Service of an admission webhook, in
// another namespace, and so may the name of a webhook that is called after its Service.
func failing(err error, answer *apierrors.StatusError) *finding {
	doing, wrapped := strings.CutSuffix(err.Error(), ": "+answer.Error())
	if !wrapped {
		doing = "handle an object of the channel"
	}
	cause := fmt.Sprintf("it answers with HTTP status %d", answer.ErrStatus.Code)
	if call := failedCall.FindStringSubmatch(answer.Error()); call != nil {
		cause = "an admission webhook does not work"
		if !strings.Contains(call[1], ".svc") {
			cause = fmt.Sprintf("admission webhook %q does not work", call[1])
		}
	}
	return fails(v1alpha1.ReasonAPIServerFailing, fmt.Sprintf(
		"The API server fails to %s: %s. An administrator of the cluster has to mend that; the operator tries again, and its log has the whole answer.",
		doing, cause))
}
