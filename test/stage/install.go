package stage

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// Names of what the stage puts into the cluster.
const (
	// OperatorNamespace is where config/default installs the operator.
	OperatorNamespace = "whatsapp-operator-system"
	// MetaNamespace holds the simulated Meta.
	MetaNamespace = "meta"
	// ZammadNamespace holds the simulated helpdesk.
	ZammadNamespace = "zammad"

	operatorDeployment = "whatsapp-operator"
	caConfigMap        = "stage-ca"
	caKey              = "ca.crt"
	stageLabel         = "whatsapp-operator.io/stage"
	fieldOwner         = client.FieldOwner("stage")
)

// Namespace makes a namespace whose pods must satisfy the Pod Security level restricted.
func (c *Cluster) Namespace(ctx context.Context, name string) error {
	return c.Apply(ctx, corev1ac.Namespace(name).WithLabels(map[string]string{
		stageLabel:                           "true",
		"pod-security.kubernetes.io/enforce": "restricted",
		"pod-security.kubernetes.io/audit":   "restricted",
		"pod-security.kubernetes.io/warn":    "restricted",
	}), fieldOwner, client.ForceOwnership)
}

// Clear deletes the namespaces that earlier stages made, with all that is in them, and waits until they are gone.
func (c *Cluster) Clear(ctx context.Context) error {
	var old corev1.NamespaceList
	if err := c.List(ctx, &old, client.HasLabels{stageLabel}); err != nil {
		return err
	}
	for i := range old.Items {
		if err := client.IgnoreNotFound(c.Delete(ctx, &old.Items[i])); err != nil {
			return err
		}
	}
	return wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		var left corev1.NamespaceList
		err := c.List(ctx, &left, client.HasLabels{stageLabel})
		return len(left.Items) == 0, err
	})
}

// InstallOperator installs the operator from config/default of the repository, with the image that was loaded under
// the name given there, and waits until it runs. It trusts the authority, and Meta is the simulator.
func (c *Cluster) InstallOperator(ctx context.Context, repository string, authority *Authority) error {
	namespace := filepath.Join(repository, "config", "manager", "namespace.yaml")
	if _, err := c.Kubectl(ctx, "apply", "--server-side", "-f", namespace); err != nil {
		return err
	}
	if err := c.publishAuthority(ctx, OperatorNamespace, authority); err != nil {
		return err
	}
	err := c.Get(ctx, client.ObjectKey{Namespace: OperatorNamespace, Name: operatorDeployment}, &appsv1.Deployment{})
	installedBefore := err == nil
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	overlay := filepath.Join(repository, "test", "stage", "operator")
	if _, err := c.Kubectl(ctx, "apply", "--server-side", "-k", overlay); err != nil {
		return err
	}
	if installedBefore {
		// The operator that runs has the image, and trusts the authority, of that time.
		if _, err := c.Kubectl(ctx, "rollout", "restart", "--namespace", OperatorNamespace, "deployment/"+operatorDeployment); err != nil {
			return err
		}
	}
	return c.rolledOut(ctx, OperatorNamespace, operatorDeployment)
}

func (c *Cluster) publishAuthority(ctx context.Context, namespace string, authority *Authority) error {
	return c.Apply(ctx, corev1ac.ConfigMap(caConfigMap, namespace).WithData(map[string]string{caKey: string(authority.PEM)}),
		fieldOwner, client.ForceOwnership)
}

func (c *Cluster) rolledOut(ctx context.Context, namespace, deployment string) error {
	_, err := c.Kubectl(ctx, "rollout", "status", "--namespace", namespace, "deployment/"+deployment, "--timeout=3m")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, c.Explain(ctx, namespace))
	}
	return nil
}

// TLSSecret writes a Secret with a certificate for a host name, or renews it.
func (c *Cluster) TLSSecret(ctx context.Context, authority *Authority, namespace, name, hostname string) error {
	certificate, key, err := authority.Issue(hostname)
	if err != nil {
		return err
	}
	return c.Apply(ctx, corev1ac.Secret(name, namespace).WithType(corev1.SecretTypeTLS).WithData(map[string][]byte{
		corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key,
	}), fieldOwner, client.ForceOwnership)
}

// ChannelSecret writes a Secret that channels may refer to.
func (c *Cluster) ChannelSecret(ctx context.Context, namespace, name string, values map[string]string) error {
	data := map[string][]byte{}
	for key, value := range values {
		data[key] = []byte(value)
	}
	return c.Apply(ctx, corev1ac.Secret(name, namespace).
		WithLabels(map[string]string{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel}).WithData(data),
		fieldOwner, client.ForceOwnership)
}

// SecretValue reads one key of a Secret.
func (c *Cluster) SecretValue(ctx context.Context, namespace, name, key string) (string, error) {
	var secret corev1.Secret
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret); err != nil {
		return "", err
	}
	value, ok := secret.Data[key]
	if !ok {
		return "", fmt.Errorf("the Secret %s/%s has no key %s", namespace, name, key)
	}
	return string(value), nil
}
