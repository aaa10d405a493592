package controllers

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// silentAfter is how often in a row a receiver that is available does not answer before that is said. With the intervals in
// between that takes half a minute, so that one which merely restarts is not spoken of.
const silentAfter = 4

// silentMirrorInterval is when a receiver is asked again that did not answer so often in a row: after 5 seconds, which double
// up to 5 minutes.
func silentMirrorInterval(silences int) time.Duration {
	interval := uncheckedMirrorInterval
	for range silences - 1 {
		if interval *= 2; interval >= mirrorInterval {
			return mirrorInterval
		}
	}
	return interval
}

// tellOfSilence says that what only the receiver knows is not known, once it has been silent for long. What it said was wrong
// stays wrong.
func (s *scope) tellOfSilence() {
	if s.memory.mirror.silences < silentAfter {
		return
	}
	message := fmt.Sprintf("The operator cannot read the receiver's status at %s. Let it through: a NetworkPolicy, a service mesh or an operator outside the cluster may be in the way. Messages are taken meanwhile.",
		net.JoinHostPort(manifests.ReceiverHost(s.channel.Namespace, s.channel.Name), strconv.Itoa(config.PrivatePort)))
	findings := s.findings()
	s.durable = doubted(findings[v1alpha1.ConditionDurable], message)
	if s.channel.Spec.Helpdesk != (v1alpha1.Helpdesk{}) {
		s.helpdeskReady = doubted(findings[v1alpha1.ConditionHelpdeskReady], message)
	}
}

// doubted is what stands of a finding of a receiver that has been silent since.
func doubted(f *finding, silence string) *finding {
	if f.status != metav1.ConditionFalse {
		return unknown(v1alpha1.ReasonReceiverSilent, silence)
	}
	return fails(f.reason, strings.TrimSuffix(f.message, " "+silence)+" "+silence)
}

// endSilence makes room for what a receiver says that was silent, even if it does not say all yet.
func (s *scope) endSilence() {
	if s.hasReason(v1alpha1.ConditionDurable, v1alpha1.ReasonReceiverSilent) {
		s.durable = unknown(v1alpha1.ReasonPending, "The receiver has not said yet.")
	}
	if s.helpdeskReady == nil && s.hasReason(v1alpha1.ConditionHelpdeskReady, v1alpha1.ReasonReceiverSilent) {
		s.helpdeskReady = unknown(v1alpha1.ReasonPending, "The receiver has not checked the helpdesk yet.")
	}
}

// onceTold reports whether a receiver of the channel has ever said how it is.
func (s *scope) onceTold() bool {
	told := s.channel.Status.Receiver
	return told != nil && told.Backlog != nil
}
