// Package certificate makes the certificate of a receiver's private port, and the authority that issues it. Only the
// randomness of keys comes from outside: the rest follows from what there is and from the time.
package certificate

import (
	"bytes"
	"crypto"
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
	"slices"
	"time"
)

const (
	// life is how long a certificate is valid, and renewBefore how long before its end another is made.
	life        = 90 * 24 * time.Hour
	renewBefore = 30 * 24 * time.Hour
	// authorityLife is how long an authority is valid. Another is made as soon as it ends before a new certificate would.
	authorityLife = 10 * 365 * 24 * time.Hour
	// skew is how far clocks may be behind.
	skew = time.Hour
	// maxTrusted bounds the authorities that are trusted at once.
	maxTrusted = 3
)

// Files are the PEM files of a certificate.
type Files struct {
	// Trusted are the authorities that a client trusts: the one that issues, then those before it that are still valid.
	Trusted []byte
	// AuthorityKey is the key of the first of them.
	AuthorityKey []byte
	// Certificate and Key are what the server shows.
	Certificate []byte
	Key         []byte
}

// Renew returns files that are good for a server of a name at a time, and when to look at them again. What is good is
// kept byte for byte; what is missing, broken, for another name or near its end is made anew. Clients that trust the
// authorities of the result accept the certificate of the given files as well, as long as it is valid.
func Renew(given Files, name string, now time.Time) (files Files, next time.Time, err error) {
	files = given
	issuer, err := files.authority(name, now)
	if err != nil {
		if issuer, err = newAuthority(name, now); err != nil {
			return Files{}, time.Time{}, err
		}
		if files.AuthorityKey, err = encodeKey(issuer.key); err != nil {
			return Files{}, time.Time{}, err
		}
		files.Trusted = trusted(issuer.certificate, given.Trusted, now)
	}
	certificate, err := files.certificate(issuer.certificate, name, now)
	if err != nil {
		if certificate, err = files.issue(issuer, name, now); err != nil {
			return Files{}, time.Time{}, err
		}
	}
	return files, certificate.NotAfter.Add(-renewBefore), nil
}

// Good reports whether Renew would keep everything, and until when. It needs no AuthorityKey, which is secret enough to be
// read only when something has to be issued.
func (f Files) Good(name string, now time.Time) (next time.Time, good bool) {
	first, _ := pem.Decode(f.Trusted)
	if first == nil {
		return time.Time{}, false
	}
	issuer, err := x509.ParseCertificate(first.Bytes)
	if err != nil || mayIssue(issuer, name, now) != nil {
		return time.Time{}, false
	}
	certificate, err := f.certificate(issuer, name, now)
	if err != nil {
		return time.Time{}, false
	}
	return certificate.NotAfter.Add(-renewBefore), true
}

// Equal reports whether two sets of files are the same.
func (f Files) Equal(other Files) bool {
	return bytes.Equal(f.Trusted, other.Trusted) && bytes.Equal(f.AuthorityKey, other.AuthorityKey) &&
		bytes.Equal(f.Certificate, other.Certificate) && bytes.Equal(f.Key, other.Key)
}

// authority is who issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// authority returns the authority of the files, if it may still issue certificates for the name.
func (f Files) authority(name string, now time.Time) (authority, error) {
	first, _ := pem.Decode(f.Trusted)
	if first == nil {
		return authority{}, errors.New("there is no authority")
	}
	pair, err := tls.X509KeyPair(pem.EncodeToMemory(first), f.AuthorityKey)
	if err != nil {
		return authority{}, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return authority{}, errors.New("the authority's key cannot sign")
	}
	return authority{certificate: pair.Leaf, key: key}, mayIssue(pair.Leaf, name, now)
}

// mayIssue returns why an authority must not issue another certificate for a name, or nil.
func mayIssue(issuer *x509.Certificate, name string, now time.Time) error {
	switch {
	case !issuer.IsCA || !slices.Equal(issuer.PermittedDNSDomains, []string{name}):
		return errors.New("the authority is of another kind")
	case now.Before(issuer.NotBefore) || issuer.NotAfter.Before(now.Add(life)):
		return errors.New("the authority is near its end")
	}
	return nil
}

// certificate returns the certificate of the files, if it is good and not near its end.
func (f Files) certificate(issuer *x509.Certificate, name string, now time.Time) (*x509.Certificate, error) {
	pair, err := tls.X509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(issuer)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now}); err != nil {
		return nil, err
	}
	if !now.Before(pair.Leaf.NotAfter.Add(-renewBefore)) {
		return nil, errors.New("the certificate is near its end")
	}
	return pair.Leaf, nil
}

// newAuthority makes an authority that can vouch for one name only.
func newAuthority(name string, now time.Time) (authority, error) {
	template := &x509.Certificate{
		Subject:                     pkix.Name{CommonName: "whatsapp-receiver authority"},
		NotBefore:                   now.Add(-skew),
		NotAfter:                    now.Add(authorityLife),
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		KeyUsage:                    x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{name},
	}
	certificate, key, err := sign(template, nil)
	return authority{certificate: certificate, key: key}, err
}

// issue puts a new certificate into the files.
func (f *Files) issue(issuer authority, name string, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		// A common name has at most 64 characters; clients look at the DNS name.
		Subject:     pkix.Name{CommonName: "whatsapp-receiver"},
		NotBefore:   now.Add(-skew),
		NotAfter:    now.Add(life),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{name},
	}
	certificate, key, err := sign(template, &issuer)
	if err != nil {
		return nil, err
	}
	f.Certificate = encodeCertificate(certificate)
	f.Key, err = encodeKey(key)
	return certificate, err
}

// sign makes a key and its certificate, signed by an issuer or, without one, by itself.
func sign(template *x509.Certificate, issuer *authority) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	parent, signer := template, crypto.Signer(key)
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return certificate, key, nil
}

// trusted puts a new authority before those that were trusted until now and are still valid.
func trusted(issuer *x509.Certificate, before []byte, now time.Time) []byte {
	all := encodeCertificate(issuer)
	for kept := 1; kept < maxTrusted; {
		var block *pem.Block
		if block, before = pem.Decode(before); block == nil {
			break
		}
		if old, err := x509.ParseCertificate(block.Bytes); err == nil && old.IsCA && now.Before(old.NotAfter) {
			all = append(all, encodeCertificate(old)...)
			kept++
		}
	}
	return all
}

func encodeCertificate(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
