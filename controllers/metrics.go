package controllers

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// graphRequests counts calls to Meta. Its labels have a few dozen values, whatever is called.
var graphRequests = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "whatsapp_graph_requests_total",
	Help: "Calls of the operator to Meta's Graph API, by operation and by the class of the outcome.",
}, []string{"operation", "class"})

// graphVersionEnd tells when the version of the Graph API that the operator uses ends.
var graphVersionEnd = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "whatsapp_graph_version_expiry_timestamp_seconds",
	Help: "When Meta ends the version of the Graph API that the operator uses. Absent where Meta has not said.",
}, []string{"version"})

func init() { metrics.Registry.MustRegister(graphRequests, graphVersionEnd) }

var (
	conditionDesc = prometheus.NewDesc("whatsapp_channel_condition",
		"Conditions of channels: 1 is True, 0 is False, -1 is Unknown.", []string{"namespace", "name", "type"}, nil)
	expiryDesc = prometheus.NewDesc("whatsapp_channel_access_token_expiry_timestamp_seconds",
		"When a channel's access token ends. Absent for tokens that do not.", []string{"namespace", "name"}, nil)
	receiversDesc = prometheus.NewDesc("whatsapp_channel_ready_receivers",
		"Receivers of a channel that take webhooks.", []string{"namespace", "name"}, nil)
)

// NewChannelCollector returns the metrics of all channels that a cache holds.
func NewChannelCollector(channels client.Reader) prometheus.Collector {
	return channelCollector{channels: channels}
}

// channelCollector reports on channels from the cache at the time of the scrape, so a deleted channel leaves no series.
type channelCollector struct {
	channels client.Reader
}

// Describe implements prometheus.Collector.
func (channelCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- conditionDesc
	descriptions <- expiryDesc
	descriptions <- receiversDesc
}

// Collect implements prometheus.Collector.
func (c channelCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	channels := &v1alpha1.WhatsAppChannelList{}
	if err := c.channels.List(ctx, channels); err != nil {
		out <- prometheus.NewInvalidMetric(conditionDesc, err)
		return
	}
	for i := range channels.Items {
		channel := &channels.Items[i]
		for _, condition := range channel.Status.Conditions {
			out <- prometheus.MustNewConstMetric(conditionDesc, prometheus.GaugeValue, conditionValue(condition.Status),
				channel.Namespace, channel.Name, condition.Type)
		}
		ready := int32(0)
		if receiver := channel.Status.Receiver; receiver != nil {
			ready = ptr.Deref(receiver.ReadyReplicas, 0)
		}
		out <- prometheus.MustNewConstMetric(receiversDesc, prometheus.GaugeValue, float64(ready), channel.Namespace, channel.Name)
		if token := channel.Status.AccessToken; token != nil && token.ExpiresAt != nil {
			out <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(token.ExpiresAt.Unix()),
				channel.Namespace, channel.Name)
		}
	}
}

func conditionValue(status metav1.ConditionStatus) float64 {
	switch status {
	case metav1.ConditionTrue:
		return 1
	case metav1.ConditionFalse:
		return 0
	}
	return -1
}
