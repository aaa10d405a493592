package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/cluster"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/receiver"
)

// channel reads the channel of a name, or, where that is empty, the only one of the namespace.
func (p *program) channel(ctx context.Context, name string) (*cluster.Cluster, *v1alpha1.WhatsAppChannel, error) {
	c, namespace, err := p.connect()
	if err != nil {
		return nil, nil, err
	}
	if name != "" {
		channel, err := c.Channel(ctx, types.NamespacedName{Namespace: namespace, Name: name})
		return c, channel, err
	}
	list, err := c.Channels(ctx, namespace)
	switch {
	case err != nil:
		return nil, nil, err
	case len(list) == 0:
		return nil, nil, fmt.Errorf("there is no channel in the namespace %s; choose another with -n", namespace)
	case len(list) > 1:
		names := make([]string, len(list))
		for i := range list {
			names[i] = list[i].Name
		}
		return nil, nil, usage(fmt.Errorf("there are several channels in the namespace %s, so name one: %s", namespace, strings.Join(names, ", ")))
	}
	return c, &list[0], nil
}

// receiver reaches the receiver of a channel, which is chosen as channel does.
func (p *program) receiver(ctx context.Context, name string) (*receiver.Client, *v1alpha1.WhatsAppChannel, error) {
	c, channel, err := p.channel(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	r, err := c.Receiver(ctx, channel)
	return r, channel, err
}

// item is something that a receiver numbers, as a person names it: CHANNEL/NUMBER, or NUMBER where there is only one
// channel.
type item struct {
	channel string
	id      int64
}

func parseItem(text, kind string) (item, error) {
	channel, digits, found := strings.Cut(text, "/")
	if !found {
		channel, digits = "", text
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || id <= 0 || (found && channel == "") {
		return item{}, usage(fmt.Errorf("%q is not the name of a %s: it is CHANNEL/NUMBER, such as support/12, or the NUMBER alone", text, kind))
	}
	return item{channel, id}, nil
}

// completeChannels completes the first argument of a command with the names of channels.
func (p *program) completeChannels(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.channelNames(c.Context(), ""), cobra.ShellCompDirectiveNoFileComp
}

// completeItems completes the first argument of a command with the names of channels, after which a number follows.
func (p *program) completeItems(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return p.channelNames(c.Context(), "/"), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func (p *program) channelNames(ctx context.Context, suffix string) []cobra.Completion {
	c, namespace, err := p.connect()
	if err != nil {
		return nil
	}
	list, err := c.Channels(ctx, namespace)
	if err != nil {
		return nil
	}
	names := make([]cobra.Completion, 0, len(list))
	for i := range list {
		names = append(names, list[i].Name+suffix)
	}
	return names
}

// exactlyOne and oneChannelAtMost bound the arguments of a command.
func exactlyOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage(fmt.Errorf("this needs %s, and nothing else", what))
		}
		return nil
	}
}

func oneChannelAtMost(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage(errors.New("this takes the name of a channel at most"))
	}
	return nil
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
