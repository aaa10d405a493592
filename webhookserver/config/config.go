// Package config is what the operator and a receiver exchange: the operator mounts a channel's files into the
// receiver's pod, and the receiver answers with its Status. It has no I/O, so that both sides can import it.
package config

import (
	"encoding/json"
	"fmt"
	"path"
	"time"
)

// Where the operator mounts what a receiver reads. All files of ChannelDir come from one projected volume, which the
// kubelet replaces atomically; the receiver re-reads them on change.
const (
	// ChannelDir holds the channel's configuration and its secrets, one value a file.
	ChannelDir = "/etc/whatsapp-operator/channel"
	// TLSDir holds tls.crt and tls.key where the receiver ends TLS itself.
	TLSDir = "/etc/whatsapp-operator/tls"
	// DataDir is the volume that holds the embedded store.
	DataDir = "/var/lib/whatsapp-operator"
)

// Names of the files below ChannelDir.
const (
	// ChannelFile is a Channel as JSON.
	ChannelFile = "channel.json"
	// CAFile, optional, holds PEM certificates to trust besides the system's for calls to Graph and the helpdesk.
	CAFile = "ca.crt"
	// AccessTokenFile holds the access token that messages are sent with.
	AccessTokenFile = "access-token"
	// AppSecretFile holds the app secret that Meta signs webhooks with.
	AppSecretFile = "app-secret"
	// PreviousAppSecretFile, optional, is also accepted during a rotation.
	PreviousAppSecretFile = "app-secret.previous"
	// VerifyTokenFile holds the token of Meta's GET handshake.
	VerifyTokenFile = "verify-token"
	// PreviousVerifyTokenFile, optional, is also accepted during a rotation.
	PreviousVerifyTokenFile = "verify-token.previous"
	// StatusTokenFile holds the bearer token of the private API's read-only status.
	StatusTokenFile = "status-token"
	// PostgresDSNFile, for stores in PostgreSQL, holds the connection string.
	PostgresDSNFile = "postgres-dsn"
	// APITokenFile holds the bearer token of the rest of the private API.
	APITokenFile = "api-token"
	// HelpdeskTokenFile holds what the receiver shows an external helpdesk of who it is: Zammad's API token, or, for
	// CloudEvents, the value of the Authorization header. It is optional for CloudEvents.
	HelpdeskTokenFile = "helpdesk-token"
	// HelpdeskSecretFile, optional, holds the secret that an external helpdesk signs its own calls with.
	HelpdeskSecretFile = "helpdesk-webhook-secret"
	// PrivateCertificateFile and PrivateKeyFile hold, as PEM, the certificate that the private API is served with.
	PrivateCertificateFile = "private-tls.crt"
	PrivateKeyFile         = "private-tls.key"
)

// Ports of a receiver's container. The public port is the only one that Meta reaches.
const (
	// PublicPort takes Meta's webhooks, over TLS where a certificate is mounted.
	PublicPort = 8443
	// PrivatePort serves the private API below /v1/, over TLS.
	PrivatePort = 8081
	// HealthPort serves /healthz, /readyz and /metrics, without data.
	HealthPort = 8082
)

// StatusPath is where the private API answers with Status.
const StatusPath = "/v1/status"

// Channel is one channel as its receiver needs to know it.
type Channel struct {
	// Namespace and Name are those of the WhatsAppChannel; they make the callback path.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// BusinessAccountID is the WhatsApp Business Account that owns the phone number.
	BusinessAccountID string `json:"businessAccountID"`
	// PhoneNumber is nil until the operator has found the number: the receiver then stores webhooks and waits.
	PhoneNumber *PhoneNumber `json:"phoneNumber,omitempty"`
	// TargetGroup is where the helpdesk files the tickets.
	TargetGroup string `json:"targetGroup,omitempty"`
	// Helpdesk is where tickets are kept; nil for the receiver's own inbox.
	Helpdesk *Helpdesk `json:"helpdesk,omitempty"`
	// Messages are the courtesy texts.
	Messages Messages `json:"messages,omitzero"`
	// Delivery is Held while nothing may be sent to the helpdesk or to customers; empty otherwise.
	Delivery Delivery `json:"delivery,omitempty"`
	// RetentionDays is how long what is over and done with is kept; zero for ever.
	RetentionDays int32 `json:"retentionDays,omitempty"`
	// Graph says which Graph API to call.
	Graph Graph `json:"graph"`
}

// PhoneNumber is the number that the channel answers for.
type PhoneNumber struct {
	// ID is Meta's phone number ID.
	ID string `json:"id"`
	// Display is the number as Meta writes it.
	Display string `json:"display,omitempty"`
	// ThroughputLevel is what Meta says of how fast the number may send: STANDARD, HIGH, or empty if not known.
	ThroughputLevel string `json:"throughputLevel,omitempty"`
}

