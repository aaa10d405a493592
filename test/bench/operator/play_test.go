//go:build bench

package operator

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// play is what runs in a cluster beside the operator: controllers and receivers, whose pods are there at once.
type play struct {
	t       *testing.T
	cluster *cluster

	mu    sync.Mutex
	ready map[string]bool
	// handled is the last request that each channel's status says was handled.
	handled map[string]string
	served  map[string]*tls.Certificate
}

func startPlay(t *testing.T, c *cluster) *play {
	t.Helper()
	p := &play{t: t, cluster: c, ready: map[string]bool{}, handled: map[string]string{}, served: map[string]*tls.Certificate{}}
	p.receive()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	informers, err := cache.New(c.config, cache.Options{Scheme: c.Scheme()})
	must(t, err)
	declared := make(chan *appsv1.Deployment, *channels)
	for object, handle := range map[client.Object]func(any){
		&v1alpha1.WhatsAppChannel{}: p.observe,
		&appsv1.Deployment{}: func(object any) {
			if d := object.(*appsv1.Deployment); d.Labels[manifests.InstanceLabel] != "" && d.Status.ObservedGeneration < d.Generation {
				declared <- d
			}
		},
	} {
		informer, err := informers.GetInformer(ctx, object)
		must(t, err)
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: handle, UpdateFunc: func(_, now any) { handle(now) },
		})
		must(t, err)
	}
	for range 8 {
		running.Go(func() {
			for {
				select {
				case d := <-declared:
					p.roll(ctx, d)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	running.Go(func() { _ = informers.Start(ctx) })
	if !informers.WaitForCacheSync(ctx) {
		t.Fatal("the channels cannot be watched")
	}
	return p
}

// roll does what the Deployment controller and the kubelet do together: the pod of a Deployment is there.
func (p *play) roll(ctx context.Context, d *appsv1.Deployment) {
	rolled := d.DeepCopy()
	rolled.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1,
	}
	if err := p.cluster.Status().Patch(ctx, rolled, client.MergeFrom(d)); err != nil && ctx.Err() == nil {
		p.t.Errorf("play the Deployment controller: %v", err)
	}
}

// observe notes how far a channel is.
func (p *play) observe(object any) {
	channel := object.(*v1alpha1.WhatsAppChannel)
	key := client.ObjectKeyFromObject(channel).String()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ready, key)
	for _, condition := range channel.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady && condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == channel.Generation {
			p.ready[key] = true
		}
	}
	p.handled[key] = channel.Status.LastHandledRequest
}

// readyChannels counts the channels that are ready.
func (p *play) readyChannels() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ready)
}

func (p *play) lastHandled(channel *v1alpha1.WhatsAppChannel) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled[client.ObjectKeyFromObject(channel).String()]
}

// receive plays the private API of all receivers, each with the certificate that the operator made for it.
func (p *play) receive() {
	durable := true
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(config.Status{Version: "bench", Durable: &durable, DurableReason: "The volume keeps what is written."})
		}),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.certificate},
	}
	listener, err := new(net.ListenConfig).Listen(p.t.Context(), "tcp", net.JoinHostPort(doorAddress, strconv.Itoa(config.PrivatePort)))
	must(p.t, err)
	p.t.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.ServeTLS(listener, "", "") }()
}

func (p *play) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	known := p.served[hello.ServerName]
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	service, rest, _ := strings.Cut(hello.ServerName, ".")
	namespace, _, _ := strings.Cut(rest, ".")
	key := client.ObjectKey{Namespace: namespace, Name: manifests.APIName(strings.TrimSuffix(service, "-receiver"))}
	var secret corev1.Secret
	if err := p.cluster.Get(hello.Context(), key, &secret); err != nil {
		return nil, fmt.Errorf("play a receiver: %w", err)
	}
	certificate, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, fmt.Errorf("play a receiver: %w", err)
	}
	p.mu.Lock()
	p.served[hello.ServerName] = &certificate
	p.mu.Unlock()
	return &certificate, nil
}
