package config

import (
	"net/url"
	"strings"
	"time"
)

// Helpdesk is an external helpdesk. Exactly one member is set.
type Helpdesk struct {
	Zammad      *Zammad      `json:"zammad,omitempty"`
	CloudEvents *CloudEvents `json:"cloudEvents,omitempty"`
}

// Zammad is a Zammad that tickets are kept in.
type Zammad struct {
	// URL is where Zammad is, without its /api/v1.
	URL string `json:"url"`
	// Events says how Zammad tells of its agents.
	Events Events `json:"events"`
	// EventsURL is what Zammad has to call for that, a path of the receiver below it; empty with EventsPoll, and as long
	// as it is not known.
	EventsURL string `json:"eventsURL,omitempty"`
	// Installation tells this channel's objects in Zammad from those of a channel of the same name elsewhere.
	Installation string `json:"installation"`
}

// Events says how an external helpdesk tells of its agents.
type Events string

// The ways to tell of agents.
const (
	// EventsInternal means that the helpdesk calls the receiver's private port.
	EventsInternal Events = "Internal"
	// EventsPublic means that it calls the receiver's public port, below the callback path.
	EventsPublic Events = "Public"
	// EventsPoll means that it calls nobody: the receiver looks.
	EventsPoll Events = "Poll"
)

// CloudEvents is an endpoint that takes CloudEvents.
type CloudEvents struct {
	// URL is where events are posted.
	URL string `json:"url"`
	// ReceiverURL is where the endpoint reaches the receiver's private API, for files and for replies.
	ReceiverURL string `json:"receiverURL"`
}

// HelpdeskEventsPath is where the private port takes an external helpdesk's calls.
const HelpdeskEventsPath = "/v1/helpdesk/events"

// PublicHelpdeskSuffix follows the callback path where the public port does, with EventsPublic.
const PublicHelpdeskSuffix = "/helpdesk"

// Identity tells one helpdesk from another: a ticket's ID is good only in the helpdesk that gave it. Without a helpdesk
// it is the receiver's own inbox.
func (h *Helpdesk) Identity() string {
	kind, url := h.Kind()
	return strings.TrimSpace(kind + " " + url)
}

// Kind says what kind of helpdesk it is, and where.
func (h *Helpdesk) Kind() (kind, url string) {
	switch {
	case h == nil:
		return "inbox", ""
	case h.Zammad != nil:
		return "zammad", h.Zammad.URL
	default:
		return "cloudevents", h.CloudEvents.URL
	}
}

// CallsBy says where the helpdesk calls the receiver; empty where it does not.
func (h *Helpdesk) CallsBy() Events {
	if h == nil || h.Zammad == nil || h.Zammad.Events == EventsPoll {
		return ""
	}
	return h.Zammad.Events
}

// problem says what a receiver cannot work with; empty if nothing.
func (h *Helpdesk) problem() string {
	switch z, c := h.Zammad, h.CloudEvents; {
	case (z == nil) == (c == nil):
		return "needs exactly one of zammad and cloudEvents"
	case z != nil && !isURL(z.URL):
		return "zammad.url is not an http or https URL"
	case z != nil && z.Events != EventsInternal && z.Events != EventsPublic && z.Events != EventsPoll:
		return "zammad.events is not Internal, Public or Poll"
	case z != nil && z.Installation == "":
		return "lacks zammad.installation"
	case c != nil && !isURL(c.URL):
		return "cloudEvents.url is not an http or https URL"
	}
	return ""
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// HelpdeskStatus is how a helpdesk was found.
type HelpdeskStatus struct {
	// Kind is inbox, zammad or cloudevents.
	Kind string `json:"kind"`
	// URL is where the helpdesk that was checked is; empty for the inbox. After a change of the configuration it tells
	// whether the answer is about the helpdesk before.
	URL string `json:"url,omitempty"`
	// Group is the target group that was looked for.
	Group string `json:"group,omitempty"`
	Ready bool   `json:"ready"`
	// Reason and Message say why, as in a condition.
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Version is the helpdesk's own.
	Version string `json:"version,omitempty"`
	// CheckedAt is when it was checked.
	CheckedAt time.Time `json:"checkedAt"`
}
