package view

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// Setup is what connects a channel with Meta, step by step.
type Setup struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Registered tells that Meta calls the channel, and Ready that everything works.
	Registered bool   `json:"registered"`
	Ready      bool   `json:"ready"`
	Steps      []Step `json:"steps"`
	// Paste tells that a person has to paste the two strings, as soon as they are there.
	Paste       bool   `json:"paste"`
	CallbackURL string `json:"callbackURL,omitempty"`
	VerifyToken string `json:"verifyToken,omitempty"`
	AppID       string `json:"appID,omitempty"`
}

// Step is one step of a set-up.
type Step struct {
	What string `json:"what"`
	Done bool   `json:"done"`
	// Message is what the operator says of it.
	Message string `json:"message,omitempty"`
}

// steps are what has to be so before Meta calls a channel, in order.
var steps = []struct{ condition, what string }{
	{v1alpha1.ConditionCredentialsValid, "Meta accepts the access token and the app secret"},
	{v1alpha1.ConditionPhoneNumberReady, "the phone number can send and receive"},
	{v1alpha1.ConditionReceiverAvailable, "the receiver takes webhooks"},
	{v1alpha1.ConditionWebhookRegistered, "Meta calls this channel"},
}

// SetupOf says how far the set-up of a channel is. The verify token is not in it.
func SetupOf(channel *v1alpha1.WhatsAppChannel) Setup {
	status := StatusOf(channel, nil, "")
	s := Setup{
		Namespace: channel.Namespace, Name: channel.Name, Ready: status.Ready, CallbackURL: channel.Status.CallbackURL,
		Paste: cmp.Or(channel.Spec.Callback.Registration, v1alpha1.RegistrationManual) == v1alpha1.RegistrationManual,
	}
	if app := channel.Status.App; app != nil {
		s.AppID = app.ID
	}
	for _, step := range steps {
		c := apimeta.FindStatusCondition(channel.Status.Conditions, step.condition)
		if c == nil {
			c = &metav1.Condition{Message: "The operator has not looked yet."}
		}
		s.Steps = append(s.Steps, Step{step.what, c.Status == metav1.ConditionTrue, c.Message})
	}
	s.Registered = s.Steps[len(s.Steps)-1].Done
	return s
}

// Blocks is the first thing that is missing, in a sentence; empty if nothing is.
func (s Setup) Blocks() string {
	for _, step := range s.Steps {
		if !step.Done {
			return step.Message
		}
	}
	return ""
}

// canPaste tells whether pasting the strings would succeed: the receiver has to answer Meta's handshake.
func (s Setup) canPaste() bool {
	for _, step := range s.Steps[:len(s.Steps)-1] {
		if !step.Done {
			return false
		}
	}
	return s.CallbackURL != ""
}

// CanPaste tells whether the strings are there, and pasting them would succeed.
func (s Setup) CanPaste() bool { return s.Paste && s.VerifyToken != "" && s.canPaste() }

// Write says what is done, what is missing, and what to paste where.
func (s Setup) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Setting up %s/%s\n\n", s.Namespace, s.Name)
	for i, step := range s.Steps {
		mark := "missing"
		if step.Done {
			mark = "done"
		}
		fmt.Fprintf(&b, "%3d. %-9s%s\n", i+1, mark, step.What)
		// What a person has to paste is below, and told better there.
		if !step.Done && (i < len(s.Steps)-1 || !s.Paste) {
			b.WriteString(indent(step.Message, "               "))
		}
	}
	switch {
	case s.Registered && s.Ready:
		b.WriteString("\nMeta calls this channel, and it is ready. There is nothing left to do.\n")
	case s.Registered:
		fmt.Fprintf(&b, "\nMeta calls this channel. What keeps it from being ready says: kubectl whatsapp status %s -n %s\n", s.Name, s.Namespace)
	case !s.Paste:
		b.WriteString("\nRegistration is Automatic: the operator registers the callback URL itself, and there is nothing to paste.\n")
	case !s.canPaste():
		b.WriteString("\nMend what is missing first: until then Meta's check of the callback URL would fail.\n")
	}
	if s.Paste && s.VerifyToken != "" {
		s.writeStrings(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Setup) writeStrings(b *strings.Builder) {
	app := "your app"
	if s.AppID != "" {
		app = "the app " + s.AppID
	}
	switch {
	case s.Registered:
		b.WriteString("\nThese are the two strings that Meta has, should they be needed again.\n")
	case s.canPaste():
		fmt.Fprintf(b, "\nAt https://developers.facebook.com/apps open %s, then WhatsApp > Configuration > Webhook > Edit, and paste:\n", app)
	default:
		b.WriteString("These are the two strings to paste then.\n")
	}
	fmt.Fprintf(b, "\nCallback URL\n%s\n\nVerify token\n%s\n", s.CallbackURL, s.VerifyToken)
	if !s.Registered && s.canPaste() {
		b.WriteString("\nPress \"Verify and save\", and subscribe the field \"messages\" below it. The operator sees it within minutes;\n" +
			"with --wait this command follows until it has.\n")
	}
}
