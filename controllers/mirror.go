package controllers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const (
	// mirrorInterval is how often a receiver is asked about itself.
	mirrorInterval = 5 * time.Minute
	// pendingMirrorInterval is how often it is asked while a person has to paste the callback URL, where a handshake that
	// the receiver saw shows that it happened, or has to make room for webhooks that are turned away.
	pendingMirrorInterval = 30 * time.Second
	// uncheckedMirrorInterval is how often it is asked until it has checked the helpdesk of this spec for the first time.
	uncheckedMirrorInterval = 5 * time.Second
	// mirrorTimeout bounds one question.
	mirrorTimeout = 5 * time.Second
	// maxReceiverStatus is more than a receiver answers.
	maxReceiverStatus = 64 << 10
)

// ReceiverStatusReader asks a receiver about itself.
type ReceiverStatusReader interface {
	ReceiverStatus(ctx context.Context, namespace, channel string, access PrivateAPI) (config.Status, error)
}

// mirrorReceiver copies what the receiver says of itself. Where it does not answer, what it said last stands.
func (r *Reconciler) mirrorReceiver(ctx context.Context, s *scope) error {
	last := &s.memory.mirror
	if !s.available || !s.private.known() || s.receiverStatus == nil {
		last.silences = 0
		return nil
	}
	interval := mirrorInterval
	switch f := s.findings()[v1alpha1.ConditionHelpdeskReady]; {
	case last.silences > 0:
		interval = silentMirrorInterval(last.silences)
	case f.status == metav1.ConditionUnknown:
		interval = uncheckedMirrorInterval
	case f.status == metav1.ConditionFalse, s.awaitsPaste(), s.receiverStatus.TurningAway != "":
		interval = pendingMirrorInterval
	}
	if s.now.Before(last.at.Add(interval)) && !s.turned() && s.newRequest() == "" {
		s.wakeUpAt(last.at.Add(interval))
		s.tellOfSilence()
		return nil
	}
	last.at = s.now
	status, err := r.ReceiverStatus.ReceiverStatus(ctx, s.channel.Namespace, s.channel.Name, s.private)
	if err != nil {
		last.silences++
		s.wakeUpAt(last.at.Add(silentMirrorInterval(last.silences)))
		s.tellOfSilence()
		s.again = s.again || s.mayLookPastCache()
		log.FromContext(ctx).V(1).Info("The receiver did not tell its status", "reason", err.Error())
		return nil
	}
	last.silences = 0
	s.wakeUpAt(last.at.Add(interval))
	s.endSilence()
	s.receiverStatus.Backlog, s.receiverStatus.DeadLetters = &status.Backlog, &status.DeadLetters
	s.receiverStatus.Misrouted, s.receiverStatus.Quarantined = &status.Misrouted, &status.Quarantined
	s.receiverStatus.PendingEffects = &status.PendingEffects
	s.receiverStatus.SendingError = bounded(status.SendingError, 1024)
	s.receiverStatus.TurningAway = bounded(status.TurningAway, 1024)
	if at := status.LastMessageTime; at != nil {
		s.receiverStatus.LastMessageTime = &metav1.Time{Time: at.UTC().Truncate(time.Second)}
	}
	if status.Durable != nil {
		s.durable = fails(v1alpha1.ReasonNotDurable, status.DurableReason)
		if *status.Durable {
			s.durable = works(v1alpha1.ReasonDurable, status.DurableReason)
		}
	}
	s.mirrorHelpdesk(status.Helpdesk, manifests.ChannelConfig(s.channel, nil, r.Options.Graph, r.place(s)).Helpdesk)
	// The operator's own handshakes say nothing about Meta's.
	if at := status.LastHandshakeTime; at != nil && at.After(s.memory.probe.at.Add(probeWindow)) && !at.Equal(last.handshake) {
		last.handshake, last.handshakeSeen = *at, true
		s.again = s.again || s.handshakeSeen()
	}
	return nil
}

// probeWindow is how long after the start of a probe a handshake may be the operator's own.
const probeWindow = 15 * time.Second

// turned reports whether a condition is about to change its status.
func (s *scope) turned() bool {
	for conditionType, f := range map[string]*finding{
		v1alpha1.ConditionReceiverAvailable: s.receiver,
		v1alpha1.ConditionWebhookRegistered: s.registered,
		v1alpha1.ConditionPhoneNumberReady:  s.phoneNumber,
		v1alpha1.ConditionCredentialsValid:  s.credentials,
		v1alpha1.ConditionHelpdeskReady:     s.helpdeskReady,
	} {
		if condition := s.condition(conditionType); f != nil && (condition == nil || condition.Status != f.status) {
			return true
		}
	}
	return false
}

// HTTPReceiverStatus asks receivers through their Services.
type HTTPReceiverStatus struct {
	// DialContext connects to the receivers; nil for the usual way.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// ReceiverStatus implements ReceiverStatusReader. It goes straight to the Service, past any proxy, and sends the token to
// no one but the receiver that the certificate is for. Errors hold neither the token nor anything of the answer.
func (h *HTTPReceiverStatus) ReceiverStatus(ctx context.Context, namespace, channel string, access PrivateAPI) (config.Status, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(access.CA) {
		return config.Status{}, errors.New("ask the receiver: there is no certificate to trust it by")
	}
	client := &http.Client{
		Timeout: mirrorTimeout,
		Transport: &http.Transport{
			DialContext: h.DialContext, DisableKeepAlives: true, ResponseHeaderTimeout: mirrorTimeout,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	host := net.JoinHostPort(manifests.ReceiverHost(namespace, channel), strconv.Itoa(config.PrivatePort))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+config.StatusPath, http.NoBody)
	if err != nil {
		return config.Status{}, fmt.Errorf("ask the receiver: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+string(access.Token))
	response, err := client.Do(request)
	if err != nil {
		return config.Status{}, fmt.Errorf("ask the receiver: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return config.Status{}, fmt.Errorf("ask the receiver: HTTP status %d", response.StatusCode)
	}
	var status config.Status
	if err := json.NewDecoder(io.LimitReader(response.Body, maxReceiverStatus)).Decode(&status); err != nil {
		return config.Status{}, fmt.Errorf("read the receiver's status: %w", err)
	}
	return status, nil
}
