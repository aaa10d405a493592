package view

import (
	"cmp"
	"io"
	"strings"
	"time"
	"unicode"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// Status is a channel as its admin wants to know it.
type Status struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Ready     bool   `json:"ready"`
	// Reason is Ready's, in one word, and Message says it in a sentence.
	Reason  string `json:"reason"`
	Message string `json:"message"`

	PhoneNumber  string `json:"phoneNumber,omitempty"`
	VerifiedName string `json:"verifiedName,omitempty"`
	Quality      string `json:"quality,omitempty"`
	TargetGroup  string `json:"targetGroup"`
	CallbackURL  string `json:"callbackURL,omitempty"`
	Registration string `json:"registration"`
	// Helpdesk is where tickets are to be, as the spec says.
	Helpdesk string `json:"helpdesk"`

	Conditions []Condition `json:"conditions"`
	// Receiver is what the receiver says now, or nil with a reason in ReceiverProblem.
	Receiver        *config.Status `json:"receiver,omitempty"`
	ReceiverProblem string         `json:"receiverProblem,omitempty"`
	// Mirrored is what the operator noted of the receiver, some minutes ago at most.
	Mirrored *v1alpha1.ReceiverStatus `json:"mirrored,omitempty"`
	// Next says what to do, in order.
	Next []string `json:"next"`

	created time.Time
}

// Condition is one condition of a channel.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// StatusOf says how a channel is, by what the operator says and, unless it is nil, the receiver itself.
func StatusOf(channel *v1alpha1.WhatsAppChannel, receiver *config.Status, receiverProblem string) Status {
	s := Status{
		Namespace: channel.Namespace, Name: channel.Name,
		Reason: v1alpha1.ReasonPending, Message: "The operator has not looked at the channel yet; is it running?",
		TargetGroup: channel.Spec.TargetGroup, CallbackURL: channel.Status.CallbackURL,
		Registration: string(cmp.Or(channel.Spec.Callback.Registration, v1alpha1.RegistrationManual)),
		PhoneNumber:  channel.Spec.PhoneNumber,
		Helpdesk:     HelpdeskOf(channel),
		Conditions:   []Condition{}, Receiver: receiver, ReceiverProblem: receiverProblem, Mirrored: channel.Status.Receiver,
		created: channel.CreationTimestamp.Time,
	}
	if number := channel.Status.PhoneNumber; number != nil {
		s.PhoneNumber = cmp.Or(number.DisplayPhoneNumber, s.PhoneNumber)
		s.VerifiedName, s.Quality = number.VerifiedName, number.QualityRating
	}
	if ready := apimeta.FindStatusCondition(channel.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		s.Reason, s.Message = ready.Reason, ready.Message
		s.Ready = ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == channel.Generation
		if ready.Status == metav1.ConditionTrue && !s.Ready {
			s.Reason, s.Message = v1alpha1.ReasonPending, "The spec was changed, and the operator has not looked at it yet."
		}
	}
	for _, c := range channel.Status.Conditions {
		switch c.Type {
		case v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled:
			continue
		}
		s.Conditions = append(s.Conditions, Condition{c.Type, string(c.Status), c.Reason, c.Message})
	}
	s.Next = next(s)
	return s
}

// queue is the most recent knowledge of what waits.
type queue struct {
	backlog, pending, deadLetters, quarantined int64
	// known tells that pending and quarantined are, too.
	known       bool
	lastMessage time.Time
}

func (s Status) queue() queue {
	if r := s.Receiver; r != nil {
		return queue{r.Backlog, r.PendingEffects, r.DeadLetters, r.Quarantined, true, timeOf(r.LastMessageTime)}
	}
	if m := s.Mirrored; m != nil {
		q := queue{backlog: count(m.Backlog), deadLetters: count(m.DeadLetters), quarantined: count(m.Misrouted)}
		if m.LastMessageTime != nil {
			q.lastMessage = m.LastMessageTime.Time
		}
		return q
	}
	return queue{}
}

func count(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// Channels writes a table of channels.
func Channels(w io.Writer, list []Status, now time.Time, allNamespaces, wide bool) error {
	header := []string{"NAME", "READY", "REASON", "PHONE", "GROUP", "BACKLOG", "DEAD LETTERS", "LAST MESSAGE", "AGE"}
	if wide {
		header = append(header, "REGISTRATION", "CALLBACK URL", "MESSAGE")
	}
	if allNamespaces {
		header = append([]string{"NAMESPACE"}, header...)
	}
	rows := [][]string{}
	for _, s := range list {
		q := s.queue()
		row := []string{
			s.Name, yesNo(s.Ready), s.Reason, s.PhoneNumber, s.TargetGroup, number(q.backlog), number(q.deadLetters),
			ago(now, q.lastMessage), ago(now, s.created),
		}
		if wide {
			row = append(row, s.Registration, s.CallbackURL, line(s.Message, 200))
		}
		if allNamespaces {
			row = append([]string{s.Namespace}, row...)
		}
		rows = append(rows, row)
	}
	return table(w, header, rows)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// title turns the name of a condition into words: WebhookRegistered into "Webhook registered".
func title(conditionType string) string {
	var b strings.Builder
	for i, r := range conditionType {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteRune(' ')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}
