package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/test/stage"
)

// channelYAML is what the reader would write.
//
//go:embed channel.yaml
var channelYAML string

// What the channel is made of, as channel.yaml names it.
const (
	namespace        = "helpdesk"
	channelName      = "support"
	credentials      = "whatsapp-support"
	tlsSecret        = "wa-support-tls"
	callbackHostname = "support-callback.helpdesk.svc.cluster.local"
	phoneNumberID    = "106540352242922"
	accessToken      = "EAAdemo0f1e2d3c4b5a69788796a5b4c3d2e1f00"
	appSecret        = "demo5f0c0e2ea1d34b0d9c3f5d1c7a8e"
	zammadSecret     = "zammad-support"
	zammadToken      = "demo-7c1e5b0a94d2f836"
)

// The conversation that is shown.
const (
	customerPhone = "+1 202-555-0143"
	customerName  = "Erika Mustermann"
	question      = "Hello! My order has not arrived yet. Can you help me?"
	answer        = "Hello Erika, it left our warehouse today and will be with you <b>tomorrow</b>."
)

// metaSeed is what exists at Meta: an app, a business account with one phone number, and a token for them.
var metaSeed = stage.Seed{
	Apps:             []stage.App{{ID: "670843887433847", Name: "Demo", Secret: appSecret}},
	BusinessAccounts: []stage.BusinessAccount{{ID: "102290129340398", Name: "Demo"}},
	PhoneNumbers: []stage.PhoneNumber{{
		ID: phoneNumberID, BusinessAccountID: "102290129340398", DisplayPhoneNumber: "+1 631-555-1111", VerifiedName: "Demo Support",
	}},
	Tokens: []stage.Token{{Value: accessToken, AppID: "670843887433847"}},
}

// patience is how long the demo waits for one thing to happen.
const patience = 3 * time.Minute

// story is what the demo shows, once there is a machine for it.
type story struct {
	console *console
	machine *machine
	cluster *stage.Cluster
	meta    *stage.Meta
	zammad  *stage.Zammad
}

// show builds everything and tells the story.
func show(ctx context.Context, c *console, m *machine) error {
	c.step("Building the images from this tree")
	archives, err := m.images(ctx)
	if err != nil {
		return err
	}
	c.step("Making a Kubernetes cluster of its own, named %s", clusterName)
	cluster, err := m.cluster(ctx)
	if err != nil {
		return err
	}
	c.step("Loading the images into the cluster")
	if err := m.load(ctx, archives); err != nil {
		return err
	}
	s := &story{console: c, machine: m, cluster: cluster}
	for _, chapter := range []func(context.Context) error{s.prepare, s.declare, s.converse} {
		if err := chapter(ctx); err != nil {
			return fmt.Errorf("%w\n\nLook around with\n\n  export KUBECONFIG=%s\n  kubectl get wac,pods --all-namespaces\n\n"+
				"and start anew with\n\n  make demo-down demo", err, cluster.Kubeconfig)
		}
	}
	s.invite()
	return nil
}

// prepare installs the operator and starts Meta and Zammad.
func (s *story) prepare(ctx context.Context) error {
	s.console.step("Installing the operator (kustomize, config/default), and starting a simulated Meta and Zammad")
	authority, err := stage.NewAuthority()
	if err != nil {
		return err
	}
	s.console.say("clearing what an earlier demo left, if there is anything")
	clearing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.cluster.Clear(clearing); err != nil {
		return fmt.Errorf("what an earlier demo left could not be removed: %w", err)
	}
	s.console.say("[%s] starting Meta: its Graph API is at https://meta.meta.svc, inside the cluster", s.console.elapsed())
	if s.meta, err = s.cluster.StartMeta(ctx, authority, metaSeed); err != nil {
		return err
	}
	s.console.say("[%s] starting Zammad, the helpdesk: its REST API is at %s, inside the cluster", s.console.elapsed(), stage.ZammadURL)
	if s.zammad, err = s.cluster.StartZammad(ctx, authority); err != nil {
		return err
	}
	if err := s.zammad.IssueToken(ctx, zammadToken); err != nil {
		return err
	}
	s.console.say("[%s] installing the operator into the namespace %s", s.console.elapsed(), stage.OperatorNamespace)
	if err := s.cluster.InstallOperator(ctx, s.machine.repository, authority); err != nil {
		return err
	}
	if err := s.cluster.Namespace(ctx, namespace); err != nil {
		return err
	}
	if err := s.cluster.ChannelSecret(ctx, namespace, credentials, map[string]string{
		"access-token": accessToken, "app-secret": appSecret,
	}); err != nil {
		return err
	}
	if err := s.cluster.ChannelSecret(ctx, namespace, zammadSecret, map[string]string{"token": zammadToken}); err != nil {
		return err
	}
	s.console.say("[%s] all run; the Secret %s holds Meta's credentials, %s Zammad's token, and %s a certificate for the callback URL",
		s.console.elapsed(), credentials, zammadSecret, tlsSecret)
	return s.cluster.TLSSecret(ctx, authority, namespace, tlsSecret, callbackHostname)
}

