package mount

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

// Certificate is a certificate and its key in a mounted directory.
type Certificate struct {
	dir   string
	files CertificateFiles
	clock clock.Clock
	log   *slog.Logger

	current atomic.Pointer[tls.Certificate]
	read    []byte
	lastErr string
}

// CertificateFiles are the names of a certificate's files in PEM.
type CertificateFiles struct{ Certificate, Key string }

// NewCertificate returns the certificate of a directory.
func NewCertificate(dir string, files CertificateFiles, c clock.Clock, log *slog.Logger) *Certificate {
	return &Certificate{dir: dir, files: files, clock: c, log: log.With("certificate", files.Certificate)}
}

// Run keeps the certificate current until the context ends.
func (c *Certificate) Run(ctx context.Context) {
	watch(ctx, c.dir, c.clock, c.log, c.reload)
}

// errNoCertificate is what a TLS handshake fails with before there is a certificate.
var errNoCertificate = errors.New("no certificate is mounted yet")

// Get is for tls.Config.GetCertificate: connections get the certificate that is current when they begin.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if current := c.current.Load(); current != nil {
		return current, nil
	}
	return nil, errNoCertificate
}

// Loaded tells whether there is a certificate.
func (c *Certificate) Loaded() bool { return c.current.Load() != nil }

func (c *Certificate) reload() {
	crt, crtErr := os.ReadFile(filepath.Join(c.dir, c.files.Certificate))
	key, keyErr := os.ReadFile(filepath.Join(c.dir, c.files.Key))
	both := append(append(bytes.Clone(crt), 0), key...)
	if crtErr == nil && keyErr == nil && bytes.Equal(both, c.read) {
		return
	}
	pair, err := tls.X509KeyPair(crt, key)
	switch {
	case crtErr != nil || keyErr != nil:
		err = fmt.Errorf("%s or %s cannot be read", c.files.Certificate, c.files.Key)
	case err != nil:
		// The cause may quote what is in the files.
		err = fmt.Errorf("%s and %s are no valid pair", c.files.Certificate, c.files.Key)
	}
	if err != nil {
		if err.Error() != c.lastErr {
			c.log.Error("the mounted certificate cannot be used; the one before stays in force", "error", err, "usable", c.Loaded())
		}
		c.lastErr = err.Error()
		return
	}
	c.lastErr, c.read = "", both
	c.current.Store(&pair)
	c.log.Info("certificate read", "expires", pair.Leaf.NotAfter)
}