// Messages are the texts that a customer gets without an agent. An empty text is not sent.
type Messages struct {
	// Welcome is sent once for each new ticket.
	Welcome string `json:"welcome,omitempty"`
	// Goodbye is sent when a ticket is closed inside the customer service window.
	Goodbye string `json:"goodbye,omitempty"`
	// Reminder is sent once in a customer service window.
	Reminder *Reminder `json:"reminder,omitempty"`
	// Unsupported answers a message of a kind that cannot be read.
	Unsupported string `json:"unsupported,omitempty"`
}

// Reminder asks a customer to write again before the customer service window closes.
type Reminder struct {
	Text string `json:"text"`
	// AfterMinutes is how long after the customer's last message it is sent.
	AfterMinutes int32 `json:"afterMinutes"`
}

// Delivery says whether what comes in is passed on.
type Delivery string

// Held means that everything is stored, and nothing is sent to the helpdesk or to customers.
const Held Delivery = "Held"

// Graph is the Graph API that the operator was told to use.
type Graph struct {
	BaseURL string `json:"baseURL"`
	Version string `json:"version"`
}

// CallbackPath is the path of the callback URL. It holds no secret and survives token rotation and re-creation.
func CallbackPath(namespace, name string) string {
	return path.Join("/", namespace, name)
}

// Parse reads a ChannelFile. The error names the first field that a receiver cannot work without.
func Parse(data []byte) (Channel, error) {
	var c Channel
	if err := json.Unmarshal(data, &c); err != nil {
		return Channel{}, fmt.Errorf("%s is not valid JSON: %w", ChannelFile, err)
	}
	switch {
	case c.Namespace == "":
		return Channel{}, fmt.Errorf("%s lacks namespace", ChannelFile)
	case c.Name == "":
		return Channel{}, fmt.Errorf("%s lacks name", ChannelFile)
	case c.BusinessAccountID == "":
		return Channel{}, fmt.Errorf("%s lacks businessAccountID", ChannelFile)
	case c.Delivery != "" && c.Delivery != Held:
		return Channel{}, fmt.Errorf("%s has an unknown delivery", ChannelFile)
	case c.Messages.Reminder != nil && (c.Messages.Reminder.AfterMinutes < 1 || c.Messages.Reminder.AfterMinutes > 1439):
		return Channel{}, fmt.Errorf("%s: messages.reminder.afterMinutes is not from 1 to 1439", ChannelFile)
	case c.Helpdesk != nil && c.Helpdesk.problem() != "":
		return Channel{}, fmt.Errorf("%s: helpdesk %s", ChannelFile, c.Helpdesk.problem())
	case c.PhoneNumber != nil && c.PhoneNumber.ID == "":
		return Channel{}, fmt.Errorf("%s lacks phoneNumber.id", ChannelFile)
	case c.Graph.BaseURL == "" || c.Graph.Version == "":
		return Channel{}, fmt.Errorf("%s lacks graph.baseURL or graph.version", ChannelFile)
	}
	return c, nil
}

// Status is the receiver's answer at StatusPath: counts and times, no content.
type Status struct {
	// Version is the receiver's own.
	Version string `json:"version"`
	// PhoneNumberID is the number it works for at present; empty while it waits for one.
	PhoneNumberID string `json:"phoneNumberID,omitempty"`
	// LastHandshakeTime is when Meta (or a probe) last completed the GET handshake.
	LastHandshakeTime *time.Time `json:"lastHandshakeTime,omitempty"`
	// LastWebhookTime is when a signed webhook was last stored.
	LastWebhookTime *time.Time `json:"lastWebhookTime,omitempty"`
	// LastMessageTime is when a customer's message was last taken up.
	LastMessageTime *time.Time `json:"lastMessageTime,omitempty"`
	// Backlog counts stored webhooks that are not processed yet.
	Backlog int64 `json:"backlog"`
	// Quarantined counts stored webhooks that could not be understood or belong to another number.
	Quarantined int64 `json:"quarantined"`
	// Misrouted counts the stored webhooks among Quarantined that are for another phone number.
	Misrouted int64 `json:"misrouted"`
	// Held tells that delivery is held: nothing is sent to the helpdesk or to customers.
	Held bool `json:"held,omitempty"`
	// PendingEffects counts remote calls that still have to be made.
	PendingEffects int64 `json:"pendingEffects"`
	// DeadLetters counts remote calls that were given up and wait for a person.
	DeadLetters int64 `json:"deadLetters"`
	// Durable tells whether the database's settings keep what was acknowledged through a crash, and DurableReason says
	// why in a sentence. They are left out until the database was asked.
	Durable       *bool  `json:"durable,omitempty"`
	DurableReason string `json:"durableReason,omitempty"`
	// Helpdesk is how the helpdesk was found at the latest check; nil before the first.
	Helpdesk *HelpdeskStatus `json:"helpdesk,omitempty"`
	// SendingError, if not empty, says in a sentence why messages cannot be sent at present.
	SendingError string `json:"sendingError,omitempty"`
	// TurningAway, if not empty, says in a sentence why webhooks are turned away at present, for Meta to send them again.
	TurningAway string `json:"turningAway,omitempty"`
}
