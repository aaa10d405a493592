package command

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/whatsapp-operator/whatsapp-operator/plugin/receiver"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/view"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

// listing is a command that lists what waits for a person in one channel.
type listing[T any] struct {
	// none is said where nothing waits.
	none string
	list func(*receiver.Client, context.Context) ([]T, error)
	id   func(T) int64
	// whole is what a program gets of it, and show prints it for a person.
	whole func([]T) any
	show  func(to io.Writer, list []T, now time.Time, wide bool) error
}

func (l listing[T]) command(p *program, c *cobra.Command) *cobra.Command {
	c.Args, c.ValidArgsFunction = oneChannelAtMost, p.completeChannels
	out := outputFlag(c, formWide, formJSON, formYAML, formName)
	c.RunE = func(c *cobra.Command, args []string) error {
		r, channel, err := p.receiver(c.Context(), first(args))
		if err != nil {
			return err
		}
		list, err := l.list(r, c.Context())
		if err != nil {
			return err
		}
		if len(list) == 0 && out.form == "" {
			p.say("%s", l.none)
			return nil
		}
		names := make([]string, len(list))
		for i, item := range list {
			names[i] = view.TicketName(channel.Name, l.id(item))
		}
		return out.write(p.Out, l.whole(list), names, func() error { return l.show(p.Out, list, p.Now(), out.wide()) })
	}
	return c
}

func (p *program) deadLetters() *cobra.Command {
	return listing[wire.DeadLetter]{
		none:  "There are no dead letters.",
		list:  (*receiver.Client).DeadLetters,
		id:    func(d wire.DeadLetter) int64 { return d.ID },
		whole: func(list []wire.DeadLetter) any { return wire.DeadLetters{DeadLetters: list} },
		show:  view.DeadLetters,
	}.command(p, &cobra.Command{
		Use:     "dead-letters [CHANNEL]",
		Short:   "List the calls to Meta and the helpdesk that were given up",
		Long:    "List the calls to Meta and the helpdesk that were given up and wait for a person, the oldest first.",
		Example: "  kubectl whatsapp dead-letters support\n  kubectl whatsapp dead-letters support -o name | xargs -n 1 kubectl whatsapp replay",
	})
}

// onItem makes a command of something that is not a ticket, which says what it has done.
func (p *program) onItem(c *cobra.Command, kind, done string, do func(context.Context, *receiver.Client, int64) error) *cobra.Command {
	c.Args, c.ValidArgsFunction = exactlyOne("the name of a "+kind+", such as support/3"), p.completeItems
	c.RunE = func(c *cobra.Command, args []string) error {
		named, err := parseItem(args[0], kind)
		if err != nil {
			return err
		}
		r, channel, err := p.receiver(c.Context(), named.channel)
		if err != nil {
			return err
		}
		if err := do(c.Context(), r, named.id); err != nil || done == "" {
			return err
		}
		_, err = fmt.Fprintf(p.Out, "%s %s\n", view.TicketName(channel.Name, named.id), done)
		return err
	}
	return c
}

func (p *program) replay() *cobra.Command {
	return p.onItem(&cobra.Command{
		Use:     "replay ID",
		Short:   "Try a dead letter again",
		Long:    "Try a call again that was given up, after what kept it from succeeding was mended.",
		Example: "  kubectl whatsapp replay support/3",
	}, "dead letter", "is tried again", func(ctx context.Context, r *receiver.Client, id int64) error { return r.Replay(ctx, id) })
}

func (p *program) quarantine() *cobra.Command {
	c := &cobra.Command{
		Use:   "quarantine",
		Short: "See and settle the webhooks that could not be processed",
		Long: "See and settle the webhooks that were not understood, contradict an earlier one, or are for another number. They are\n" +
			"kept until a person has settled them.",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("there is no command %q of %s", args[0], c.CommandPath()))
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.listQuarantine(), p.onItem(&cobra.Command{
		Use: "show ID", Short: "Show what was received, as it is",
		Long:    "Show what was received, as it is. It holds a customer's data.",
		Example: "  kubectl whatsapp quarantine show support/3 | jq",
	}, "quarantined webhook", "", func(ctx context.Context, r *receiver.Client, id int64) error {
		q, err := r.Quarantined(ctx, id)
		if err == nil {
			_, err = fmt.Fprintln(p.Out, q.Body)
		}
		return err
	}), p.onItem(&cobra.Command{
		Use: "replay ID", Short: "Process a webhook again", Long: "Process a webhook again, after what kept it from being processed was mended.",
		Example: "  kubectl whatsapp quarantine replay support/3",
	}, "quarantined webhook", "is processed again", func(ctx context.Context, r *receiver.Client, id int64) error {
		return r.ReplayQuarantined(ctx, id)
	}), p.onItem(&cobra.Command{
		Use: "discard ID", Short: "Forget a webhook for good", Long: "Forget a webhook for good, after you have dealt with it.",
		Example: "  kubectl whatsapp quarantine discard support/3",
	}, "quarantined webhook", "is discarded", func(ctx context.Context, r *receiver.Client, id int64) error { return r.Discard(ctx, id) }))
	return c
}

func (p *program) listQuarantine() *cobra.Command {
	return listing[wire.Quarantined]{
		none:  "There is nothing in quarantine.",
		list:  (*receiver.Client).Quarantine,
		id:    func(q wire.Quarantined) int64 { return q.ID },
		whole: func(list []wire.Quarantined) any { return wire.Quarantine{Quarantined: list} },
		show:  view.Quarantine,
	}.command(p, &cobra.Command{
		Use:     "list [CHANNEL]",
		Short:   "List what is in quarantine, the oldest first",
		Long:    "List what is in quarantine, the oldest first.",
		Example: "  kubectl whatsapp quarantine list support",
	})
}
