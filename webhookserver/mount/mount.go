// Package mount reads the files that the operator mounts into the receiver's pod, and reads them again when they
// change. What was read last and was good stays in force while the files are missing or wrong.
package mount

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// Snapshot is one consistent reading of the files. It is never changed.
type Snapshot struct {
	Channel config.Channel
	// AccessToken is what messages are sent with; empty until there is one.
	AccessToken cloudapi.Token
	// AppSecrets and VerifyTokens hold the current value, and the previous one during a rotation.
	AppSecrets   [][]byte
	VerifyTokens [][]byte
	// StatusToken and APIToken open the private API. An empty one opens nothing.
	StatusToken []byte
	APIToken    []byte
	// HelpdeskToken is what is shown to an external helpdesk, and HelpdeskSecret what it signs its calls with.
	HelpdeskToken  []byte
	HelpdeskSecret []byte
	// RootCAs are the authorities to trust in calls to others; nil for the system's alone.
	RootCAs *x509.CertPool
}

// Channel is the mounted directory of one channel.
type Channel struct {
	dir      string
	clock    clock.Clock
	log      *slog.Logger
	onChange func()

	current atomic.Pointer[Snapshot]
	loaded  chan struct{}

	// mu is held while reading.
	mu       sync.Mutex
	lastRead map[string][]byte
	lastErr  string
}

// NewChannel returns the channel of a directory. onChange is called after each change that was good; it must not
// block.
func NewChannel(dir string, c clock.Clock, log *slog.Logger, onChange func()) *Channel {
	return &Channel{dir: dir, clock: c, log: log, onChange: onChange, loaded: make(chan struct{})}
}

// Snapshot returns the latest good reading; nil as long as there was none.
func (c *Channel) Snapshot() *Snapshot { return c.current.Load() }

// Loaded is closed when there is a Snapshot.
func (c *Channel) Loaded() <-chan struct{} { return c.loaded }

// Run keeps the snapshot current until the context ends.
func (c *Channel) Run(ctx context.Context) {
	watch(ctx, c.dir, c.clock, c.log, c.reload)
}

func (c *Channel) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	files, err := readFiles(c.dir)
	if err == nil && c.lastErr == "" && equal(files, c.lastRead) {
		return
	}
	var snapshot *Snapshot
	if err == nil {
		snapshot, err = interpret(files)
	}
	if err != nil {
		// Said once, not at every look.
		if err.Error() != c.lastErr {
			c.log.Error("the mounted configuration cannot be used; what was read before stays in force",
				"error", err, "usable", c.Snapshot() != nil)
		}
		c.lastErr = err.Error()
		return
	}
	if c.lastErr != "" && equal(files, c.lastRead) {
		c.log.Info("the mounted configuration is as it was before")
		c.lastErr = ""
		return
	}
	c.lastErr, c.lastRead = "", files
	first := c.current.Swap(snapshot) == nil
	c.log.Info("configuration read", "phoneNumberKnown", snapshot.Channel.PhoneNumber != nil)
	if first {
		close(c.loaded)
	}
	c.onChange()
}

var allFiles = []string{
	config.ChannelFile, config.CAFile, config.AccessTokenFile, config.AppSecretFile, config.PreviousAppSecretFile,
	config.VerifyTokenFile, config.PreviousVerifyTokenFile, config.StatusTokenFile, config.APITokenFile,
	config.HelpdeskTokenFile, config.HelpdeskSecretFile,
}

// readFiles reads the files that are there, all from the same version of the volume.
func readFiles(dir string) (map[string][]byte, error) {
	// The kubelet replaces what ..data points to. Following it once keeps files of two versions apart.
	for {
		version, err := filepath.EvalSymlinks(filepath.Join(dir, dataLink))
		if errors.Is(err, fs.ErrNotExist) {
			return readVersion(dir)
		}
		if err != nil {
			return nil, errors.New("the directory of the configuration cannot be read")
		}
		files, err := readVersion(version)
		again, againErr := filepath.EvalSymlinks(filepath.Join(dir, dataLink))
		if againErr != nil || again == version {
			return files, err
		}
	}
}

func readVersion(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range allFiles {
		data, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("%s cannot be read", name)
		default:
			files[name] = data
		}
	}
	return files, nil
}

func interpret(files map[string][]byte) (*Snapshot, error) {
	value := func(name string) []byte { return bytes.TrimSpace(files[name]) }
	for _, name := range []string{config.ChannelFile, config.AppSecretFile, config.VerifyTokenFile} {
		if len(value(name)) == 0 {
			return nil, fmt.Errorf("%s is missing or empty", name)
		}
	}
	channel, err := config.Parse(files[config.ChannelFile])
	if err != nil {
		return nil, err
	}
	s := &Snapshot{
		Channel:      channel,
		AccessToken:  cloudapi.Token(value(config.AccessTokenFile)),
		AppSecrets:   values(value(config.AppSecretFile), value(config.PreviousAppSecretFile)),
		VerifyTokens: values(value(config.VerifyTokenFile), value(config.PreviousVerifyTokenFile)),
		StatusToken:  value(config.StatusTokenFile),
		APIToken:     value(config.APITokenFile),

		HelpdeskToken:  value(config.HelpdeskTokenFile),
		HelpdeskSecret: value(config.HelpdeskSecretFile),
	}
	if ca := value(config.CAFile); len(ca) > 0 {
		if s.RootCAs, err = x509.SystemCertPool(); err != nil {
			s.RootCAs = x509.NewCertPool()
		}
		if !s.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s holds no PEM certificate", config.CAFile)
		}
	}
	return s, nil
}

func values(list ...[]byte) [][]byte {
	var some [][]byte
	for _, v := range list {
		if len(v) > 0 {
			some = append(some, v)
		}
	}
	return some
}

func equal(a, b map[string][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for name, data := range a {
		other, ok := b[name]
		if !ok || !bytes.Equal(data, other) {
			return false
		}
	}
	return true
}
