package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/whatsapp-operator/whatsapp-operator/plugin/receiver"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/view"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

func (p *program) tickets() *cobra.Command {
	var (
		state string
		limit int
	)
	c := &cobra.Command{
		Use:   "tickets [CHANNEL]",
		Short: "List tickets, the newest first",
		Long: "List the tickets of a channel's built-in inbox, the newest first. The name may be left out where the namespace has one\n" +
			"channel.",
		Example: "  kubectl whatsapp tickets support\n  kubectl whatsapp tickets --state open -o wide",
		Args:    oneChannelAtMost, ValidArgsFunction: p.completeChannels,
	}
	c.Flags().StringVar(&state, "state", "", "list those that are open, pending or closed; all if left out")
	c.Flags().IntVar(&limit, "limit", 50, "list this many at most")
	oneOf(c, "state", &state, "open", "pending", "closed")
	out := outputFlag(c, formWide, formJSON, formYAML, formName)
	c.RunE = func(c *cobra.Command, args []string) error {
		if limit < 1 {
			return usage(errors.New("--limit must be at least 1"))
		}
		r, channel, err := p.receiver(c.Context(), first(args))
		if err != nil {
			return err
		}
		list, err := r.Tickets(c.Context(), state, limit)
		if err != nil {
			return err
		}
		if len(list) == 0 && out.form == "" {
			p.say("There are no such tickets in the built-in inbox.")
			if desk := view.HelpdeskOf(channel); desk != view.Inbox {
				p.say("The tickets of this channel are in its helpdesk: %s.", desk)
			}
			return nil
		}
		names := make([]string, len(list))
		for i, t := range list {
			names[i] = view.TicketName(channel.Name, t.ID)
		}
		return out.write(p.Out, wire.Tickets{Tickets: list}, names, func() error {
			return view.Tickets(p.Out, channel.Name, list, p.Now(), out.wide())
		})
	}
	return c
}

// onTicket makes the command of a ticket.
func (p *program) onTicket(c *cobra.Command, do func(context.Context, *receiver.Client, string, int64) error) *cobra.Command {
	c.ValidArgsFunction = p.completeItems
	c.RunE = func(c *cobra.Command, args []string) error {
		ticket, err := parseItem(args[0], "ticket")
		if err != nil {
			return err
		}
		r, channel, err := p.receiver(c.Context(), ticket.channel)
		if err != nil {
			return err
		}
		return do(c.Context(), r, channel.Name, ticket.id)
	}
	return c
}

func (p *program) show() *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use:     "show TICKET",
		Short:   "Show what is on a ticket",
		Long:    "Show a ticket with its articles, and how far each message to the customer has got.",
		Example: "  kubectl whatsapp show support/12\n  kubectl whatsapp show 12 --save ./files",
		Args:    exactlyOne("the name of a ticket, such as support/12"),
	}
	c.Flags().StringVar(&folder, "save", "", "folder to save the ticket's files in")
	out := outputFlag(c, formJSON, formYAML)
	return p.onTicket(c, func(ctx context.Context, r *receiver.Client, channel string, id int64) error {
		t, err := r.Ticket(ctx, id)
		if err != nil {
			return err
		}
		if err := out.write(p.Out, t, nil, func() error { return view.Ticket(p.Out, channel, t, p.Now()) }); err != nil || folder == "" {
			return err
		}
		return p.save(ctx, r, t, folder)
	})
}

// save saves the files of a ticket that are here. A name is only ever that of a new file in the folder, whatever the
// customer called it.
func (p *program) save(ctx context.Context, r *receiver.Client, t wire.Ticket, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	count := 0
	for _, article := range t.Articles {
		for _, a := range article.Attachments {
			if a.Path == "" {
				continue
			}
			count++
			name := fmt.Sprintf("%d-%s", count, filepath.Base(filepath.Clean("/"+a.Name)))
			if err := download(ctx, r, a, root, name); err != nil {
				return err
			}
			p.say("saved %s", filepath.Join(folder, name))
		}
	}
	return nil
}

func download(ctx context.Context, r *receiver.Client, a wire.Attachment, root *os.Root, name string) (err error) {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("a file of the ticket cannot be saved: %w", err)
	}
	defer func() {
		// A part of a file is taken for all of it, and in the way when the command is repeated.
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(fmt.Errorf("the file %s did not come whole: %w", name, err), root.Remove(name))
		}
	}()
	return r.Attachment(ctx, a.Path, file)
}

// change makes the command that brings a ticket into a state.
func (p *program) change(name, short, to string) *cobra.Command {
	c := &cobra.Command{
		Use: name + " TICKET", Short: short, Long: short + ".",
		Example: "  kubectl whatsapp " + name + " support/12",
		Args:    exactlyOne("the name of a ticket, such as support/12"),
	}
	return p.onTicket(c, func(ctx context.Context, r *receiver.Client, channel string, id int64) error {
		t, err := r.Change(ctx, id, to)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.Out, "%s is %s\n", view.TicketName(channel, id), t.State)
		return err
	})
}
