package manifests

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// StorageKind is a kind of storage, as it is named in the spec.
type StorageKind string

// The kinds of storage.
const (
	SQLite   StorageKind = "sqlite"
	Postgres StorageKind = "postgres"
)

// postgresSchemaArg is the receiver's argument that makes it use PostgreSQL.
const postgresSchemaArg = "--postgres-schema="

// StorageOf is the kind of storage that a channel declares.
func StorageOf(channel *v1alpha1.WhatsAppChannel) StorageKind {
	if channel.Spec.Receiver.Storage.Postgres != nil {
		return Postgres
	}
	return SQLite
}

// StorageInUse is the kind of storage that a Deployment's receivers keep their data in.
func StorageInUse(deployment *appsv1.Deployment) StorageKind {
	for _, container := range deployment.Spec.Template.Spec.Containers {
		for _, arg := range container.Args {
			if strings.HasPrefix(arg, postgresSchemaArg) {
				return Postgres
			}
		}
	}
	return SQLite
}

// PostgresSchema is the PostgreSQL schema of a channel. Where the channel names none, it is made of its name and, so
// that two channels of one name in two namespaces can share a database, of a hash of both.
func PostgresSchema(channel *v1alpha1.WhatsAppChannel) string {
	if named := channel.Spec.Receiver.Storage.Postgres.Schema; named != "" {
		return named
	}
	sum := sha256.Sum256([]byte(channel.Namespace + "/" + channel.Name))
	return "wa_" + strings.ReplaceAll(channel.Name, "-", "_") + "_" + hex.EncodeToString(sum[:4])
}

// scale says how many pods there are and how they are replaced.
func scale(channel *v1alpha1.WhatsAppChannel, spec *appsv1ac.DeploymentSpecApplyConfiguration) *appsv1ac.DeploymentSpecApplyConfiguration {
	if StorageOf(channel) == SQLite {
		// Two pods must never hold the embedded store at once.
		return spec.WithReplicas(1).WithStrategy(appsv1ac.DeploymentStrategy().WithType(appsv1.RecreateDeploymentStrategyType))
	}
	if replicas := channel.Spec.Receiver.Replicas; replicas != nil {
		spec.WithReplicas(*replicas)
	}
	return spec.WithStrategy(appsv1ac.DeploymentStrategy().
		WithType(appsv1.RollingUpdateDeploymentStrategyType).
		WithRollingUpdate(appsv1ac.RollingUpdateDeployment().
			WithMaxUnavailable(intstr.FromInt32(0)).
			WithMaxSurge(intstr.FromInt32(1))))
}

// MayBeSeveral reports whether a channel may have more than one receiver: it says so, or leaves it to an autoscaler.
func MayBeSeveral(channel *v1alpha1.WhatsAppChannel) bool {
	replicas := channel.Spec.Receiver.Replicas
	return StorageOf(channel) == Postgres && (replicas == nil || *replicas > 1)
}

// PodDisruptionBudget lets a drained node take one receiver of several at a time.
func PodDisruptionBudget(channel *v1alpha1.WhatsAppChannel) *policyv1ac.PodDisruptionBudgetApplyConfiguration {
	return policyv1ac.PodDisruptionBudget(ReceiverName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithOwnerReferences(owner(channel)).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(selector(channel.Name))))
}