// declare applies the channel and waits until it is Ready.
func (s *story) declare(ctx context.Context) error {
	s.console.step("Declaring a support line: kubectl apply -f hack/demo/channel.yaml")
	s.console.show(channelYAML)
	if _, err := s.cluster.KubectlInput(ctx, channelYAML, "apply", "-f", "-"); err != nil {
		return err
	}
	s.console.step("Waiting until it is Ready")
	var channel v1alpha1.WhatsAppChannel
	err := s.console.wait(ctx, func(ctx context.Context) (bool, string) {
		if err := s.cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: channelName}, &channel); err != nil {
			return false, err.Error()
		}
		return readiness(channel)
	})
	if err != nil {
		return err
	}
	table, err := s.cluster.Kubectl(ctx, "get", "wac", "--namespace", namespace)
	if err != nil {
		return err
	}
	s.console.say("$ kubectl get wac --namespace %s", namespace)
	s.console.show(table)
	s.console.say("Meta calls %s", channel.Status.CallbackURL)
	return nil
}

// readiness says whether a channel is Ready, or what blocks.
func readiness(channel v1alpha1.WhatsAppChannel) (ready bool, blocks string) {
	condition := apimeta.FindStatusCondition(channel.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case condition == nil:
		return false, "the operator has not looked at the channel yet"
	case condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == channel.Generation:
		return true, ""
	}
	return false, condition.Reason + ": " + condition.Message
}

// converse shows a customer's message, the ticket, the agent's answer and the goodbye.
func (s *story) converse(ctx context.Context) error {
	s.console.step("A customer writes: %q", question)
	if err := s.meta.CustomerWrites(ctx, customerPhone, customerName, phoneNumberID, question); err != nil {
		return err
	}
	s.console.step("The message becomes a ticket in Zammad")
	ticket, err := s.ticket(ctx, "open or new", func(t stage.ZammadTicket) bool {
		return t.State != "closed" && t.Holds("Customer", question)
	})
	if err != nil {
		return err
	}
	s.console.say("ticket %d in %q, %s: %s", ticket.ID, ticket.Group, ticket.State, ticket.Title)
	s.console.step("The welcome message arrives at the customer")
	if err := s.received(ctx, 1); err != nil {
		return err
	}
	s.console.step("An agent replies in Zammad: %q", answer)
	if err := s.zammad.Reply(ctx, ticket.ID, answer); err != nil {
		return err
	}
	if err := s.received(ctx, 2); err != nil {
		return err
	}
	s.console.step("The agent closes the ticket, and the customer gets the goodbye")
	if err := s.zammad.SetState(ctx, ticket.ID, "closed"); err != nil {
		return err
	}
	if err := s.received(ctx, 3); err != nil {
		return err
	}
	s.console.step("This is what the agent sees in Zammad")
	ticket, err = s.ticket(ctx, "closed, with the goodbye", func(t stage.ZammadTicket) bool {
		return t.ID == ticket.ID && t.State == "closed" && len(t.Articles) >= 4
	})
	if err != nil {
		return err
	}
	s.console.say("ticket %d in %q, %s: %s", ticket.ID, ticket.Group, ticket.State, ticket.Title)
	for _, article := range ticket.Articles {
		s.console.say("  %-8s  %s", article.Sender, article.Body)
	}
	return nil
}

// ticket waits until the newest ticket in Zammad is as wanted.
func (s *story) ticket(ctx context.Context, wanted string, is func(stage.ZammadTicket) bool) (stage.ZammadTicket, error) {
	var found stage.ZammadTicket
	err := s.console.wait(ctx, func(ctx context.Context) (bool, string) {
		tickets, err := s.zammad.Tickets(ctx)
		if err != nil {
			return false, err.Error()
		}
		for _, found = range slices.Backward(tickets) {
			if is(found) {
				return true, ""
			}
		}
		return false, "no ticket is " + wanted + " yet"
	})
	return found, err
}

// received waits until the customer has a number of messages, and shows the last.
func (s *story) received(ctx context.Context, count int) error {
	return s.console.wait(ctx, func(ctx context.Context) (bool, string) {
		messages, err := s.meta.Received(ctx, customerPhone)
		if err != nil {
			return false, err.Error()
		}
		if len(messages) < count {
			return false, "nothing has arrived at the customer yet"
		}
		s.console.say("%s reads: %s", customerName, messages[count-1].Text)
		return true, ""
	})
}
