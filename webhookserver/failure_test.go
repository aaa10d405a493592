package webhookserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// brittle is a real store that fails on demand, as one whose disk died.
type brittle struct {
	store.Store
	broken *atomic.Bool
	failed chan struct{}
}

var errDisk = errors.New("the disk is full")

func (b *brittle) Append(ctx context.Context, w store.Webhook) error {
	if b.broken.CompareAndSwap(true, true) {
		select {
		case <-b.failed:
		default:
			close(b.failed)
		}
		return errDisk
	}
	return b.Store.Append(ctx, w)
}

func (b *brittle) Failed() <-chan struct{} { return b.failed }

func (b *brittle) Err() error {
	select {
	case <-b.failed:
		return errDisk
	default:
		return nil
	}
}

func TestWhatIsNotStoredIsNotAcknowledged(t *testing.T) {
	r := newReceiver(t)
	var broken atomic.Bool
	r.wrap = func(s store.Store) store.Store {
		return &brittle{Store: s, broken: &broken, failed: make(chan struct{})}
	}
	r.start()
	body := []byte(`{"object":"whatsapp_business_account","entry":[]}`)
	if status := r.post(body); status != 200 {
		t.Fatalf("before: status %d", status)
	}
	broken.Store(true)
	if status := r.post(body); status != 503 {
		t.Errorf("a webhook that could not be stored: status %d", status)
	}
	if err := r.wait(); !errors.Is(err, errDisk) {
		t.Errorf("the process goes on with a store that failed: %v", err)
	}
}

func TestWhatWasAcknowledgedSurvivesARestart(t *testing.T) {
	r := newReceiver(t)
	r.start()
	customer := r.meta.Customer(customerPhone, customerName)
	customer.Says(r.number.ID, customerText)
	r.eventually("the welcome", func() bool { return len(customer.Received()) == 1 })
	r.eventually("rest", func() bool { return r.status().PendingEffects == 0 })
	r.stop()
	r.start()
	// Meta repeats what it was not sure of.
	for _, d := range r.meta.Deliveries() {
		if status := r.post(d.Body); status != 200 {
			t.Errorf("a repeated webhook: status %d", status)
		}
	}
	r.eventually("all are processed", func() bool { s := r.status(); return s.Backlog == 0 && s.PendingEffects == 0 })
	if list := r.tickets(); len(list) != 1 || len(r.ticket(list[0].ID).Articles) != 2 || len(customer.Received()) != 1 {
		t.Errorf("%d tickets, %v, %d messages to the customer", len(list), articles(r.ticket(1)), len(customer.Received()))
	}
}

// certify writes a certificate for the loopback address with a serial number.
func certify(t *testing.T, dir string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "receiver"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func TestTheCertificateIsReplacedWithoutARestart(t *testing.T) {
	r := newReceiver(t)
	r.tlsDir = t.TempDir()
	certify(t, r.tlsDir, 1)
	r.start()
	serial := func() int64 {
		connection, err := tls.Dial("tcp", r.server.PublicAddr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return 0
		}
		defer connection.Close()
		return connection.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	r.eventually("the first certificate", func() bool { return serial() == 1 })
	certify(t, r.tlsDir, 2)
	r.eventually("the second certificate", func() bool { return serial() == 2 })
	if err := os.WriteFile(filepath.Join(r.tlsDir, "tls.crt"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.eventually("the complaint", func() bool { return strings.Contains(r.log.String(), "no valid pair") })
	if serial() != 2 {
		t.Error("the last good certificate was given up")
	}
}
