package leaksink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"github.com/whatsapp-operator/whatsapp-operator/test/leaksink"
)

const secret = `s3cret/"value"`

// The ways in which a text can come into a log. Each must be found and, where there is one, reach the next logger.
var ways = map[string]func(s *leaksink.Sink, next io.Writer, text string){
	"writer": func(s *leaksink.Sink, next io.Writer, text string) {
		fmt.Fprintf(s.Writer(next), "before\n%s\nafter\n", text)
	},
	"writer, in pieces": func(s *leaksink.Sink, next io.Writer, text string) {
		w := s.Writer(next)
		for _, b := range []byte(text + "\n") {
			_, _ = w.Write([]byte{b})
		}
	},
	"slog message": func(s *leaksink.Sink, next io.Writer, text string) {
		slog.New(s.Handler(slog.NewTextHandler(next, nil))).Info(text)
	},
	"slog attribute": func(s *leaksink.Sink, next io.Writer, text string) {
		slog.New(s.Handler(slog.NewTextHandler(next, nil))).Error("failed", "err", errors.New(text))
	},
	"slog attribute of all records": func(s *leaksink.Sink, next io.Writer, text string) {
		slog.New(s.Handler(slog.NewTextHandler(next, nil))).WithGroup("group").With("key", text).Warn("careful")
	},
	"logr message": func(s *leaksink.Sink, next io.Writer, text string) {
		s.Logger(logrTo(next)).Info(text)
	},
	"logr value": func(s *leaksink.Sink, next io.Writer, text string) {
		s.Logger(logrTo(next)).Info("did", "key", struct{ Field string }{text})
	},
	"logr error": func(s *leaksink.Sink, next io.Writer, text string) {
		s.Logger(logrTo(next)).Error(errors.New(text), "failed")
	},
	"logr value of all lines": func(s *leaksink.Sink, next io.Writer, text string) {
		s.Logger(logrTo(next)).WithValues("key", text).Info("did")
	},
	"logr name": func(s *leaksink.Sink, next io.Writer, text string) {
		s.Logger(logrTo(next)).WithName(text).Info("did")
	},
}

func TestEveryLoggerIsLookedAtAndPassesOn(t *testing.T) {
	for name, write := range ways {
		t.Run(name, func(t *testing.T) {
			var leaking, harmless leaksink.Sink
			leaking.Register(secret)
			harmless.Register(secret)
			var next bytes.Buffer
			write(&leaking, &next, "with "+secret)
			write(&harmless, &next, "harmless text")
			leaks := leaking.Leaks()
			if len(leaks) != 1 || !strings.Contains(leaks[0].Line, "s3cret") {
				t.Errorf("leaks %q, want the line with the secret", leaks)
			}
			if leaks := harmless.Leaks(); len(leaks) != 0 {
				t.Errorf("leaks %q, want none", leaks)
			}
			if !strings.Contains(next.String(), "s3cret") || !strings.Contains(next.String(), "harmless text") {
				t.Errorf("the next logger got %q", next.String())
			}
		})
	}
}

func TestLinesBelowTheLevelAreLookedAtButNotPassedOn(t *testing.T) {
	var sink leaksink.Sink
	sink.Register(secret)
	var next bytes.Buffer
	slog.New(sink.Handler(slog.NewTextHandler(&next, nil))).Log(context.Background(), slog.LevelDebug-4, secret)
	sink.Logger(logrTo(&next)).V(9).Info(secret)
	if leaks := sink.Leaks(); len(leaks) != 2 {
		t.Errorf("leaks %q, want two", leaks)
	}
	if next.Len() > 0 {
		t.Errorf("the next loggers got %q", next.String())
	}
}

func TestLeaks(t *testing.T) {
	for _, line := range []string{
		"stored wamid.HBgLMTY1MDM4Nzk0MzkVAgAS",
		"token EAAJBsj4v2ZCgBOZBYxuf7 refused",
		`header "Authorization: Bearer abcdef123456"`,
		"GET /helpdesk/support?hub.mode=subscribe&hub.verify_token=abc",
		"Get https://graph.facebook.com/debug_token?input_token=x: EOF",
		"Get https://graph.facebook.com/app?appsecret_proof=0a1b",
		`{"object":"whatsapp_business_account","entry":[]}`,
		`{"msg":"got {\"object\": \"whatsapp_business_account\"}"}`,
		`{"messaging_product":"whatsapp","to":"x"}`,
		"from +1 631-555-1111",
		"from +16315551111",
		"from 16315551111",
		`{"level":"INFO","from":"16315551111"}`,
		"from=4915112345678 text=hi",
		"s3cret-token in the open",
		"s3cret%2Ftoken in a URL",
		"czNjcmV0L3Rva2Vu in base64",
	} {
		var sink leaksink.Sink
		sink.Register("s3cret-token", "s3cret/token")
		fmt.Fprintln(sink.Writer(nil), line)
		if len(sink.Leaks()) != 1 {
			t.Errorf("not found: %s", line)
		}
	}
}

