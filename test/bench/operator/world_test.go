//go:build bench

package operator

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
)

const (
	// callbackHostname is the one that all callback URLs have; the front door's certificate covers it.
	callbackHostname = "wa.example.com"
	// perAccount is how many channels share a namespace, a business account and its token.
	perAccount  = 50
	secretName  = "whatsapp"
	accessToken = "access-token"
	appSecret   = "app-secret"
)

// world is what is around the cluster: Meta, and the way in from the Internet.
type world struct {
	cluster *cluster
	meta    *cloudapitest.Server
	// channels are declared, and not in the cluster yet.
	channels []*v1alpha1.WhatsAppChannel
	// ca is the file with the certificate that the front door is trusted by.
	ca string
}

// newWorld makes all that the channels need, so that it is there before they are measured.
func newWorld(t *testing.T, c *cluster) *world {
	t.Helper()
	door := httptest.NewUnstartedServer(http.HandlerFunc(welcome))
	must(t, door.Listener.Close())
	var err error
	door.Listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(doorAddress, "443"))
	must(t, err)
	door.StartTLS()
	t.Cleanup(door.Close)
	roots := x509.NewCertPool()
	roots.AddCert(door.Certificate())
	w := &world{cluster: c, meta: cloudapitest.NewServer(cloudapitest.WithRootCAs(roots)), ca: filepath.Join(t.TempDir(), "ca.crt")}
	t.Cleanup(w.meta.Close)
	must(t, os.WriteFile(w.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: door.Certificate().Raw}), 0o600))
	app := w.meta.AddApp(cloudapitest.App{})
	w.meta.SubscribeApp(app.ID, "https://app.example.com/webhook")
	for n := 0; len(w.channels) < *channels; n++ {
		w.settle(t, app, fmt.Sprintf("helpdesk-%02d", n))
	}
	must(t, nameServers(t.TempDir(), w.channels))
	return w
}

// settle declares the channels of one namespace, and makes what they need.
func (w *world) settle(t *testing.T, app cloudapitest.App, namespace string) {
	t.Helper()
	must(t, w.cluster.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	account := w.meta.AddBusinessAccount(cloudapitest.BusinessAccount{})
	token := w.meta.IssueToken(cloudapitest.Token{AppID: app.ID, BusinessAccountIDs: []string{account.ID}})
	must(t, w.cluster.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: secretName, Labels: map[string]string{v1alpha1.SecretUseLabel: v1alpha1.SecretUseChannel}},
		StringData: map[string]string{accessToken: token, appSecret: app.Secret},
	}))
	for range min(perAccount, *channels-len(w.channels)) {
		n := len(w.channels)
		number := w.meta.AddPhoneNumber(cloudapitest.PhoneNumber{
			BusinessAccountID: account.ID, DisplayPhoneNumber: fmt.Sprintf("+1 631-55%d-%04d", n/10000, n%10000), VerifiedName: "Support",
		})
		w.channels = append(w.channels, &v1alpha1.WhatsAppChannel{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("support-%04d", n)},
			Spec: v1alpha1.WhatsAppChannelSpec{
				BusinessAccountID:    account.ID,
				AccessTokenSecretRef: v1alpha1.SecretKeyReference{Name: secretName, Key: accessToken},
				AppSecretSecretRef:   v1alpha1.SecretKeyReference{Name: secretName, Key: appSecret},
				PhoneNumber:          number.DisplayPhoneNumber,
				TargetGroup:          "2nd Level",
				Callback:             v1alpha1.Callback{Hostname: callbackHostname, Registration: v1alpha1.RegistrationAutomatic},
			},
		})
	}
}

// welcome answers handshakes as receivers do. Which verify token they take is not what is measured here.
func welcome(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.URL.Query().Get("hub.challenge"))
}
