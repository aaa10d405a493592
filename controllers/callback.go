package controllers

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/probe"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const (
	// A Service leads to a receiver a moment after that is ready, so the first try fails often and the second is soon.
	firstProbeBackoff = 2 * time.Second
	maxProbeBackoff   = 10 * time.Minute
)

// resolveCallbackURL computes the URL that Meta calls. It holds nothing that a rotation changes.
func (r *Reconciler) resolveCallbackURL(_ context.Context, s *scope) error {
	if hostname := r.hostname(s.channel); hostname != "" {
		s.callbackURL = "https://" + hostname + config.CallbackPath(s.channel.Namespace, s.channel.Name)
	}
	return nil
}

// hostname is the public name of a channel: its own, else the operator's, else none.
func (r *Reconciler) hostname(channel *v1alpha1.WhatsAppChannel) string {
	return cmp.Or(channel.Spec.Callback.Hostname, r.Options.CallbackHostname)
}

const hostnameMissing = "Nobody said under which name Meta reaches the channel. Set spec.callback.hostname, or --callback-hostname of the operator."

// probeCallback makes Meta's handshake through the public URL. What it finds informs, and never stops anything: Meta
// may well reach what the cluster does not.
func (r *Reconciler) probeCallback(ctx context.Context, s *scope) error {
	switch {
	case s.callback != nil:
		return nil
	case s.callbackURL == "":
		s.callback = unknown(v1alpha1.ReasonHostnameMissing, hostnameMissing)
		return nil
	case !s.available || !s.verifyToken.known():
		s.callback = unknown(v1alpha1.ReasonWaitingForReceiver, "The callback URL is tried as soon as the receiver runs: see ReceiverAvailable.")
		s.memory.probe = probeMemory{}
		return nil
	}
	// What a person or a controller changed may have mended it, so it is not waited for.
	asked := probeMemory{url: s.callbackURL, token: s.verifyToken.version, exposure: s.exposure.text()}
	last := &s.memory.probe
	if last.finding != nil && last.sameQuestion(asked) && s.now.Before(last.next()) && s.newRequest() == "" {
		s.callback = last.finding
		s.wakeUpAt(last.next())
		return nil
	}
	random := make([]byte, 16)
	if _, err := io.ReadFull(r.Random, random); err != nil {
		return fmt.Errorf("make a challenge: %w", err)
	}
	err := r.Prober.Probe(ctx, s.callbackURL, string(s.verifyToken.value), hex.EncodeToString(random))
	s.callback = reachability(err, s.exposure)
	asked.at, asked.finding = s.now, s.callback
	if err != nil {
		asked.failures, asked.cause = last.failures+1, cause(err)
	}
	*last = asked
	s.wakeUpAt(last.next())
	return nil
}

func (p *probeMemory) sameQuestion(other probeMemory) bool {
	return p.url == other.url && p.token == other.token && p.exposure == other.exposure
}

// next is when the callback URL is tried again.
func (p *probeMemory) next() time.Time {
	if p.failures == 0 {
		return p.at.Add(refreshInterval)
	}
	wait := maxProbeBackoff
	if p.failures < 10 {
		wait = min(firstProbeBackoff<<(p.failures-1), maxProbeBackoff)
	}
	return p.at.Add(wait)
}

var probeReasons = map[probe.Problem]string{
	probe.NameNotResolved:    v1alpha1.ReasonNameNotResolved,
	probe.ConnectionFailed:   v1alpha1.ReasonConnectionFailed,
	probe.TLSFailed:          v1alpha1.ReasonTLSFailed,
	probe.TimedOut:           v1alpha1.ReasonTimedOut,
	probe.AddressNotAllowed:  v1alpha1.ReasonAddressNotAllowed,
	probe.Redirected:         v1alpha1.ReasonRedirected,
	probe.UnexpectedStatus:   v1alpha1.ReasonUnexpectedStatus,
	probe.VerifyTokenRefused: v1alpha1.ReasonVerifyTokenRefused,
	probe.WrongAnswer:        v1alpha1.ReasonWrongAnswer,
}

// cause is why a probe failed, as half a sentence.
func cause(err error) string {
	var failure *probe.Error
	if errors.As(err, &failure) {
		return failure.Error()
	}
	return "the callback URL could not be tried"
}

// reachability words the outcome of a probe. What the way in still waits for explains a failure.
func reachability(err error, exposure *finding) *finding {
	if err == nil {
		return works(v1alpha1.ReasonReachable, "The operator's own handshake through the callback URL succeeded.")
	}
	var failure *probe.Error
	if !errors.As(err, &failure) {
		return unknown(v1alpha1.ReasonPending, "The callback URL could not be tried.")
	}
	found := fails(probeReasons[failure.Problem], "The operator's own handshake through the callback URL failed: "+failure.Error()+".")
	if exposure != nil {
		found.reason = cmp.Or(exposure.reason, found.reason)
		found.message += " " + exposure.message
	}
	return found
}

// reconciled is what CallbackReachable says once it is known whether Meta reaches the callback URL: Meta's word counts
// more than that of a cluster that cannot reach its own front door.
func reconciled(callback, registered *finding) *finding {
	if callback.status != metav1.ConditionFalse || registered.status != metav1.ConditionTrue {
		return callback
	}
	switch callback.reason {
	case v1alpha1.ReasonNameNotResolved, v1alpha1.ReasonConnectionFailed, v1alpha1.ReasonTimedOut, v1alpha1.ReasonAddressNotAllowed:
		return unknown(v1alpha1.ReasonNotReachableFromCluster, "Meta has the callback URL, but it cannot be reached from inside the cluster. "+callback.message)
	}
	return callback
}
