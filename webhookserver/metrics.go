package webhookserver

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// scrapeTimeout bounds how long a scrape may read the store.
const scrapeTimeout = 5 * time.Second

// metrics counts what the receiver does. No label holds anything that came from outside.
type metrics struct {
	registry *prometheus.Registry
	requests map[edge.Result]prometheus.Counter
}

func newMetrics(counts func(context.Context) (store.Counts, error), durable func() float64, turnAway func() edge.Result) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), requests: map[edge.Result]prometheus.Counter{}}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "whatsapp_receiver_requests_total",
		Help: "Requests to the callback URL, by how they ended; stored is the only one that was answered 200 to a webhook.",
	}, []string{"result"})
	for _, result := range edge.Results() {
		m.requests[result] = requests.WithLabelValues(string(result))
	}
	m.registry.MustRegister(
		requests, &storeCollector{counts},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "whatsapp_receiver_durable",
			Help: "1 if the database's settings keep what was acknowledged through a crash, 0 if not or not known.",
		}, durable),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "whatsapp_receiver_turning_away",
			Help: "1 while webhooks are answered 503 because the volume is nearly full or too many wait to be processed, else 0.",
		}, func() float64 {
			if turnAway() != "" {
				return 1
			}
			return 0
		}),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *metrics) request(result edge.Result) { m.requests[result].Inc() }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

var (
	backlogDesc = prometheus.NewDesc("whatsapp_receiver_inbox_backlog",
		"Stored webhooks that are not processed yet.", nil, nil)
	quarantinedDesc = prometheus.NewDesc("whatsapp_receiver_quarantined",
		"Webhooks, and parts of them, in quarantine, by reason.", []string{"reason"}, nil)
	effectsDesc = prometheus.NewDesc("whatsapp_receiver_effects",
		"Remote calls that are not finished, and dead letters, by state.", []string{"state"}, nil)
	lastMessageDesc = prometheus.NewDesc("whatsapp_receiver_last_message_timestamp_seconds",
		"When a customer's message was last taken up, in Unix seconds.", nil, nil)
)

var effectStates = map[store.EffectState]string{
	store.EffectBlocked: "blocked", store.EffectReady: "ready", store.EffectInFlight: "in-flight",
	store.EffectInDoubt: "in-doubt", store.EffectDead: "dead",
}

// storeCollector reads the store when it is scraped.
type storeCollector struct {
	counts func(context.Context) (store.Counts, error)
}

// Describe implements prometheus.Collector.
func (*storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{backlogDesc, quarantinedDesc, effectsDesc, lastMessageDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. While the store is not open there is nothing to tell.
func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	counts, err := c.counts(ctx)
	if err != nil {
		return
	}
	gauge := func(d *prometheus.Desc, n float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
	}
	gauge(backlogDesc, float64(counts.Backlog))
	for _, reason := range []store.QuarantineReason{store.NotUnderstood, store.OtherNumber, store.Contradictory} {
		gauge(quarantinedDesc, float64(counts.Quarantined[reason]), string(reason))
	}
	for state, name := range effectStates {
		gauge(effectsDesc, float64(counts.Effects[state]), name)
	}
	if !counts.LastMessageAt.IsZero() {
		gauge(lastMessageDesc, float64(counts.LastMessageAt.Unix()))
	}
}
