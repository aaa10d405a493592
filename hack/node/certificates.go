package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity of the authorities; certificates are issued anew with every start and live a tenth of it.
const validity = 10 * 365 * 24 * time.Hour

// An authority issues certificates into its folder.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// openAuthority reads the authority dir/name.crt, or makes it.
func openAuthority(dir, name string) (*authority, error) {
	crt, key := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	if pair, err := readPair(crt, key); err == nil {
		pair.dir = dir
		return pair, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := newTemplate(pkix.Name{CommonName: name}, validity)
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, err
	}
	if err := writePair(crt, key, der, private); err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{dir: dir, certificate: certificate, key: private}, err
}

// issueClient writes name.crt and name.key for a user in groups.
func (a *authority) issueClient(name, user string, groups ...string) error {
	template := newTemplate(pkix.Name{CommonName: user, Organization: groups}, validity/10)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(name, template)
}

// issueServer writes name.crt and name.key for a server reached at the hosts, names or addresses.
func (a *authority) issueServer(name string, hosts ...string) error {
	template := newTemplate(pkix.Name{CommonName: name}, validity/10)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.issue(name, template)
}

func (a *authority) issue(name string, template *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	return writePair(filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key"), der, key)
}

// openSigningKey makes name.key and its public half name.pub, which sign and check ServiceAccount tokens,
// unless they are there: tokens outlive a restart.
func openSigningKey(dir, name string) error {
	private, public := filepath.Join(dir, name+".key"), filepath.Join(dir, name+".pub")
	if _, err := os.Stat(public); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := writeKey(private, key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return writePEM(public, "PUBLIC KEY", der, 0o644)
}

func newTemplate(subject pkix.Name, lifetime time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand never fails on Linux.
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject,
		NotBefore:             time.Now().Add(-time.Hour), // For a clock that is set back a little.
		NotAfter:              time.Now().Add(lifetime),
		BasicConstraintsValid: true,
	}
}

func readPair(crt, key string) (*authority, error) {
	certificatePEM, err := os.ReadFile(crt)
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(key)
	if err != nil {
		return nil, err
	}
	certificateBlock, _ := pem.Decode(certificatePEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certificateBlock == nil || keyBlock == nil {
		return nil, fmt.Errorf("%s or %s is damaged", crt, key)
	}
	certificate, err := x509.ParseCertificate(certificateBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", crt, err)
	}
	private, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &authority{certificate: certificate, key: private}, nil
}

// writePair writes the certificate last: a pair without it is made again.
func writePair(crt, key string, der []byte, private *ecdsa.PrivateKey) error {
	if err := writeKey(key, private); err != nil {
		return err
	}
	return writePEM(crt, "CERTIFICATE", der, 0o644)
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(file, "EC PRIVATE KEY", der, 0o600)
}

func writePEM(file, kind string, der []byte, mode os.FileMode) error {
	partial := file + ".partial"
	if err := os.WriteFile(partial, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return err
	}
	return os.Rename(partial, file)
}
