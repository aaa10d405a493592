package controllers

import (
	"bytes"
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const (
	// previousLifetime is how long a receiver accepts the app secret and the verify token that were replaced.
	previousLifetime = 24 * time.Hour
	// takeUpTime is how long a receiver may need to take up a Secret that changed: the kubelet brings it within two minutes.
	takeUpTime = 5 * time.Minute

	// sinceSuffix makes, of the key of a previous value, the key that says since when it is the previous one.
	sinceSuffix = ".since"
)

// previous is a value that receivers accept besides the current one. While nothing is replaced it is the current value,
// so that the one that was good until now is accepted without a gap from the moment at which another takes its place.
type previous struct {
	// file is its key in the Secret of the private API, and its name in the receiver.
	file    string
	current cloudapi.Token
	// keep says, where the value was replaced a moment ago, that it was good: one that never was is not accepted any longer.
	keep bool
}

// keepPrevious brings the previous values in the data of the private API's Secret up to date.
func (s *scope) keepPrevious(data map[string][]byte) {
	s.keepOne(data, previous{config.PreviousAppSecretFile, s.appSecret.value, s.appSecretWasProven()})
	s.verifyTokenReplaced = s.keepOne(data, previous{config.PreviousVerifyTokenFile, s.verifyToken.value, true})
}

// keepOne keeps one previous value, and returns when it was replaced; the zero time while it is the current one.
func (s *scope) keepOne(data map[string][]byte, p previous) time.Time {
	if p.current == "" {
		return time.Time{}
	}
	known, since := data[p.file], p.file+sinceSuffix
	replaced, err := time.Parse(time.RFC3339, string(data[since]))
	noticed := err != nil
	if noticed {
		replaced = s.now.UTC().Truncate(time.Second)
	}
	end := replaced.Add(previousLifetime)
	if len(known) == 0 || bytes.Equal(known, []byte(p.current)) || (noticed && !p.keep) || !s.now.Before(end) {
		data[p.file] = []byte(p.current)
		delete(data, since)
		return time.Time{}
	}
	data[since] = []byte(replaced.Format(time.RFC3339))
	s.wakeUpAt(end)
	return replaced
}

// appSecretWasProven reports whether Meta accepted the app secret that was in use at the last reconciliation: the number
// is looked for only after that.
func (s *scope) appSecretWasProven() bool {
	return s.channel.Status.PhoneNumber != nil && !s.hasReason(v1alpha1.ConditionCredentialsValid, v1alpha1.ReasonAppSecretInvalid)
}

// verifyTokenDue reports whether Meta is to be told a verify token that took the place of another: as soon as the callback
// URL answers to it or, where the cluster cannot reach that, once the receiver must have taken it up.
func (s *scope) verifyTokenDue() bool {
	if s.verifyTokenReplaced.IsZero() || s.channel.Spec.Callback.Registration != v1alpha1.RegistrationAutomatic {
		return false
	}
	if s.callback != nil && s.callback.status == metav1.ConditionTrue {
		return true
	}
	takenUp := s.verifyTokenReplaced.Add(takeUpTime)
	if s.now.Before(takenUp) {
		s.wakeUpAt(takenUp)
		return false
	}
	return true
}

// confirmVerifyToken ends the time of the previous verify token, because Meta made its handshake with the current one.
func (r *Reconciler) confirmVerifyToken(ctx context.Context, s *scope) error {
	if s.verifyTokenReplaced.IsZero() {
		return nil
	}
	secret, err := r.secrets.get(ctx, types.NamespacedName{Namespace: s.channel.Namespace, Name: manifests.APIName(s.channel.Name)})
	if err != nil {
		return err
	}
	changed := secret.DeepCopy()
	changed.Data[config.PreviousVerifyTokenFile] = []byte(s.verifyToken.value)
	delete(changed.Data, config.PreviousVerifyTokenFile+sinceSuffix)
	if _, err := r.changeSecret(ctx, secret, changed); err != nil {
		return err
	}
	s.verifyTokenReplaced = time.Time{}
	return nil
}

// rotateVerifyToken puts a new token into the Secret of a generated verify token, if one is asked for that the Secret has
// not got yet. The request is noted with the token, so that each is acted on once whatever happens in between.
func (r *Reconciler) rotateVerifyToken(ctx context.Context, s *scope, secret *corev1.Secret) (*corev1.Secret, error) {
	request := rotationRequest(s.channel)
	if request != "" && secret.Annotations[manifests.RotationAnnotation] != request {
		token, err := r.newToken()
		if err != nil {
			return nil, err
		}
		changed := secret.DeepCopy()
		changed.Data = map[string][]byte{manifests.VerifyTokenKey: []byte(token)}
		metav1.SetMetaDataAnnotation(&changed.ObjectMeta, manifests.RotationAnnotation, request)
		if secret, err = r.changeSecret(ctx, secret, changed); err != nil {
			return nil, err
		}
		log.FromContext(ctx).Info("Made another verify token, as it was asked for")
	}
	s.rotation = request
	return secret, nil
}

// rotationRequest is the value of the annotation rotateVerifyTokenAt as it is kept.
func rotationRequest(channel *v1alpha1.WhatsAppChannel) string {
	return shortened(channel.Annotations[v1alpha1.RotateVerifyTokenAtAnnotation])
}
