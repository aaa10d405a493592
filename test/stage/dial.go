package stage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

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
	pod, err := c.readyPod(ctx, service)
	if err != nil {
		return nil, err
	}
	target, err := targetPort(service, pod, port)
	if err != nil {
		return nil, err
	}
	return c.dialPod(pod, target)
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

// dialPod opens one connection to a pod's port: a stream for the data and one for errors, as the kubelet wants them.
func (c *Cluster) dialPod(pod corev1.Pod, port int32) (net.Conn, error) {
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	url := c.core.RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	connection, _, err := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url).
		Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, fmt.Errorf("forwarding port %d of pod %s/%s: %w", port, pod.Namespace, pod.Name, err)
	}
	headers := http.Header{}
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	headers.Set(corev1.PortHeader, strconv.Itoa(int(port)))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	failure, err := connection.CreateStream(headers)
	if err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := connection.CreateStream(headers)
	if err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	forwarded := &forwardedConn{data: data, connection: connection, pod: pod.Namespace + "/" + pod.Name, port: port}
	// Nothing is ever written to the stream for errors, and the kubelet waits for its end. What comes on it is why no
	// connection was made, and ends the reading of data, which would otherwise wait for ever.
	if err := failure.Close(); err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	go func() {
		if message, _ := io.ReadAll(failure); len(message) > 0 {
			_ = forwarded.Close()
		}
	}()
	return forwarded, nil
}

// forwardedConn is a connection through port forwarding. It has no deadlines: callers bound their requests.
type forwardedConn struct {
	data       io.ReadWriteCloser
	connection io.Closer
	pod        string
	port       int32
}

func (f *forwardedConn) Read(p []byte) (int, error)  { return f.data.Read(p) }
func (f *forwardedConn) Write(p []byte) (int, error) { return f.data.Write(p) }
func (f *forwardedConn) Close() error                { return errors.Join(f.data.Close(), f.connection.Close()) }

func (f *forwardedConn) LocalAddr() net.Addr { return forwardedAddr("port-forward") }
func (f *forwardedConn) RemoteAddr() net.Addr {
	return forwardedAddr(fmt.Sprintf("%s:%d", f.pod, f.port))
}
func (f *forwardedConn) SetDeadline(time.Time) error      { return nil }
func (f *forwardedConn) SetReadDeadline(time.Time) error  { return nil }
func (f *forwardedConn) SetWriteDeadline(time.Time) error { return nil }

type forwardedAddr string

func (forwardedAddr) Network() string  { return "port-forward" }
func (a forwardedAddr) String() string { return string(a) }
