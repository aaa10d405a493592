package command

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/cluster"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/receiver"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/sendtest"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/view"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

// postTime bounds the request to the callback URL.
const postTime = 20 * time.Second

// test is what send-test is told.
type test struct {
	text, caFile string
	direct       bool
}

func (p *program) sendTest() *cobra.Command {
	var t test
	c := &cobra.Command{
		Use:   "send-test CHANNEL",
		Short: "Send a test message through the callback URL, and follow it to its ticket",
		Long: "Send a message as Meta would: signed with the app secret, through the real callback URL, from a customer who does not\n" +
			"exist (" + sendtest.CustomerName + ", +" + sendtest.CustomerPhone + "). Follow it until it is on a ticket, or say where it got stuck.\n\n" +
			"The channel treats it like any message: it opens a ticket, and a welcome is sent to that number, which WhatsApp\n" +
			"does not know, so the ticket shows it as failed. Close the ticket afterwards.",
		Example: "  kubectl whatsapp send-test support\n  kubectl whatsapp send-test support --direct",
		Args:    exactlyOne("the name of a channel"), ValidArgsFunction: p.completeChannels,
	}
	flags := c.Flags()
	flags.StringVar(&t.text, "text", "", "what the customer writes; a text that says that it is a test if left out")
	flags.StringVar(&t.caFile, "ca-file", "", "file with the certificates of a private authority for the callback URL")
	flags.BoolVar(&t.direct, "direct", false, "send to the receiver by port-forward, past DNS and everything else that leads to it from outside")
	p.timeoutFlag(c, 2*time.Minute)
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, channel, err := p.channel(c.Context(), args[0])
		if err != nil {
			return err
		}
		if err := sendtest.Ready(channel); err != nil {
			return err
		}
		r, err := cl.Receiver(c.Context(), channel)
		if err != nil {
			return err
		}
		return p.runTest(c.Context(), cl, r, channel, t)
	}
	return c
}

func (p *program) runTest(ctx context.Context, cl *cluster.Cluster, r *receiver.Client, channel *v1alpha1.WhatsAppChannel, t test) error {
	secret, err := cl.SecretValue(ctx, channel.Namespace, channel.Spec.AppSecretSecretRef)
	if err != nil {
		return err
	}
	before, err := r.Status(ctx)
	if err != nil {
		return err
	}
	now := p.Now()
	if t.text == "" {
		t.text = sendtest.Text(now)
	}
	wamid := "wamid.TEST" + rand.Text()
	body, err := sendtest.Webhook(channel, wamid, t.text, now)
	if err != nil {
		return err
	}
	client, to, err := t.route(cl, channel)
	if err != nil {
		return err
	}
	posting, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	// Files hold the secret with a line break at the end, which is no part of it.
	if err := sendtest.Post(posting, client, to, body, []byte(strings.TrimSpace(secret))); err != nil {
		return err
	}
	p.say("stored: %s answered 200 to the message %s", to, wamid)
	ticket := ""
	err = p.follow(ctx, func(ctx context.Context) (progress, error) {
		message, err := lookUp(ctx, r, wamid)
		if err != nil {
			return progress{}, err
		}
		status, err := r.Status(ctx)
		if err != nil {
			return progress{}, err
		}
		found := sendtest.Judge(message, before, status)
		if found.Stuck != nil {
			return progress{}, found.Stuck
		}
		if found.Done {
			ticket = message.Ticket
		}
		return progress{found.Done, found.Waits}, nil
	})
	if err != nil {
		return err
	}
	if desk := view.HelpdeskOf(channel); desk == view.Inbox {
		ticket = channel.Name + "/" + ticket
	} else {
		ticket += " in the helpdesk, " + desk
	}
	_, err = fmt.Fprintf(p.Out, "the message is on the ticket %s\n", ticket)
	return err
}

// route says how to send to a channel: the client, and the URL.
func (t test) route(cl *cluster.Cluster, channel *v1alpha1.WhatsAppChannel) (*http.Client, string, error) {
	roots, err := t.roots()
	if err != nil {
		return nil, "", err
	}
	to := channel.Status.CallbackURL
	if !t.direct {
		return &http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}, to, nil
	}
	if !cluster.EndsTLS(channel) {
		// Something before the receiver ends TLS.
		parsed, err := url.Parse(to)
		if err != nil {
			return nil, "", err
		}
		parsed.Scheme = "http"
		to = parsed.String()
	}
	return cl.Callback(channel, roots), to, nil
}

// roots are the system's authorities and those of the file.
func (t test) roots() (*x509.CertPool, error) {
	if t.caFile == "" {
		// No pool stands for the system's.
		return nil, nil
	}
	pem, err := os.ReadFile(t.caFile)
	if err != nil {
		return nil, fmt.Errorf("the file of --ca-file cannot be read: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the file %s holds no certificate", t.caFile)
	}
	return roots, nil
}

// lookUp asks how far a message has got; nil as long as it is not taken up.
func lookUp(ctx context.Context, r *receiver.Client, wamid string) (*wire.Message, error) {
	message, err := r.Message(ctx, wamid)
	switch {
	case receiver.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &message, nil
}
