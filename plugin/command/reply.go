package command

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whatsapp-operator/whatsapp-operator/plugin/receiver"
	"github.com/whatsapp-operator/whatsapp-operator/plugin/view"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api/wire"
)

// answer is what reply is told.
type answer struct {
	file, key, format string
	attach            []string
	wait              bool
}

func (p *program) reply() *cobra.Command {
	var a answer
	c := &cobra.Command{
		Use:   "reply TICKET [TEXT|-]",
		Short: "Send the customer of a ticket a reply",
		Long: "Send the customer of a ticket a reply: a text, a text from a file or, with -, from the standard input, and files.\n\n" +
			"Every reply has a key, which is printed. Should it be unclear whether a reply was taken, repeat the command with\n" +
			"--key and that key: the same key never sends twice.",
		Example: "  kubectl whatsapp reply support/12 \"It is on its way.\"\n" +
			"  kubectl whatsapp reply 12 --file answer.md --format markdown --attach bill.pdf\n" +
			"  git log -1 | kubectl whatsapp reply 12 - --wait",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage(errors.New("this needs the name of a ticket, such as support/12, and a text; put the text into quotes"))
			}
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVarP(&a.file, "file", "f", "", "file with the text")
	flags.StringArrayVarP(&a.attach, "attach", "a", nil, "file to attach; may be repeated")
	flags.StringVar(&a.format, "format", "", "how the text is written: plain, markdown or html; plain if left out")
	flags.StringVar(&a.key, "key", "", "the key of a reply that is repeated")
	flags.BoolVarP(&a.wait, "wait", "w", false, "wait until WhatsApp has delivered the reply, or refused it")
	p.timeoutFlag(c, 5*time.Minute)
	oneOf(c, "format", &a.format, "plain", "markdown", "html")
	p.onTicket(c, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		ticket, err := parseItem(args[0], "ticket")
		if err != nil {
			return err
		}
		reply := wire.Reply{Format: a.format}
		if reply.Text, err = p.text(args[1:], a); err != nil {
			return err
		}
		r, channel, err := p.receiver(c.Context(), ticket.channel)
		if err != nil {
			return err
		}
		return p.send(c.Context(), r, view.TicketName(channel.Name, ticket.id), ticket.id, reply, a)
	}
	return c
}

// text reads the text of a reply from where the arguments say it is.
func (p *program) text(args []string, a answer) (string, error) {
	var (
		text []byte
		err  error
	)
	switch {
	case len(args) == 1 && a.file != "":
		return "", usage(errors.New("give the text or --file, not both"))
	case a.file != "":
		text, err = os.ReadFile(a.file)
	case len(args) == 1 && args[0] == "-":
		text, err = io.ReadAll(p.In)
	case len(args) == 1:
		text = []byte(args[0])
	}
	if err != nil {
		return "", fmt.Errorf("the text cannot be read: %w", err)
	}
	if strings.TrimSpace(string(text)) == "" && len(a.attach) == 0 {
		return "", usage(errors.New("there is nothing to send: give a text, --file or --attach"))
	}
	return string(text), nil
}

func (p *program) send(ctx context.Context, r *receiver.Client, ticket string, id int64, reply wire.Reply, a answer) error {
	key := a.key
	if key == "" {
		key = rand.Text()
	}
	p.say("key: %s", key)
	sending, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	article, err := r.Reply(sending, id, key, reply, a.attach...)
	switch {
	case isRefused(err):
		return err
	case err != nil:
		return fmt.Errorf("it is not clear whether the reply was taken, so repeat it with --key %s, which sends nothing twice: %w", key, err)
	}
	state := article.Delivery
	if a.wait {
		if state, err = p.followReply(ctx, r, id, article.ID); err != nil {
			return fmt.Errorf("the reply was taken, and what became of it is not known: %w", err)
		}
	}
	return p.sayDelivery(ticket, state)
}

// isRefused tells whether an error means for certain that a reply was not taken.
func isRefused(err error) bool {
	var (
		notSent *receiver.NotSentError
		refused *receiver.Error
	)
	if errors.As(err, &refused) {
		return refused.Status < http.StatusInternalServerError || refused.Status == http.StatusInsufficientStorage
	}
	return errors.As(err, &notSent)
}

// followReply waits until it is known what became of a reply.
func (p *program) followReply(ctx context.Context, r *receiver.Client, ticket int64, article string) (state *wire.Delivery, err error) {
	err = p.follow(ctx, func(ctx context.Context) (progress, error) {
		t, err := r.Ticket(ctx, ticket)
		if err != nil {
			return progress{}, err
		}
		for _, a := range t.Articles {
			if a.ID == article {
				state = a.Delivery
			}
		}
		if state == nil {
			return progress{}, errors.New("the reply is no longer on the ticket")
		}
		return progress{view.Settled(*state), "the reply is " + state.State}, nil
	})
	return state, err
}

func (p *program) sayDelivery(ticket string, state *wire.Delivery) error {
	if state == nil {
		state = &wire.Delivery{State: "taken"}
	}
	if _, err := fmt.Fprintf(p.Out, "the reply on %s is %s\n", ticket, state.State); err != nil {
		return err
	}
	if view.Undelivered(*state) {
		return errors.New(state.Reason)
	}
	return nil
}
