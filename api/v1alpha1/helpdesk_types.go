package v1alpha1

// Helpdesk is where customers' messages become tickets.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.zammad) != has(self.cloudEvents)",message="helpdesk must have exactly one of zammad and cloudEvents"
type Helpdesk struct {
	// zammad keeps tickets in a Zammad, where agents read and answer them.
	// +optional
	Zammad *ZammadHelpdesk `json:"zammad,omitempty"`

	// cloudEvents posts what happens as CloudEvents, and takes replies through the receiver's private API.
	// +optional
	CloudEvents *CloudEventsHelpdesk `json:"cloudEvents,omitempty"`
}

// HelpdeskEvents says how a helpdesk tells of its agents.
//
// +kubebuilder:validation:Enum=Internal;Public;Poll
type HelpdeskEvents string

const (
	// HelpdeskEventsInternal lets the helpdesk call the receiver inside the cluster.
	HelpdeskEventsInternal HelpdeskEvents = "Internal"
	// HelpdeskEventsPublic lets it call the receiver through the callback's hostname.
	HelpdeskEventsPublic HelpdeskEvents = "Public"
	// HelpdeskEventsPoll lets it call nobody: the receiver looks now and then.
	HelpdeskEventsPoll HelpdeskEvents = "Poll"
)

// ZammadHelpdesk is a Zammad.
type ZammadHelpdesk struct {
	// url is where Zammad is, such as https://zammad.example.com or, in the cluster, http://zammad-nginx.zammad.svc:8080.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s]+(/[^?#\\\\s]*)?$')",message="url must start with https:// or http://, and have no user, query or fragment"
	// +required
	URL string `json:"url,omitempty"`

	// tokenSecretRef names the API token of a Zammad user with access to the target group.
	// +required
	TokenSecretRef SecretKeyReference `json:"tokenSecretRef,omitempty,omitzero"`

	// events says how Zammad tells of agents' replies: Internal, where Zammad calls the receiver inside the cluster,
	// Public, where it calls the callback's hostname, or Poll, where the receiver looks. Left out, it is Internal.
	// +optional
	Events HelpdeskEvents `json:"events,omitempty"`
}

// CloudEventsHelpdesk is an endpoint that takes CloudEvents over HTTP.
type CloudEventsHelpdesk struct {
	// url is where events are posted.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@\\\\s]+(/[^#\\\\s]*)?$')",message="url must start with https:// or http://, and have no user or fragment"
	// +required
	URL string `json:"url,omitempty"`

	// authSecretRef names the value of the Authorization header that events are posted with, such as "Bearer" and a
	// token. Left out, they are posted without.
	// +optional
	AuthSecretRef *SecretKeyReference `json:"authSecretRef,omitempty"`
}
