package mount_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega"

	"github.com/whatsapp-operator/whatsapp-operator/test/goroutines"
	"github.com/whatsapp-operator/whatsapp-operator/test/syncbuffer"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/mount"
)

func TestMain(m *testing.M) { goroutines.VerifyTestMain(m) }

const channelJSON = `{"namespace":"helpdesk","name":"support","businessAccountID":"1","graph":{"baseURL":"https://graph.example.com","version":"v25.0"}}`

// volume is a projected volume as the kubelet keeps one: files are links into ..data, which is a link that is replaced.
type volume struct {
	t       *testing.T
	dir     string
	version int
}

func newVolume(t *testing.T) *volume {
	t.Helper()
	return &volume{t: t, dir: t.TempDir()}
}

func (v *volume) write(files map[string]string) {
	v.t.Helper()
	v.version++
	name := "..version" + strings.Repeat("x", v.version)
	err := os.Mkdir(filepath.Join(v.dir, name), 0o700)
	for file, content := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(v.dir, name, file), []byte(content), 0o600))
		if link := filepath.Join(v.dir, file); !exists(link) {
			err = errors.Join(err, os.Symlink(filepath.Join("..data", file), link))
		}
	}
	next := filepath.Join(v.dir, "..data_tmp")
	err = errors.Join(err, os.Symlink(name, next), os.Rename(next, filepath.Join(v.dir, "..data")))
	if err != nil {
		v.t.Fatal(err)
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func good() map[string]string {
	return map[string]string{
		config.ChannelFile: channelJSON, config.AppSecretFile: "secret\n", config.VerifyTokenFile: "verify",
		config.AccessTokenFile: "access", config.StatusTokenFile: "status", config.APITokenFile: "api",
	}
}

func with(changes map[string]string) map[string]string {
	files := good()
	for name, content := range changes {
		if content == "absent" {
			delete(files, name)
		} else {
			files[name] = content
		}
	}
	return files
}

type watched struct {
	channel *mount.Channel
	clock   *clocktest.Fake
	log     *syncbuffer.Buffer
	t       *testing.T
}

func watch(t *testing.T, dir string) *watched {
	t.Helper()
	w := &watched{clock: clocktest.New(time.Unix(0, 0)), log: &syncbuffer.Buffer{}, t: t}
	w.channel = mount.NewChannel(dir, w.clock, slog.New(slog.NewJSONHandler(w.log, nil)), func() {})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.channel.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func (w *watched) eventually(what string, condition func() bool) {
	w.t.Helper()
	gomega.NewWithT(w.t).Eventually(condition).WithTimeout(time.Minute).WithPolling(time.Millisecond).Should(gomega.BeTrue(), what)
}

func (w *watched) secrets() (list []string) {
	for _, s := range w.channel.Snapshot().AppSecrets {
		list = append(list, string(s))
	}
	return list
}

func TestTheVolumeIsReadAndReadAgain(t *testing.T) {
	v := newVolume(t)
	v.write(good())
	w := watch(t, v.dir)
	<-w.channel.Loaded()
	s := w.channel.Snapshot()
	if s.Channel.Name != "support" || string(s.AccessToken) != "access" || string(s.APIToken) != "api" || string(s.StatusToken) != "status" {
		t.Errorf("snapshot: %+v", s.Channel)
	}
	if diff := cmp.Diff([]string{"secret"}, w.secrets()); diff != "" {
		t.Errorf("app secrets (-want +got):\n%s", diff)
	}
	v.write(with(map[string]string{config.AppSecretFile: "new", config.PreviousAppSecretFile: "secret"}))
	w.eventually("both secrets", func() bool { return cmp.Equal(w.secrets(), []string{"new", "secret"}) })
	v.write(with(map[string]string{config.AppSecretFile: "new"}))
	w.eventually("the new secret alone", func() bool { return cmp.Equal(w.secrets(), []string{"new"}) })
}

func TestAVolumeWithoutNoticesIsLookedAtFromTimeToTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	w := watch(t, dir)
	w.clock.AwaitTimers(1)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range good() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if w.channel.Snapshot() != nil {
		t.Fatal("it was read before its time")
	}
	w.clock.Advance(time.Minute)
	<-w.channel.Loaded()
}

func TestTheLastGoodConfigurationStaysInForce(t *testing.T) {
	for name, tc := range map[string]struct {
		changes map[string]string
		want    string
	}{
		"no channel":         {map[string]string{config.ChannelFile: "absent"}, "channel.json is missing or empty"},
		"a broken channel":   {map[string]string{config.ChannelFile: `{"namespace":"s3cr3t`}, "channel.json is not valid JSON"},
		"no app secret":      {map[string]string{config.AppSecretFile: "absent"}, "app-secret is missing or empty"},
		"an empty secret":    {map[string]string{config.AppSecretFile: "\n"}, "app-secret is missing or empty"},
		"no verify token":    {map[string]string{config.VerifyTokenFile: "absent"}, "verify-token is missing or empty"},
		"a broken authority": {map[string]string{config.CAFile: "s3cr3t"}, "ca.crt holds no PEM certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVolume(t)
			v.write(good())
			w := watch(t, v.dir)
			<-w.channel.Loaded()
			before := w.channel.Snapshot()
			v.write(with(tc.changes))
			w.eventually("the complaint", func() bool { return strings.Contains(w.log.String(), tc.want) })
			// Looking again and again does not say it again.
			for range 3 {
				w.clock.AwaitTimers(1)
				w.clock.Advance(time.Minute)
			}
			w.clock.AwaitTimers(1)
			if w.channel.Snapshot() != before {
				t.Error("the last good configuration was given up")
			}
			if n := strings.Count(w.log.String(), tc.want); n != 1 {
				t.Errorf("it was said %d times:\n%s", n, w.log)
			}
			if strings.Contains(w.log.String(), "s3cr3t") {
				t.Errorf("the log quotes a file:\n%s", w.log)
			}
			v.write(with(map[string]string{config.AccessTokenFile: "mended"}))
			w.eventually("mended", func() bool { return string(w.channel.Snapshot().AccessToken) == "mended" })
		})
	}
}

func TestTokensMayBeAbsent(t *testing.T) {
	v := newVolume(t)
	v.write(with(map[string]string{config.AccessTokenFile: "absent", config.APITokenFile: "absent"}))
	w := watch(t, v.dir)
	<-w.channel.Loaded()
	if s := w.channel.Snapshot(); s.AccessToken != "" || len(s.APIToken) != 0 {
		t.Error("tokens came from nowhere")
	}
}
