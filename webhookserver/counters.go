package webhookserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// scrapeTimeout bounds how long a scrape may read the store.
const scrapeTimeout = 5 * time.Second

// The families of metrics that the receiver counts itself; docs/monitoring.md says what each means.
const (
	requestsTotal  = "whatsapp_receiver_requests_total"
	durableGauge   = "whatsapp_receiver_durable"
	turningAway    = "whatsapp_receiver_turning_away"
	inboxBacklog   = "whatsapp_receiver_inbox_backlog"
	quarantined    = "whatsapp_receiver_quarantined"
	effectsByState = "whatsapp_receiver_effects"
	lastMessage    = "whatsapp_receiver_last_message_timestamp_seconds"
)

// metricsType is the media type of Prometheus' text format.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// counters counts what the receiver does, and tells it to Prometheus. No label holds anything that came from outside.
type counters struct {
	own      *metrics.Set
	requests map[edge.Result]*metrics.Counter
	counts   func(context.Context) (store.Counts, error)
}

func newCounters(counts func(context.Context) (store.Counts, error), durable func() float64, turnedAway func() string) *counters {
	metrics.ExposeMetadata(true)
	c := &counters{own: metrics.NewSet(), requests: map[edge.Result]*metrics.Counter{}, counts: counts}
	for _, result := range edge.Results() {
		c.requests[result] = c.own.NewCounter(labelled(requestsTotal, "result", string(result)))
	}
	c.own.NewGauge(durableGauge, durable)
	c.own.NewGauge(turningAway, func() float64 {
		if turnedAway() != "" {
			return 1
		}
		return 0
	})
	return c
}

func labelled(family, label, value string) string {
	return fmt.Sprintf("%s{%s=%q}", family, label, value)
}

func (c *counters) request(result edge.Result) { c.requests[result].Inc() }

func (c *counters) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", metricsType)
		c.own.WritePrometheus(w)
		c.writeStored(r.Context(), w)
		metrics.WriteProcessMetrics(w)
	})
}

var effectStates = map[store.EffectState]string{
	store.EffectBlocked: "blocked", store.EffectReady: "ready", store.EffectInFlight: "in-flight",
	store.EffectInDoubt: "in-doubt", store.EffectDead: "dead",
}

// writeStored tells what the store holds. While it is not open, or does not answer, there is nothing to tell.
func (c *counters) writeStored(ctx context.Context, w io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	counts, err := c.counts(ctx)
	if err != nil {
		return
	}
	stored := metrics.NewSet()
	gauge := func(name string, n float64) { stored.NewGauge(name, nil).Set(n) }
	gauge(inboxBacklog, float64(counts.Backlog))
	for _, reason := range []store.QuarantineReason{store.NotUnderstood, store.OtherNumber, store.Contradictory} {
		gauge(labelled(quarantined, "reason", string(reason)), float64(counts.Quarantined[reason]))
	}
	for state, name := range effectStates {
		gauge(labelled(effectsByState, "state", name), float64(counts.Effects[state]))
	}
	if !counts.LastMessageAt.IsZero() {
		gauge(lastMessage, float64(counts.LastMessageAt.Unix()))
	}
	stored.WritePrometheus(w)
}
