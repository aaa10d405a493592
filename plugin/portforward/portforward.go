// Package portforward connects to a port of a pod through the API server, with the caller's own rights. There is no
// listener in between: nobody else on the machine can use the connection.
package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// Dial opens one connection to a pod's port: over WebSocket, or over SPDY where the API server, or something before it,
// does not know that, or does not allow it: the one needs the verb get, the other create. An error that
// apierrors.IsForbidden knows means that the caller may do neither.
func Dial(ctx context.Context, config *rest.Config, pod types.NamespacedName, port int32) (net.Conn, error) {
	dialer, refusal, err := newDialer(config, pod)
	if err != nil {
		return nil, err
	}
	connection, err := dial(ctx, dialer)
	if refusal.Load() && err != nil {
		err = apierrors.NewForbidden(corev1.Resource("pods/portforward"), pod.Name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("forwarding port %d of the pod %s: %w", port, pod, err)
	}
	forwarded, err := open(connection, port)
	if err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	forwarded.name = fmt.Sprintf("%s:%d", pod, port)
	return forwarded, nil
}

// newDialer returns what dials a pod, and what tells afterwards whether the caller was refused.
func newDialer(config *rest.Config, pod types.NamespacedName) (httpstream.Dialer, *atomic.Bool, error) {
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/api", &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	core, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, nil, err
	}
	url := core.Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, nil, err
	}
	overWebSocket, err := portforward.NewSPDYOverWebsocketDialerForStreamingWithLogger(logr.Discard(), url, config)
	if err != nil {
		return nil, nil, err
	}
	noticing := noticing{RoundTripper: transport, refusal: &atomic.Bool{}}
	overSPDY := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: noticing}, http.MethodPost, url)
	return portforward.NewFallbackDialerForStreaming(overWebSocket, overSPDY, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), noticing.refusal, nil
}

// noticing notices an answer that forbids port forwarding: the error that SPDY makes of it says so in words alone.
type noticing struct {
	http.RoundTripper
	refusal *atomic.Bool
}

func (n noticing) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := n.RoundTripper.RoundTrip(request)
	n.refusal.Store(err == nil && response.StatusCode == http.StatusForbidden)
	return response, err
}

// dial is a dialer's Dial that ends with the context.
func dial(ctx context.Context, dialer httpstream.Dialer) (httpstream.Connection, error) {
	type dialled struct {
		connection httpstream.Connection
		err        error
	}
	done := make(chan dialled, 1)
	go func() {
		connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		done <- dialled{connection, err}
	}()
	select {
	case d := <-done:
		return d.connection, d.err
	case <-ctx.Done():
		go func() {
			if d := <-done; d.err == nil {
				_ = d.connection.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// open makes the two streams of a forwarded connection: one for the data and one for errors, as the kubelet wants them.
func open(connection httpstream.Connection, port int32) (*conn, error) {
	headers := http.Header{}
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	headers.Set(corev1.PortHeader, strconv.Itoa(int(port)))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	failure, err := connection.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := connection.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	forwarded := &conn{data: data, connection: connection}
	// Nothing is ever written to the stream for errors, and the kubelet waits for its end. What comes on it is why no
	// connection was made, and ends the reading of data, which would otherwise wait for ever.
	if err := failure.Close(); err != nil {
		return nil, err
	}
	go func() {
		if message, _ := io.ReadAll(failure); len(message) > 0 {
			_ = forwarded.Close()
		}
	}()
	return forwarded, nil
}

// conn is a connection through port forwarding. It has no deadlines: callers bound their requests.
type conn struct {
	data       io.ReadWriteCloser
	connection io.Closer
	name       string
}

func (c *conn) Read(p []byte) (int, error)  { return c.data.Read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.data.Write(p) }
func (c *conn) Close() error                { return errors.Join(c.data.Close(), c.connection.Close()) }

func (c *conn) LocalAddr() net.Addr              { return address("port-forward") }
func (c *conn) RemoteAddr() net.Addr             { return address(c.name) }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

type address string

func (address) Network() string  { return "port-forward" }
func (a address) String() string { return string(a) }
