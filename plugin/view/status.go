package view

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// Inbox is the helpdesk that every receiver has built in.
const Inbox = "the built-in inbox"

func number(n int64) string { return strconv.FormatInt(n, 10) }

// next says what to do about a channel, the most important first.
func next(s Status) []string {
	steps := []string{}
	ready := s.Ready
	registered := s.condition(v1alpha1.ConditionWebhookRegistered)
	switch {
	case ready:
	case s.Reason == v1alpha1.ReasonHeld:
		steps = append(steps, "Set spec.delivery to Active, or remove it, when messages may be passed on again.")
	case registered.Status == string(metav1.ConditionFalse) && s.Registration == string(v1alpha1.RegistrationManual) && s.Message == registered.Message:
		steps = append(steps, "Register the callback URL at Meta: kubectl whatsapp setup "+s.arguments())
	default:
		steps = append(steps, s.Message)
	}
	if c := s.condition(v1alpha1.ConditionCredentialsValid); c.Reason == v1alpha1.ReasonTokenExpiring {
		steps = append(steps, c.Message)
	}
	if c := s.condition(v1alpha1.ConditionDurable); ready && c.Status == string(metav1.ConditionFalse) {
		steps = append(steps, c.Message)
	}
	if s.Receiver != nil && !strings.Contains(s.Message, s.Receiver.TurningAway) {
		steps = append(steps, "Webhooks are turned away: "+s.Receiver.TurningAway)
	}
	if s.Receiver != nil && s.Receiver.SendingError != "" {
		steps = append(steps, "Messages cannot be sent to customers: "+s.Receiver.SendingError)
	}
	if s.ReceiverProblem != "" && ready {
		steps = append(steps, "The receiver itself could not be asked: "+s.ReceiverProblem)
	}
	if s.Receiver != nil && s.Receiver.Helpdesk != nil && !s.Receiver.Helpdesk.Ready && (ready || s.Message != s.Receiver.Helpdesk.Message) {
		steps = append(steps, "Tickets cannot be opened: "+s.Receiver.Helpdesk.Message)
	}
	q := s.queue()
	if q.deadLetters > 0 {
		steps = append(steps, fmt.Sprintf("Look at what was given up, and try it again: kubectl whatsapp dead-letters %s", s.arguments()))
	}
	if q.quarantined > 0 {
		steps = append(steps, fmt.Sprintf("Look at the webhooks that could not be processed: kubectl whatsapp quarantine list %s", s.arguments()))
	}
	return steps
}

// arguments name the channel to a command.
func (s Status) arguments() string { return s.Name + " -n " + s.Namespace }

func (s Status) condition(conditionType string) Condition {
	for _, c := range s.Conditions {
		if c.Type == conditionType {
			return c
		}
	}
	return Condition{}
}

// Write says at length how a channel is.
func (s Status) Write(w io.Writer, now time.Time) error {
	var b strings.Builder
	if s.Ready {
		fmt.Fprintf(&b, "%s/%s is ready.\n\n", s.Namespace, s.Name)
	} else {
		fmt.Fprintf(&b, "%s/%s is not ready: %s\n\n", s.Namespace, s.Name, s.Message)
	}
	columns := tabwriter.NewWriter(&b, 0, 4, 3, ' ', 0)
	fact := func(name, value string) { fmt.Fprintf(columns, "%s\t%s\n", name, cmp.Or(value, none)) }
	fact("Phone number", s.phone())
	fact("Target group", s.TargetGroup)
	fact("Callback URL", s.CallbackURL)
	fact("Registration", s.Registration)
	fact("Helpdesk", s.helpdesk())
	for i, c := range s.Conditions {
		if i == 0 {
			fmt.Fprintln(columns)
		}
		fact(title(c.Type), answer(c)+"\t"+c.Message)
	}
	if s.ReceiverProblem != "" || s.Receiver != nil || s.Mirrored != nil {
		fmt.Fprintln(columns)
		s.writeReceiver(fact, now)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	if len(s.Next) > 0 {
		b.WriteString("\nWhat to do next\n")
		for i, step := range s.Next {
			fmt.Fprintf(&b, "%3d. %s\n", i+1, step)
		}
	}
	_, err := io.WriteString(w, withoutTrailingSpace(b.String()))
	return err
}

func (s Status) phone() string {
	text := s.PhoneNumber
	if s.VerifiedName != "" {
		text += ", " + s.VerifiedName
	}
	if s.Quality != "" {
		text += ", quality " + s.Quality
	}
	return text
}

// HelpdeskOf says where a channel's tickets are to be.
func HelpdeskOf(channel *v1alpha1.WhatsAppChannel) string {
	switch h := channel.Spec.Helpdesk; {
	case h.Zammad != nil:
		return "Zammad at " + h.Zammad.URL
	case h.CloudEvents != nil:
		return "CloudEvents to " + h.CloudEvents.URL
	}
	return Inbox
}

// helpdesk says where the tickets are, and how the receiver found it.
func (s Status) helpdesk() string {
	text := s.Helpdesk
	if s.Receiver == nil || s.Receiver.Helpdesk == nil {
		return text
	}
	if version := s.Receiver.Helpdesk.Version; version != "" {
		text += ", version " + version
	}
	return text
}

func answer(c Condition) string {
	switch c.Status {
	case string(metav1.ConditionTrue):
		return "yes"
	case string(metav1.ConditionFalse):
		return "NO"
	}
	return "unknown"
}

func (s Status) writeReceiver(fact func(name, value string), now time.Time) {
	if s.ReceiverProblem != "" {
		fact("Receiver", "could not be asked: "+s.ReceiverProblem)
	}
	if s.Receiver == nil && s.Mirrored == nil {
		return
	}
	q := s.queue()
	fact("Backlog", plural(q.backlog, "webhook waits", "webhooks wait")+" to be processed")
	if q.known {
		fact("Pending", plural(q.pending, "call", "calls")+" to Meta or the helpdesk still to be made")
	}
	fact("Dead letters", plural(q.deadLetters, "call was", "calls were")+" given up")
	if q.known {
		fact("Quarantine", plural(q.quarantined, "webhook", "webhooks")+" could not be processed")
	} else {
		fact("Misrouted", plural(q.quarantined, "webhook", "webhooks")+" came for another number")
	}
	fact("Last message", when(now, q.lastMessage))
	if r := s.Receiver; r != nil {
		fact("Last webhook", when(now, timeOf(r.LastWebhookTime)))
		fact("Last handshake", when(now, timeOf(r.LastHandshakeTime)))
		fact("Version", r.Version)
	}
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

func when(now, at time.Time) string {
	if at.IsZero() {
		return "none seen"
	}
	return fmt.Sprintf("%s ago, at %s", ago(now, at), moment(now, at))
}

func withoutTrailingSpace(text string) string {
	var b strings.Builder
	for part := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(part, " \n") + "\n")
	}
	return b.String()
}
