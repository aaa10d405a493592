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
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/mount"
)

// Files of the certificates of the public and of the private port.
var (
	publicFiles  = mount.CertificateFiles{Certificate: "tls.crt", Key: "tls.key"}
	privateFiles = mount.CertificateFiles{Certificate: config.PrivateCertificateFile, Key: config.PrivateKeyFile}
)

// certify writes a certificate for the loopback address with a serial number, and returns it as PEM.
func certify(t *testing.T, dir string, files mount.CertificateFiles, serial int64) []byte {
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
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, files.Certificate), certificate, 0o600),
		os.WriteFile(filepath.Join(dir, files.Key), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestTheCertificateIsReplacedWithoutARestart(t *testing.T) {
	r := newReceiver(t)
	r.tlsDir = t.TempDir()
	certify(t, r.tlsDir, publicFiles, 1)
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
	certify(t, r.tlsDir, publicFiles, 2)
	r.eventually("the second certificate", func() bool { return serial() == 2 })
	if err := os.WriteFile(filepath.Join(r.tlsDir, "tls.crt"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.eventually("the complaint", func() bool { return strings.Contains(r.log.String(), "no valid pair") })
	if serial() != 2 {
		t.Error("the last good certificate was given up")
	}
}

func TestThePrivateAPITakesANewCertificateWithoutAGap(t *testing.T) {
	r := newReceiver(t)
	r.privateTLS = true
	roots := x509.NewCertPool()
	first := certify(t, r.configDir, privateFiles, 1)
	roots.AppendCertsFromPEM(first)
	r.start()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	// ask returns the serial number of the certificate that the status was served with.
	ask := func() (int64, error) {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://"+r.server.PrivateAddr().String()+config.StatusPath, http.NoBody)
		if err != nil {
			return 0, err
		}
		request.Header.Set("Authorization", "Bearer "+statusToken)
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("status %d", response.StatusCode)
		}
		return response.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
	}
	// The certificate is read beside the configuration, and may come a moment after it.
	r.eventually("the first certificate", func() bool { serial, err := ask(); return err == nil && serial == 1 })
	if status, _, _ := r.do(http.MethodGet, "http://"+r.server.PrivateAddr().String()+config.StatusPath, map[string]string{"Authorization": "Bearer " + statusToken}, nil); status != http.StatusBadRequest {
		t.Errorf("without TLS the private API answers %d", status)
	}
	other := t.TempDir()
	roots.AppendCertsFromPEM(certify(t, other, privateFiles, 2))
	for _, name := range []string{privateFiles.Key, privateFiles.Certificate} {
		content, err := os.ReadFile(filepath.Join(other, name))
		if err != nil {
			t.Fatal(err)
		}
		r.put(name, string(content))
	}
	r.eventually("the second certificate", func() bool {
		serial, err := ask()
		if err != nil {
			t.Fatalf("a request failed while the certificate was replaced: %v", err)
		}
		return serial == 2
	})
}
