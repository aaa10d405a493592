package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// storage looks after what the receiver keeps its data in: the embedded store's volume, or the Secret that leads to
// PostgreSQL. Data never changes places by itself.
func (r *Reconciler) storage(ctx context.Context, s *scope) error {
	deployment := &appsv1.Deployment{}
	exists, err := r.find(ctx, s, manifests.ReceiverName(s.channel.Name), deployment)
	if err != nil {
		return err
	}
	s.deploymentSeen = exists
	declared := manifests.StorageOf(s.channel)
	if exists && metav1.IsControlledBy(deployment, s.channel) && manifests.StorageInUse(deployment) != declared {
		s.blockReceiver(migrationNeeded(deployment.Name, manifests.StorageInUse(deployment), declared))
		return nil
	}
	if declared == manifests.Postgres {
		return r.database(ctx, s)
	}
	return r.volume(ctx, s)
}

func migrationNeeded(deployment string, used, declared manifests.StorageKind) *finding {
	message := fmt.Sprintf("The channel's data is in %s, and spec.receiver.storage now says %s. ", used, declared)
	if declared == manifests.Postgres {
		message += fmt.Sprintf("Scale Deployment %q to zero, copy the data with `receiver migrate`, and delete that Deployment: the receiver then starts on PostgreSQL. Or set the storage back.", deployment)
	} else {
		message += fmt.Sprintf("Set the storage back. Or delete Deployment %q to start with an empty store: what is in PostgreSQL is then not used any more.", deployment)
	}
	return fails(v1alpha1.ReasonMigrationNeeded, message)
}

// database makes sure that there is a connection string, and lets several receivers be drained one at a time.
func (r *Reconciler) database(ctx context.Context, s *scope) error {
	ref := s.channel.Spec.Receiver.Storage.Postgres.DSNSecretRef
	dsn, missing, err := r.resolve(ctx, s.channel.Namespace, ref, "receiver.storage.postgres.dsnSecretRef")
	if err != nil {
		return err
	}
	s.postgresDSN = dsn.value
	if missing != nil {
		s.blockReceiver(missing)
		s.wakeUpIn(unwatchedSecretInterval)
	}
	budget := &policyv1.PodDisruptionBudget{}
	if !manifests.MayBeSeveral(s.channel) {
		return r.blockOnRefusal(s, r.remove(ctx, s, manifests.ReceiverName(s.channel.Name), budget))
	}
	return r.blockOnRefusal(s, r.own(ctx, s, manifests.PodDisruptionBudget(s.channel), budget))
}

// volume makes the embedded store's volume, or takes over the one that an earlier channel of the same account and
// number left behind.
func (r *Reconciler) volume(ctx context.Context, s *scope) error {
	claim := &corev1.PersistentVolumeClaim{}
	name := manifests.DataName(s.channel.Name)
	existed, err := r.findOrMake(ctx, s, manifests.PersistentVolumeClaim(s.channel, s.numberID(nil), nil), claim)
	if err != nil || !existed {
		return r.blockOnRefusal(s, err)
	}
	if !madeFor(claim, s.channel) {
		return r.blockOnRefusal(s, &foreignError{kind: "PersistentVolumeClaim", name: name})
	}
	if verdict := heirloom(s, claim); verdict != mayUse {
		s.blockReceiver(verdict.finding(v1alpha1.ReasonStorageOfAnotherNumber, "PersistentVolumeClaim", name))
		return nil
	}
	return r.applyVolume(ctx, s, claim)
}

// blockOnRefusal turns an error that only a person can help into the reason why there is no receiver.
func (r *Reconciler) blockOnRefusal(s *scope, err error) error {
	if f := s.refusal(err); f != nil {
		s.blockReceiver(f)
		s.wakeUpIn(refusedInterval)
		return nil
	}
	return err
}

// madeFor reports whether the operator made an object for a channel of this name. Objects that outlive their channel
// have no owner, so their labels have to tell.
func madeFor(object metav1.Object, channel *v1alpha1.WhatsAppChannel) bool {
	labels := object.GetLabels()
	return labels[manifests.ManagedByLabel] == manifests.ManagedBy && labels[manifests.InstanceLabel] == channel.Name
}

// applyHeirloom applies the declaration of an object that outlives its channel. That never loses anything but an owner, so an
// object which has everything, and no owner too many, needs no write.
func (r *Reconciler) applyHeirloom(ctx context.Context, s *scope, declared declaration, current client.Object) error {
	if !manifests.Retained(s.channel) || len(current.GetOwnerReferences()) == 0 {
		return r.supplement(ctx, declared, current)
	}
	return r.apply(ctx, declared, current)
}

// verdict says whether a channel may use an object that may be an earlier channel's.
type verdict int

const (
	mayUse verdict = iota
	ofAnotherAccount
	ofAnotherNumber
	notKnownYet
)

// heirloom judges an object that outlives its channel. It may be used by the channel that uses it already, or by one
// of the same account and number.
func heirloom(s *scope, object metav1.Object) verdict {
	annotations := object.GetAnnotations()
	account, recorded := annotations[manifests.BusinessAccountAnnotation], annotations[manifests.PhoneNumberAnnotation]
	switch {
	case account != "" && account != s.channel.Spec.BusinessAccountID:
		return ofAnotherAccount
	case recorded == "":
		// It never belonged to a number, so it cannot belong to another one.
		return mayUse
	case s.number != nil && s.held:
		if s.number.ID != recorded {
			return ofAnotherNumber
		}
		return mayUse
	case annotations[manifests.ChannelUIDAnnotation] == string(s.channel.UID):
		return mayUse
	}
	return notKnownYet
}

func (v verdict) finding(reason, kind, name string) *finding {
	switch v {
	case ofAnotherAccount:
		return fails(reason, fmt.Sprintf("%s %q was kept from a channel of another business account. Delete it if its content is not needed any more, or make this channel under another name.", kind, name))
	case ofAnotherNumber:
		return fails(reason, fmt.Sprintf("%s %q was kept from a channel of another phone number. Delete it if its content is not needed any more, or make this channel under another name.", kind, name))
	default:
		return fails(v1alpha1.ReasonWaitingForPhoneNumber, fmt.Sprintf("%s %q was kept from an earlier channel. It is used as soon as Meta confirmed that this channel has the same phone number.", kind, name))
	}
}

// numberID is the phone number ID to record on an object: the channel's, once it is known to be this channel's, else
// the one that is recorded already.
func (s *scope) numberID(object metav1.Object) string {
	if s.number != nil && s.held {
		return s.number.ID
	}
	if object != nil {
		return object.GetAnnotations()[manifests.PhoneNumberAnnotation]
	}
	return ""
}
