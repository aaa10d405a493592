package controllers_test

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/whatsapp-operator/whatsapp-operator/controllers"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// publicHostname leads to the front door; its certificate covers it. No other name resolves.
const (
	publicHostname = "wa.example.com"
	otherHostname  = "support.example.com"
)

// frontDoor is where callback URLs lead: it answers Meta's handshake as the receivers would, with the verify token that
// is in the cluster.
type frontDoor struct {
	server *httptest.Server

	mu sync.Mutex
	// answers replaces the answer of a path.
	answers map[string]http.HandlerFunc
	// closedToCluster lets only Meta in.
	closedToCluster bool
	closedToAll     bool
}

func newFrontDoor() *frontDoor {
	d := &frontDoor{answers: map[string]http.HandlerFunc{}}
	d.server = httptest.NewTLSServer(d)
	return d
}

func (d *frontDoor) close() { d.server.Close() }

func (d *frontDoor) roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(d.server.Certificate())
	return roots
}

func (d *frontDoor) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers, d.closedToCluster, d.closedToAll = map[string]http.HandlerFunc{}, false, false
}

func (d *frontDoor) answer(path string, handler http.HandlerFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[path] = handler
}

func (d *frontDoor) shut(cluster, all bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closedToCluster, d.closedToAll = cluster, all
	// A connection that is open already would not look the name up again.
	d.server.CloseClientConnections()
}

func (d *frontDoor) dialMeta(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	closed := d.closedToAll
	d.mu.Unlock()
	return d.dial(ctx, network, address, closed)
}

func (d *frontDoor) dialOperator(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	closed := d.closedToAll || d.closedToCluster
	d.mu.Unlock()
	return d.dial(ctx, network, address, closed)
}

func (d *frontDoor) dial(ctx context.Context, network, address string, closed bool) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if closed || (host != publicHostname && host != otherHostname) {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return (&net.Dialer{}).DialContext(ctx, network, d.server.Listener.Addr().String())
}

// ServeHTTP answers as the receiver of the path does.
func (d *frontDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	replaced := d.answers[r.URL.Path]
	d.mu.Unlock()
	if replaced != nil {
		replaced(w, r)
		return
	}
	namespace, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: namespace, Name: manifests.VerifyTokenName(name)}
	if err := api.Get(r.Context(), key, secret); err != nil {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("hub.verify_token") != string(secret.Data[manifests.VerifyTokenKey]) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	_, _ = w.Write([]byte(r.URL.Query().Get("hub.challenge")))
}

// fakeReceivers answer what receivers say of themselves.
type fakeReceivers struct {
	mu     sync.Mutex
	status config.Status
	err    error
	asked  int
}

func (f *fakeReceivers) ReceiverStatus(_ context.Context, _, _ string, access controllers.PrivateAPI) (config.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if access.Token == "" || len(access.CA) == 0 {
		panic("the receiver was asked without a token, or without a certificate to trust it by")
	}
	return f.status, f.err
}

func (f *fakeReceivers) say(status config.Status, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.err = status, err
}
