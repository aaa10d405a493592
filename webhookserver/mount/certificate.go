package mount

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
)

// Certificate is a mounted directory with tls.crt and tls.key.
type Certificate struct {
	dir   string
	clock clock.Clock
	log   *slog.Logger

	current atomic.Pointer[tls.Certificate]
	read    []byte
	lastErr string
}

// NewCertificate returns the certificate of a directory.
func NewCertificate(dir string, c clock.Clock, log *slog.Logger) *Certificate {
	return &Certificate{dir: dir, clock: c, log: log}
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
	crt, crtErr := os.ReadFile(filepath.Join(c.dir, "tls.crt"))
	key, keyErr := os.ReadFile(filepath.Join(c.dir, "tls.key"))
	both := append(append(bytes.Clone(crt), 0), key...)
	if crtErr == nil && keyErr == nil && bytes.Equal(both, c.read) {
		return
	}
	pair, err := tls.X509KeyPair(crt, key)
	switch {
	case crtErr != nil || keyErr != nil:
		err = errors.New("tls.crt or tls.key cannot be read")
	case err != nil:
		// The cause may quote what is in the files.
		err = errors.New("tls.crt and tls.key are no valid pair")
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
