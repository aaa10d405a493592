package leaksink

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"sync"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
)

// Writer looks at the lines written to it and passes everything on to next. A nil next takes nothing.
func (s *Sink) Writer(next io.Writer) io.Writer {
	if next == nil {
		next = io.Discard
	}
	return &writer{sink: s, next: next}
}

// writer cuts what it gets into lines, because a write may end in the midst of one.
type writer struct {
	sink *Sink
	next io.Writer

	mu   sync.Mutex
	rest []byte
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, ended := bytes.Cut(w.rest, []byte("\n"))
		if !ended {
			break
		}
		w.sink.inspect(string(line))
		w.rest = rest
	}
	return w.next.Write(p)
}

// Handler looks at records of every level and passes those on to next that it takes. A nil next takes none.
func (s *Sink) Handler(next slog.Handler) slog.Handler {
	if next == nil {
		next = slog.DiscardHandler
	}
	everything := &slog.HandlerOptions{Level: slog.Level(math.MinInt)}
	return &handler{inspector: slog.NewJSONHandler(s.Writer(nil), everything), next: next}
}

type handler struct {
	inspector slog.Handler
	next      slog.Handler
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	if err := h.inspector.Handle(ctx, record.Clone()); err != nil {
		return err
	}
	if !h.next.Enabled(ctx, record.Level) {
		return nil
	}
	return h.next.Handle(ctx, record)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{inspector: h.inspector.WithAttrs(attrs), next: h.next.WithAttrs(attrs)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{inspector: h.inspector.WithGroup(name), next: h.next.WithGroup(name)}
}

// Logger looks at everything logged with it, whatever its verbosity, and passes it on to next.
func (s *Sink) Logger(next logr.Logger) logr.Logger {
	formatter := funcr.NewFormatterJSON(funcr.Options{Verbosity: math.MaxInt})
	return logr.New(&logSink{sink: s, formatter: formatter, next: next})
}

type logSink struct {
	sink      *Sink
	formatter funcr.Formatter
	next      logr.Logger
}

func (l *logSink) Init(logr.RuntimeInfo) {}

func (l *logSink) Enabled(int) bool { return true }

func (l *logSink) Info(level int, msg string, keysAndValues ...any) {
	prefix, line := l.formatter.FormatInfo(level, msg, keysAndValues)
	l.sink.inspect(line)
	l.sink.inspect(prefix)
	l.next.V(level).Info(msg, keysAndValues...)
}

func (l *logSink) Error(err error, msg string, keysAndValues ...any) {
	prefix, line := l.formatter.FormatError(err, msg, keysAndValues)
	l.sink.inspect(line)
	l.sink.inspect(prefix)
	l.next.Error(err, msg, keysAndValues...)
}

func (l *logSink) WithValues(keysAndValues ...any) logr.LogSink {
	child := *l
	child.formatter.AddValues(keysAndValues)
	child.next = l.next.WithValues(keysAndValues...)
	return &child
}

func (l *logSink) WithName(name string) logr.LogSink {
	child := *l
	child.formatter.AddName(name)
	child.next = l.next.WithName(name)
	return &child
}