func TestHarmless(t *testing.T) {
	for _, line := range []string{
		"",
		"a wamid. Then nothing",
		"subscribe object whatsapp_business_account",
		"the verify token is wrong",
		`{"time":"2026-01-02T15:04:05.123456789Z","level":"INFO","duration":1234567890,"sizes":[123456789,123456789,123456789]}`,
		"2026/01/02 15:04:05 listening",
		`controller "whatsappchannel" reconcileID=01234567-0123-0123-0123-012345678901`,
		"listening on 127.0.0.1:43210",
		"pod support-receiver-7d9f8b6c5d-x2x4z, digest sha256:1234567890abcdef",
		"account 102290129340398 at version 12345",
	} {
		var sink leaksink.Sink
		sink.Allow("102290129340398")
		fmt.Fprintln(sink.Writer(nil), line)
		if leaks := sink.Leaks(); len(leaks) != 0 {
			t.Errorf("%v", leaks)
		}
	}
}

func TestNumbersAndDurationsAsAttributesAreHarmless(t *testing.T) {
	var sink leaksink.Sink
	slog.New(sink.Handler(nil)).Info("done", "took", 12*time.Second, "bytes", int64(1234567890), "at", time.Now())
	sink.Logger(logr.Discard()).Info("done", "bytes", int64(1234567890), "uid", "0a1b2c3d-0123-4567-89ab-012345678901")
	if leaks := sink.Leaks(); len(leaks) != 0 {
		t.Errorf("%v", leaks)
	}
}

func TestShortValuesCannotBeRegistered(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an empty value was registered: every line would hold it")
		}
	}()
	new(leaksink.Sink).Register("")
}

func TestRunFailsTheRunThatLeaked(t *testing.T) {
	for name, test := range map[string]struct {
		test     func()
		code     int
		wantCode int
		wantText string
	}{
		"no leak":               {func() { slog.Info("harmless") }, 0, 0, ""},
		"no leak, failed tests": {func() {}, 2, 2, ""},
		"leak in slog":          {func() { slog.Debug("wamid.ABC") }, 0, 1, "wamid.ABC"},
		"leak in log":           {func() { log.Print("wamid.DEF") }, 0, 1, "wamid.DEF"},
	} {
		t.Run(name, func(t *testing.T) {
			var sink leaksink.Sink
			var report bytes.Buffer
			before := log.Writer()
			log.SetOutput(io.Discard)
			t.Cleanup(func() { log.SetOutput(before) })
			code := sink.RunReporting(runner(func() int { test.test(); return test.code }), &report)
			if code != test.wantCode || !strings.Contains(report.String(), test.wantText) {
				t.Errorf("code %d, report %q; want %d, %q", code, report.String(), test.wantCode, test.wantText)
			}
			if test.wantText == "" && report.Len() > 0 {
				t.Errorf("report %q, want none", report.String())
			}
		})
	}
}

func TestSinkOfATestFailsIt(t *testing.T) {
	fake := &recorder{TB: t}
	slog.New(leaksink.New(fake).Handler(nil)).Info("wamid.ABC")
	fake.cleanup()
	if len(fake.errors) != 1 || !strings.Contains(fake.errors[0], "wamid.ABC") {
		t.Errorf("errors %q, want the line that leaked", fake.errors)
	}
}

// recorder is a test whose failure is wanted.
type recorder struct {
	testing.TB
	cleanup func()
	errors  []string
}

func (r *recorder) Helper()           {}
func (r *recorder) Cleanup(f func())  { r.cleanup = f }
func (r *recorder) Error(args ...any) { r.errors = append(r.errors, fmt.Sprint(args...)) }

type runner func() int

func (r runner) Run() int { return r() }

func logrTo(w io.Writer) logr.Logger {
	return funcr.New(func(prefix, args string) { fmt.Fprintln(w, prefix, args) }, funcr.Options{})
}
