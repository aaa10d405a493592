package manifests

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const (
	// ContainerName is the name of the receiver's container.
	ContainerName = "receiver"

	// nonRoot is the user and group of the image. The group also owns the volume and may read the mounted secrets.
	nonRoot int64 = 65532

	// Names of the pod's volumes.
	channelVolume = "channel"
	tlsVolume     = "tls"
	dataVolume    = "data"

	// mountMode lets the pod's group read the mounted files, and nobody else.
	mountMode int32 = 0o440
)

// Pod is what a receiver's pods need to know besides their channel.
type Pod struct {
	// Image is the image of the receiver.
	Image string
	// VerifyToken is where the verify token is.
	VerifyToken v1alpha1.SecretKeyReference
	// HelpdeskToken is where what the receiver shows to the helpdesk is; nil for nothing.
	HelpdeskToken *v1alpha1.SecretKeyReference
	// HelpdeskSigns says that there is a Secret with what the helpdesk signs its calls with.
	HelpdeskSigns bool
	// CA says that the ConfigMap holds certificates to trust.
	CA bool
	// PlatformChoosesUser says that the platform gives pods their user and group, as OpenShift does.
	PlatformChoosesUser bool
	// Environment are variables such as HTTPS_PROXY.
	Environment map[string]string
}

// Deployment runs the receiver. Nothing in it depends on the content of a Secret or of the configuration: those are
// files that the receiver reads again when they change, so that a rotation restarts nothing.
func Deployment(channel *v1alpha1.WhatsAppChannel, pod Pod) *appsv1ac.DeploymentApplyConfiguration {
	return appsv1ac.Deployment(ReceiverName(channel.Name), channel.Namespace).
		WithLabels(Labels(channel.Name)).
		WithOwnerReferences(owner(channel)).
		WithSpec(scale(channel, appsv1ac.DeploymentSpec()).
			WithRevisionHistoryLimit(2).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(selector(channel.Name))).
			WithTemplate(corev1ac.PodTemplateSpec().
				WithLabels(podLabels(channel)).
				WithAnnotations(declaredPod(channel).Annotations).
				WithSpec(podSpec(channel, pod))))
}

func podSpec(channel *v1alpha1.WhatsAppChannel, pod Pod) *corev1ac.PodSpecApplyConfiguration {
	spec := corev1ac.PodSpec().
		WithServiceAccountName(ReceiverName(channel.Name)).
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(30).
		WithSecurityContext(securityContext(pod)).
		WithContainers(container(channel, pod)).
		WithVolumes(volumes(channel, pod)...)
	return place(channel, spec)
}

// securityContext runs the pods without privileges, as the image's user or, where the platform wants to choose, as one of
// its own.
func securityContext(pod Pod) *corev1ac.PodSecurityContextApplyConfiguration {
	context := corev1ac.PodSecurityContext().
		WithRunAsNonRoot(true).
		WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
		WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))
	if pod.PlatformChoosesUser {
		return context
	}
	return context.WithRunAsUser(nonRoot).WithRunAsGroup(nonRoot).WithFSGroup(nonRoot)
}

func container(channel *v1alpha1.WhatsAppChannel, pod Pod) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().
		WithName(ContainerName).
		WithImage(pod.Image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand("/receiver").
		WithPorts(
			containerPort(PublicPortName, config.PublicPort),
			containerPort(PrivatePortName, config.PrivatePort),
			containerPort(HealthPortName, config.HealthPort),
		).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL"))).
		WithResources(resources(channel.Spec.Receiver.Resources)).
		WithStartupProbe(probe("/healthz").WithPeriodSeconds(2).WithFailureThreshold(60)).
		WithLivenessProbe(probe("/healthz").WithPeriodSeconds(10).WithFailureThreshold(6)).
		WithReadinessProbe(probe("/readyz").WithPeriodSeconds(5).WithFailureThreshold(2)).
		WithTerminationMessagePolicy(corev1.TerminationMessageReadFile).
		WithVolumeMounts(corev1ac.VolumeMount().WithName(channelVolume).WithMountPath(config.ChannelDir).WithReadOnly(true))
	if hooks := lifecycle(channel); hooks != nil {
		c.WithLifecycle(hooks)
	}
	for _, name := range slices.Sorted(maps.Keys(pod.Environment)) {
		c.WithEnv(corev1ac.EnvVar().WithName(name).WithValue(pod.Environment[name]))
	}
	if StorageOf(channel) == Postgres {
		c.WithArgs(postgresSchemaArg + PostgresSchema(channel))
	} else {
		c.WithVolumeMounts(corev1ac.VolumeMount().WithName(dataVolume).WithMountPath(config.DataDir))
	}
	if tlsSecret(channel) != "" {
		c.WithArgs("--tls-dir=" + config.TLSDir)
		c.WithVolumeMounts(corev1ac.VolumeMount().WithName(tlsVolume).WithMountPath(config.TLSDir).WithReadOnly(true))
	}
	return c
}

