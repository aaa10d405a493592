package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

func TestCertificatesAreOfTheirAuthorityAndPurpose(t *testing.T) {
	dir := t.TempDir()
	ca, err := openAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := openAuthority(dir, "stranger")
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.issueServer("server", "10.249.0.1", "kubernetes.default.svc"); err != nil {
		t.Fatal(err)
	}
	if err := ca.issueClient("client", "system:node:demo", "system:nodes"); err != nil {
		t.Fatal(err)
	}
	server, client := readCertificate(t, dir, "server"), readCertificate(t, dir, "client")

	for _, host := range []string{"10.249.0.1", "kubernetes.default.svc"} {
		if err := server.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if client.Subject.CommonName != "system:node:demo" || client.Subject.Organization[0] != "system:nodes" {
		t.Errorf("the client is %s", client.Subject)
	}
	serverAuth, clientAuth := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	for _, test := range []struct {
		name        string
		certificate *x509.Certificate
		root        *authority
		usage       x509.ExtKeyUsage
		valid       bool
	}{
		{"a server", server, ca, serverAuth, true},
		{"a server as a client", server, ca, clientAuth, false},
		{"a client", client, ca, clientAuth, true},
		{"a client as a server", client, ca, serverAuth, false},
		{"a client of another authority", client, stranger, clientAuth, false},
	} {
		roots := x509.NewCertPool()
		roots.AddCert(test.root.certificate)
		_, err := test.certificate.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{test.usage}})
		if (err == nil) != test.valid {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestAuthoritySurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	first, err := openAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	second, err := openAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	if !first.certificate.Equal(second.certificate) || !first.key.Equal(second.key) {
		t.Error("the authority was made anew")
	}
}

func TestKeysAreTheirOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	if _, err := openAuthority(dir, "ca"); err != nil {
		t.Fatal(err)
	}
	if err := openSigningKey(dir, "service-account"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ca.key", "service-account.key"} {
		info, err := os.Stat(filepath.Join(dir, key))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", key, info.Mode())
		}
	}
}

func readCertificate(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name+".crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
