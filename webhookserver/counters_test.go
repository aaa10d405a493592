package webhookserver_test

import (
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
)

func TestPrometheusUnderstandsTheMetrics(t *testing.T) {
	r := newReceiver(t)
	r.start()
	_, header, text := r.do(http.MethodGet, "http://"+r.server.HealthAddr().String()+"/metrics", nil, nil)
	if got := header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Errorf("Content-Type %q", got)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for name, want := range map[string]struct {
		kind   dto.MetricType
		series int
	}{
		"whatsapp_receiver_requests_total": {dto.MetricType_COUNTER, len(edge.Results())},
		"whatsapp_receiver_durable":        {dto.MetricType_GAUGE, 1},
		"whatsapp_receiver_turning_away":   {dto.MetricType_GAUGE, 1},
		"whatsapp_receiver_inbox_backlog":  {dto.MetricType_GAUGE, 1},
		"whatsapp_receiver_quarantined":    {dto.MetricType_GAUGE, 3},
		"whatsapp_receiver_effects":        {dto.MetricType_GAUGE, 5},
		"process_resident_memory_bytes":    {dto.MetricType_GAUGE, 1},
		"process_cpu_seconds_total":        {dto.MetricType_COUNTER, 1},
	} {
		family := families[name]
		if family.GetType() != want.kind || len(family.GetMetric()) != want.series {
			t.Errorf("%s: %v, want a %v of %d series", name, family, want.kind, want.series)
		}
	}
}
