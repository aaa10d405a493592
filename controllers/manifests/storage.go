package manifests

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// defaultSize is the size of a volume where the channel names none.
var defaultSize = resource.MustParse("1Gi")

// PersistentVolumeClaim is the volume of the receiver's embedded store. existing is the claim that is there, or nil:
// a claim cannot shrink and cannot change its class, so both are kept from it.
//
// The access mode is ReadWriteOnce although only one pod may write: every provisioner knows it, while many refuse
// ReadWriteOncePod, which would leave the channel without a receiver. That one pod at a time writes is ensured by the
// Deployment's Recreate strategy and by the lock file of the store.
func PersistentVolumeClaim(channel *v1alpha1.WhatsAppChannel, phoneNumberID string, existing *corev1.PersistentVolumeClaim) *corev1ac.PersistentVolumeClaimApplyConfiguration {
	size, class := defaultSize, ""
	if sqlite := channel.Spec.Receiver.Storage.SQLite; sqlite != nil {
		if sqlite.Size != nil {
			size = *sqlite.Size
		}
		class = sqlite.StorageClassName
	}
	if existing != nil {
		if current := existing.Spec.Resources.Requests[corev1.ResourceStorage]; current.Cmp(size) > 0 {
			size = current
		}
		if current := existing.Spec.StorageClassName; current != nil && class != "" {
			class = *current
		}
	}
	spec := corev1ac.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithResources(corev1ac.VolumeResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceStorage: size}))
	if class != "" {
		spec.WithStorageClassName(class)
	}
	claim := corev1ac.PersistentVolumeClaim(DataName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithAnnotations(identity(channel, phoneNumberID)).
		WithSpec(spec)
	if !Retained(channel) {
		claim.WithOwnerReferences(owner(channel))
	}
	return claim
}
