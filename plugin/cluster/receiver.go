package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/receiver"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// caKey is the key of that Secret with the authorities that certify the receiver. A receiver from before there was one
// speaks no TLS.
const caKey = "ca.crt"

// apiSecret is the name of the Secret with the tokens of a receiver's private API, and of what certifies it.
func apiSecret(channel string) string { return channel + "-api" }

// serviceHost is the name by which a receiver's private port is reached in the cluster, and which its certificate holds.
func serviceHost(channel *v1alpha1.WhatsAppChannel) string {
	return channel.Name + "-receiver." + channel.Namespace + ".svc"
}

// podLabels find the pods of a channel's receiver.
func podLabels(channel string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "whatsapp-receiver", "app.kubernetes.io/instance": channel}
}

// NoReceiverError means that no receiver of a channel takes requests at present.
type NoReceiverError struct {
	channel types.NamespacedName
	// why is what the operator says of it; empty if it says nothing.
	why string
}

func (e *NoReceiverError) Error() string {
	text := fmt.Sprintf("no receiver of the channel %s runs at present", e.channel)
	if e.why != "" {
		return text + ": " + e.why
	}
	return fmt.Sprintf("%s; look with `kubectl get pods -n %s -l app.kubernetes.io/instance=%s`", text, e.channel.Namespace, e.channel.Name)
}

// Receiver returns a client of a channel's receiver. Each new connection finds a pod that is ready then.
func (c *Cluster) Receiver(ctx context.Context, channel *v1alpha1.WhatsAppChannel) (*receiver.Client, error) {
	secret, err := c.secret(ctx, types.NamespacedName{Namespace: channel.Namespace, Name: apiSecret(channel.Name)})
	if err != nil {
		return nil, err
	}
	token := secret.Data[config.APITokenFile]
	if len(token) == 0 {
		return nil, fmt.Errorf("the Secret %s in the namespace %s has no key %s; the operator makes it when the channel is first reconciled",
			secret.Name, secret.Namespace, config.APITokenFile)
	}
	scheme, security := "http", (*tls.Config)(nil)
	if pem := secret.Data[caKey]; len(pem) > 0 {
		roots := x509.NewCertPool()
		scheme, security = "https", &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the key %s of the Secret %s in the namespace %s holds no certificate", caKey, secret.Name, secret.Namespace)
		}
	}
	return &receiver.Client{
		HTTP:    c.http(channel, config.PrivatePort, security),
		BaseURL: scheme + "://" + net.JoinHostPort(serviceHost(channel), strconv.Itoa(config.PrivatePort)),
		Token:   string(token), Authority: secret.Name,
	}, nil
}

// Callback returns a client that reaches a channel's public port past everything that leads there from outside. Where
// the receiver ends TLS itself, roots certify it; the system's where they are nil.
func (c *Cluster) Callback(channel *v1alpha1.WhatsAppChannel, roots *x509.CertPool) *http.Client {
	return c.http(channel, config.PublicPort, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots})
}

// EndsTLS tells whether the receiver's public port itself speaks TLS.
func EndsTLS(channel *v1alpha1.WhatsAppChannel) bool {
	return channel.Spec.Callback.Exposure.Service != nil
}

func (c *Cluster) http(channel *v1alpha1.WhatsAppChannel, port int32, security *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return c.connect(ctx, channel, port)
			},
			TLSClientConfig: security,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// connect opens a connection to a port of a receiver that is ready.
func (c *Cluster) connect(ctx context.Context, channel *v1alpha1.WhatsAppChannel, port int32) (net.Conn, error) {
	pod, err := c.readyPod(ctx, channel)
	if err != nil {
		return nil, err
	}
	conn, err := c.dial(ctx, pod, port)
	switch {
	case apierrors.IsForbidden(err):
		return nil, &DeniedError{what: "forward ports of pods", rule: rule{resource: "pods/portforward", verb: "create", namespace: channel.Namespace}}
	case err != nil && ctx.Err() == nil:
		return nil, fmt.Errorf("the receiver in the pod %s could not be reached: %w", pod.Name, err)
	}
	return conn, err
}

func (c *Cluster) readyPod(ctx context.Context, channel *v1alpha1.WhatsAppChannel) (types.NamespacedName, error) {
	var pods corev1.PodList
	if err := c.client.List(ctx, &pods, client.InNamespace(channel.Namespace), client.MatchingLabels(podLabels(channel.Name))); err != nil {
		return types.NamespacedName{}, explain(err, "list pods", rule{resource: "pods", verb: "list", namespace: channel.Namespace})
	}
	for i := range pods.Items {
		if pod := &pods.Items[i]; pod.DeletionTimestamp.IsZero() && ready(pod) {
			return client.ObjectKeyFromObject(pod), nil
		}
	}
	none := &NoReceiverError{channel: client.ObjectKeyFromObject(channel)}
	available := apimeta.FindStatusCondition(channel.Status.Conditions, v1alpha1.ConditionReceiverAvailable)
	if available != nil && available.Status != metav1.ConditionTrue {
		none.why = available.Message
	}
	return types.NamespacedName{}, none
}

func ready(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
