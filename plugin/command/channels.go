package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/cluster"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/view"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// askTime bounds how long a receiver is asked where the answer is an addition.
const askTime = 15 * time.Second

func (p *program) status() *cobra.Command {
	allNamespaces := false
	c := &cobra.Command{
		Use:   "status [CHANNEL]",
		Short: "Say how channels are, and what to do next",
		Long: "Say how a channel is: its conditions, what waits in its receiver, when messages last came, and what to do next.\n" +
			"Without a name, list the channels of the namespace.\n\n" +
			"With a name, the exit code is 3 while the channel is not ready.",
		Example: "  kubectl whatsapp status\n  kubectl whatsapp status -A -o wide\n  kubectl whatsapp status support -n helpdesk",
		Args:    oneChannelAtMost, ValidArgsFunction: p.completeChannels,
	}
	c.Flags().BoolVarP(&allNamespaces, "all-namespaces", "A", false, "list the channels of all namespaces")
	out := outputFlag(c, formWide, formJSON, formYAML, formName)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			return p.showStatus(c.Context(), args[0], out)
		}
		return p.listStatus(c.Context(), allNamespaces, out)
	}
	return c
}

func (p *program) listStatus(ctx context.Context, allNamespaces bool, out *output) error {
	cl, namespace, err := p.connect()
	if err != nil {
		return err
	}
	if allNamespaces {
		namespace = ""
	}
	channels, err := cl.Channels(ctx, namespace)
	if err != nil {
		return err
	}
	list, names := []view.Status{}, []string{}
	for i := range channels {
		list = append(list, view.StatusOf(&channels[i], nil, ""))
		names = append(names, channels[i].Name)
	}
	if len(list) == 0 && out.form == "" {
		p.say("There are no channels here; -n chooses another namespace, and -A all of them.")
		return nil
	}
	return out.write(p.Out, list, names, func() error {
		return view.Channels(p.Out, list, p.Now(), allNamespaces, out.wide())
	})
}

func (p *program) showStatus(ctx context.Context, name string, out *output) error {
	cl, channel, err := p.channel(ctx, name)
	if err != nil {
		return err
	}
	receiver, problem := ask(ctx, cl, channel)
	status := view.StatusOf(channel, receiver, problem)
	if err := out.write(p.Out, status, []string{channel.Name}, func() error { return status.Write(p.Out, p.Now()) }); err != nil {
		return err
	}
	if !status.Ready {
		return &exitError{code: ExitNotReady, silent: true, error: cluster.ErrNotReady}
	}
	return nil
}

// ask asks a channel's receiver itself how it is, or says why it could not be asked.
func ask(ctx context.Context, cl *cluster.Cluster, channel *v1alpha1.WhatsAppChannel) (*config.Status, string) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := cl.Receiver(ctx, channel)
	if err != nil {
		return nil, err.Error()
	}
	status, err := r.Status(ctx)
	if err != nil {
		return nil, err.Error()
	}
	return &status, ""
}

func (p *program) setup() *cobra.Command {
	wait := false
	c := &cobra.Command{
		Use:   "setup CHANNEL",
		Short: "Say what connects a channel with Meta: what is done, what is missing, and what to paste where",
		Long: "Say step by step what connects a channel with Meta. Where you register the callback URL yourself, the two strings to\n" +
			"paste are shown: this is the only command that reads the verify token, so do not run it where others watch.\n\n" +
			"The exit code is 3 while Meta does not call the channel.",
		Example: "  kubectl whatsapp setup support\n  kubectl whatsapp setup support --wait",
		Args:    exactlyOne("the name of a channel"), ValidArgsFunction: p.completeChannels,
	}
	c.Flags().BoolVarP(&wait, "wait", "w", false, "wait until Meta calls the channel")
	p.timeoutFlag(c, 10*time.Minute)
	out := outputFlag(c, formJSON, formYAML)
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, channel, err := p.channel(c.Context(), args[0])
		if err != nil {
			return err
		}
		setup, err := setupWithToken(c.Context(), cl, channel)
		if err != nil {
			return err
		}
		if wait && !setup.Registered {
			if setup, err = p.followSetup(c.Context(), cl, setup, out); err != nil {
				return err
			}
		}
		if err := out.write(p.Out, setup, nil, func() error { return setup.Write(p.Out) }); err != nil {
			return err
		}
		if !setup.Registered {
			return &exitError{code: ExitNotReady, silent: true, error: cluster.ErrNotReady}
		}
		return nil
	}
	return c
}

// setupWithToken is the set-up of a channel, with the verify token where a person has to paste it.
func setupWithToken(ctx context.Context, cl *cluster.Cluster, channel *v1alpha1.WhatsAppChannel) (view.Setup, error) {
	setup := view.SetupOf(channel)
	if ref := channel.Status.VerifyTokenSecretRef; ref != nil && setup.Paste {
		token, err := cl.SecretValue(ctx, channel.Namespace, *ref)
		if err != nil {
			return setup, err
		}
		setup.VerifyToken = token
	}
	return setup, nil
}

// followSetup waits until Meta calls a channel. A person is shown how far it is, and again once there is something to paste.
// The operator looks by itself when it sees Meta's handshake.
func (p *program) followSetup(ctx context.Context, cl *cluster.Cluster, setup view.Setup, out *output) (view.Setup, error) {
	key := types.NamespacedName{Namespace: setup.Namespace, Name: setup.Name}
	show := func() error {
		if out.form != "" {
			return nil
		}
		return setup.Write(p.Out)
	}
	if err := show(); err != nil {
		return setup, err
	}
	told := setup.CanPaste()
	err := p.follow(ctx, func(ctx context.Context) (progress, error) {
		channel, err := cl.Channel(ctx, key)
		if err != nil {
			return progress{}, err
		}
		if setup, err = setupWithToken(ctx, cl, channel); err != nil {
			return progress{}, err
		}
		if !told && setup.CanPaste() && !setup.Registered {
			told = true
			if err := show(); err != nil {
				return progress{}, err
			}
		}
		return progress{setup.Registered, setup.Blocks()}, nil
	})
	return setup, err
}
