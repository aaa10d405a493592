package controllers

import (
	"context"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/whatsapp-operator/whatsapp-operator/controllers/manifests"
)

// network opens to the receiver the ways that it needs, and closes all others, where the operator is told to.
func (r *Reconciler) network(ctx context.Context, s *scope) error {
	policy := &networkingv1.NetworkPolicy{}
	if !r.Options.NetworkPolicies {
		return r.blockOnRefusal(s, r.remove(ctx, s, manifests.ReceiverName(s.channel.Name), policy))
	}
	if s.channel.Spec.Receiver.Storage.Postgres != nil && s.postgresDSN == "" {
		// Without its ports the receiver would lose the database that it has.
		return nil
	}
	declared := manifests.NetworkPolicy(s.channel, manifests.Network{
		OperatorNamespace: r.Options.Namespace,
		GraphBaseURL:      r.Options.Graph.BaseURL,
		Environment:       r.Options.ReceiverEnvironment,
		PostgresDSN:       string(s.postgresDSN),
	})
	return r.blockOnRefusal(s, r.own(ctx, s, declared, policy))
}
