package stage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/plugin/portforward"
)

// readyPatience bounds how long a connection waits for a pod that is ready.
const readyPatience = 5 * time.Second

// HTTPClient reaches Services of the cluster by their names there, such as https://meta.meta.svc, through port
// forwarding. It trusts the given authorities, the system's where they are nil, and never reuses a connection: each
// request finds the pods that are ready now, and the certificate that is served now.
func (c *Cluster) HTTPClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DialContext:       c.DialService,
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// DialService connects to a ready pod of a Service. The address is <service>.<namespace>.svc[.cluster.local]:<port>.
func (c *Cluster) DialService(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	name := strings.SplitN(host, ".", 3)
	if len(name) != 3 || !strings.HasPrefix(name[2], "svc") {
		return nil, fmt.Errorf("%s is not the name of a Service: <service>.<namespace>.svc", host)
	}
	var service corev1.Service
	if err := c.Get(ctx, client.ObjectKey{Namespace: name[1], Name: name[0]}, &service); err != nil {
		return nil, err
	}
	pod, err := c.awaitReadyPod(ctx, service)
	if err != nil {
		return nil, err
	}
	target, err := targetPort(service, pod, port)
	if err != nil {
		return nil, err
	}
	return portforward.Dial(ctx, c.config, client.ObjectKeyFromObject(&pod), target)
}

// awaitReadyPod returns a pod of a Service that is ready, or becomes so within a moment, as one may that has just started.
func (c *Cluster) awaitReadyPod(ctx context.Context, service corev1.Service) (pod corev1.Pod, err error) {
	waited := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, readyPatience, true, func(ctx context.Context) (bool, error) {
		pod, err = c.readyPod(ctx, service)
		return err == nil, nil
	})
	if err == nil {
		err = waited
	}
	return pod, err
}

func (c *Cluster) readyPod(ctx context.Context, service corev1.Service) (corev1.Pod, error) {
	var pods corev1.PodList
	selector := client.MatchingLabelsSelector{Selector: labels.SelectorFromSet(service.Spec.Selector)}
	if err := c.List(ctx, &pods, client.InNamespace(service.Namespace), selector); err != nil {
		return corev1.Pod{}, err
	}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp.IsZero() && PodReady(pod) {
			return pod, nil
		}
	}
	return corev1.Pod{}, fmt.Errorf("the Service %s/%s has no pod that is ready", service.Namespace, service.Name)
}

// PodReady says whether a pod takes requests.
func PodReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// targetPort is the container's port behind a Service's.
func targetPort(service corev1.Service, pod corev1.Pod, port string) (int32, error) {
	for _, offered := range service.Spec.Ports {
		if strconv.Itoa(int(offered.Port)) != port {
			continue
		}
		switch {
		case offered.TargetPort.Type == intstr.Int && offered.TargetPort.IntVal != 0:
			return offered.TargetPort.IntVal, nil
		case offered.TargetPort.Type == intstr.Int:
			return offered.Port, nil
		}
		for _, container := range pod.Spec.Containers {
			for _, known := range container.Ports {
				if known.Name == offered.TargetPort.StrVal {
					return known.ContainerPort, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("the Service %s/%s leads no port %s to a container", service.Namespace, service.Name, port)
}