func volumes(channel *v1alpha1.WhatsAppChannel, pod Pod) []*corev1ac.VolumeApplyConfiguration {
	configuration := corev1ac.ConfigMapProjection().WithName(ReceiverName(channel.Name)).
		WithItems(item(config.ChannelFile, config.ChannelFile))
	if pod.CA {
		configuration.WithItems(item(config.CAFile, config.CAFile))
	}
	api := corev1ac.SecretProjection().WithName(APIName(channel.Name)).
		WithItems(
			item(config.StatusTokenFile, config.StatusTokenFile), item(config.APITokenFile, config.APITokenFile),
			item(config.PreviousAppSecretFile, config.PreviousAppSecretFile), item(config.PreviousVerifyTokenFile, config.PreviousVerifyTokenFile),
			item(corev1.TLSCertKey, config.PrivateCertificateFile), item(corev1.TLSPrivateKeyKey, config.PrivateKeyFile),
		)
	files := corev1ac.ProjectedVolumeSource().
		WithDefaultMode(mountMode).
		WithSources(
			corev1ac.VolumeProjection().WithConfigMap(configuration),
			projection(channel.Spec.AccessTokenSecretRef, config.AccessTokenFile),
			projection(channel.Spec.AppSecretSecretRef, config.AppSecretFile),
			projection(pod.VerifyToken, config.VerifyTokenFile),
			corev1ac.VolumeProjection().WithSecret(api),
		)
	files.WithSources(helpdeskFiles(channel, pod)...)
	all := []*corev1ac.VolumeApplyConfiguration{corev1ac.Volume().WithName(channelVolume).WithProjected(files)}
	if postgres := channel.Spec.Receiver.Storage.Postgres; postgres != nil {
		// All that the receiver keeps is in the database.
		files.WithSources(projection(postgres.DSNSecretRef, config.PostgresDSNFile))
	} else {
		all = append(all, corev1ac.Volume().WithName(dataVolume).WithPersistentVolumeClaim(
			corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(DataName(channel.Name))))
	}
	if name := tlsSecret(channel); name != "" {
		all = append(all, corev1ac.Volume().WithName(tlsVolume).WithSecret(corev1ac.SecretVolumeSource().
			WithSecretName(name).
			WithDefaultMode(mountMode).
			WithItems(item(corev1.TLSCertKey, corev1.TLSCertKey), item(corev1.TLSPrivateKeyKey, corev1.TLSPrivateKeyKey))))
	}
	return all
}

func tlsSecret(channel *v1alpha1.WhatsAppChannel) string {
	if service := channel.Spec.Callback.Exposure.Service; service != nil {
		return service.TLSSecretName
	}
	return ""
}

func projection(ref v1alpha1.SecretKeyReference, file string) *corev1ac.VolumeProjectionApplyConfiguration {
	return corev1ac.VolumeProjection().WithSecret(
		corev1ac.SecretProjection().WithName(ref.Name).WithItems(item(ref.Key, file)))
}

func item(key, file string) *corev1ac.KeyToPathApplyConfiguration {
	return corev1ac.KeyToPath().WithKey(key).WithPath(file)
}

func containerPort(name string, port int32) *corev1ac.ContainerPortApplyConfiguration {
	return corev1ac.ContainerPort().WithName(name).WithContainerPort(port).WithProtocol(corev1.ProtocolTCP)
}

func probe(path string) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(HealthPortName))).
		WithTimeoutSeconds(2)
}

func resources(given *corev1.ResourceRequirements) *corev1ac.ResourceRequirementsApplyConfiguration {
	if given == nil {
		return corev1ac.ResourceRequirements().
			WithRequests(corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse("10m"),
				corev1.ResourceMemory: resource.MustParse("32Mi"),
			}).
			WithLimits(corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")})
	}
	out := corev1ac.ResourceRequirements()
	if given.Requests != nil {
		out.WithRequests(given.Requests)
	}
	if given.Limits != nil {
		out.WithLimits(given.Limits)
	}
	return out
}
