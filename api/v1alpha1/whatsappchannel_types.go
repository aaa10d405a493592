package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WhatsAppChannel is a WhatsApp support line: one phone number of a WhatsApp Business Account whose customers'
// messages become tickets in the target group, and whose agents' replies become WhatsApp messages.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=whatsappchannels,singular=whatsappchannel,shortName=wac,categories=whatsapp,scope=Namespaced
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether customers' messages arrive as tickets and replies go out"
// +kubebuilder:printcolumn:name="Phone",type=string,JSONPath=`.status.phoneNumber.displayPhoneNumber`,description="The phone number as Meta writes it"
// +kubebuilder:printcolumn:name="Group",type=string,JSONPath=`.spec.targetGroup`,description="The helpdesk group that gets the tickets"
// +kubebuilder:printcolumn:name="Callback URL",type=string,JSONPath=`.status.callbackURL`,description="The URL that Meta calls"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`,description="Time since the channel was created"
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why the channel is ready or not, in one word"
// +kubebuilder:printcolumn:name="Name",type=string,priority=1,JSONPath=`.status.phoneNumber.verifiedName`,description="The business name that customers see"
// +kubebuilder:printcolumn:name="Quality",type=string,priority=1,JSONPath=`.status.phoneNumber.qualityRating`,description="Meta's quality rating of the phone number"
// +kubebuilder:printcolumn:name="Last Message",type=date,priority=1,JSONPath=`.status.receiver.lastMessageTime`,description="When a customer's message last arrived"
// +kubebuilder:printcolumn:name="Backlog",type=integer,priority=1,JSONPath=`.status.receiver.backlog`,description="Webhooks that are stored but not processed yet"
// +kubebuilder:selectablefield:JSONPath=`.spec.businessAccountID`
// +kubebuilder:selectablefield:JSONPath=`.spec.targetGroup`
// +kubebuilder:selectablefield:JSONPath=`.status.phoneNumber.id`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 48",message="metadata.name must have at most 48 characters, because it becomes the name of a Service and part of the callback URL"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a lower-case letter, end with a letter or digit, and hold only lower-case letters, digits and '-', because it becomes the name of a Service"
type WhatsAppChannel struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is the support line that is wanted.
	// +required
	Spec WhatsAppChannelSpec `json:"spec,omitempty,omitzero"`

	// status is what the operator has found and done.
	// +kubebuilder:default={"observedGeneration":-1}
	// +optional
	Status WhatsAppChannelStatus `json:"status,omitempty,omitzero"`
}

// WhatsAppChannelList is a list of WhatsAppChannels.
//
// +kubebuilder:object:root=true
type WhatsAppChannelList struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the channels.
	Items []WhatsAppChannel `json:"items"`
}

// WhatsAppChannelSpec is the support line that is wanted.
type WhatsAppChannelSpec struct {
	// businessAccountID is the ID of the WhatsApp Business Account (WABA) that owns the phone number, as WhatsApp
	// Manager shows it. It cannot be changed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="businessAccountID must be the account's number, digits only and in quotes"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="businessAccountID cannot be changed, because tickets and stored messages belong to the account; create another WhatsAppChannel for another account",reason=FieldValueForbidden
	// +required
	BusinessAccountID string `json:"businessAccountID,omitempty"`

	// accessTokenSecretRef names the access token of a system user with the permissions whatsapp_business_management
	// and whatsapp_business_messaging.
	// +required
	AccessTokenSecretRef SecretKeyReference `json:"accessTokenSecretRef,omitempty,omitzero"`

	// appSecretSecretRef names the app secret of the app that the access token belongs to. Meta signs webhooks with it.
	// +required
	AppSecretSecretRef SecretKeyReference `json:"appSecretSecretRef,omitempty,omitzero"`

	// phoneNumber is the number of this channel, in international format and any writing: numbers are compared by their
	// digits. It may be left out where the account has exactly one number; the channel then keeps that number when the
	// account gets others. A channel that serves a number goes on with it whatever is set here, and says so: another number
	// needs a channel of its own.
	// +kubebuilder:validation:MinLength=7
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[+]?[-0-9 ().]+$') && size(self.findAll('[0-9]')) >= 7 && size(self.findAll('[0-9]')) <= 15",message="phoneNumber must be a number in international format, such as +1 631-555-1111, with 7 to 15 digits"
	// +optional
	PhoneNumber string `json:"phoneNumber,omitempty"`

	// messages are the texts that customers get without an agent. A text that is left out is not sent.
	// +optional
	Messages Messages `json:"messages,omitempty,omitzero"`

	// targetGroup is the helpdesk group in which customers' messages become tickets.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=160
	// +required
	TargetGroup string `json:"targetGroup,omitempty"`

	// helpdesk is where tickets are kept. Left out, they are kept in the receiver's own inbox, which is read and answered
	// with the receiver's private API.
	// +optional
	Helpdesk Helpdesk `json:"helpdesk,omitempty,omitzero"`

	// callback is how Meta reaches the channel and who registers it there.
	// +optional
	Callback Callback `json:"callback,omitempty,omitzero"`

	// receiver is how the program that Meta calls is run.
	// +optional
	Receiver Receiver `json:"receiver,omitempty,omitzero"`

	// delivery says whether messages are passed on: Active, or Held, where everything is stored, and nothing is sent to
	// the helpdesk or to customers until it is Active again. Left out, it is Active.
	// +optional
	Delivery DeliveryMode `json:"delivery,omitempty"`
}

// SecretKeyReference names one key of a Secret in the channel's own namespace.
type SecretKeyReference struct {
	// name is the Secret's name. The Secret must be in the channel's namespace and carry the label
	// whatsapp-operator.io/use=channel.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be the name of a Secret: lower-case letters, digits, '-' and '.'"
	// +required
	Name string `json:"name,omitempty"`

	// key is the key in the Secret's data.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="key must be a key of a Secret: letters, digits, '-', '_' and '.'"
	// +required
	Key string `json:"key,omitempty"`
}

// Messages are the texts that customers get without an agent.
//
// +kubebuilder:validation:MinProperties=1
type Messages struct {
	// welcome is sent once for each new ticket, after the customer's first message.
	// +optional
	Welcome *MessageText `json:"welcome,omitempty"`

	// goodbye is sent when a ticket is closed inside the customer service window, once for each ticket.
	// +optional
	Goodbye *MessageText `json:"goodbye,omitempty"`

	// reminder asks a customer to write again before the customer service window closes, 24 hours after their last
	// message, after which WhatsApp refuses replies. It is sent once in a window, while the ticket is not closed.
	// +optional
	Reminder *ReminderText `json:"reminder,omitempty"`

	// unsupported answers a message of a kind that WhatsApp does not pass on or the receiver cannot show.
	// +optional
	Unsupported *MessageText `json:"unsupported,omitempty"`
}

// MessageText is one text message.
type MessageText struct {
	// text is sent as it stands. WhatsApp allows 4096 characters.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Text string `json:"text,omitempty"`
}

// ReminderText is a text message that is sent some time after the customer's last message.
type ReminderText struct {
	// text is sent as it stands. WhatsApp allows 4096 characters.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +required
	Text string `json:"text,omitempty"`

	// afterMinutes is how many minutes after the customer's last message the reminder is sent. Left out, it is 1200,
	// which is 20 hours.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1439
	// +optional
	AfterMinutes *int32 `json:"afterMinutes,omitempty"`
}

// DeliveryMode says whether what customers and agents write is passed on.
//
// +kubebuilder:validation:Enum=Active;Held
type DeliveryMode string

const (
	// DeliveryActive passes everything on.
	DeliveryActive DeliveryMode = "Active"
	// DeliveryHeld stores everything, and sends nothing to the helpdesk or to customers.
	DeliveryHeld DeliveryMode = "Held"
)

// RegistrationMode says who tells Meta the callback URL.
//
// +kubebuilder:validation:Enum=Manual;Automatic
type RegistrationMode string

const (
	// RegistrationManual leaves Meta's settings alone: the admin pastes the callback URL and the verify token.
	RegistrationManual RegistrationMode = "Manual"
	// RegistrationAutomatic lets the operator subscribe the business account and set the phone number's callback URL.
	RegistrationAutomatic RegistrationMode = "Automatic"
)

// AppSubscriptionMode says what the operator may do with the app's own webhook subscription.
//
// +kubebuilder:validation:Enum=Keep;CreateIfAbsent
type AppSubscriptionMode string

const (
	// AppSubscriptionKeep never changes the app's subscription.
	AppSubscriptionKeep AppSubscriptionMode = "Keep"
	// AppSubscriptionCreateIfAbsent subscribes the app where it has no subscription for WhatsApp at all.
	AppSubscriptionCreateIfAbsent AppSubscriptionMode = "CreateIfAbsent"
)

// Callback is how Meta reaches the channel and who registers it there.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.appSubscription) || self.appSubscription == 'Keep' || (has(self.registration) && self.registration == 'Automatic')",message="appSubscription: CreateIfAbsent changes the app at Meta, which needs registration: Automatic",fieldPath=".appSubscription",reason=FieldValueInvalid
type Callback struct {
	// registration says who tells Meta the callback URL: Manual, where the admin pastes it, or Automatic. Left out, it is
	// Manual: nothing outside the cluster is changed unasked.
	// +optional
	Registration RegistrationMode `json:"registration,omitempty"`

	// appSubscription says what Automatic registration does with an app that has no webhook subscription, without which
	// Meta delivers nothing: Keep leaves it and reports it, CreateIfAbsent makes one. Left out, it is Keep.
	// +optional
	AppSubscription AppSubscriptionMode `json:"appSubscription,omitempty"`

	// hostname is the public name that Meta calls. Left out, the operator's --callback-hostname is used.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=79
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$')",message="hostname must be a fully qualified DNS name in lower case, such as wa.example.com, without scheme, port or path"
	// +optional
	Hostname string `json:"hostname,omitempty"`

	// exposure is what the operator creates to lead Meta's calls to the receiver. Left out, someone else routes the
	// hostname to the Service <channel>-receiver, port public.
	// +optional
	Exposure Exposure `json:"exposure,omitempty,omitzero"`

	// verifyTokenSecretRef names a verify token of your own. Left out, the operator makes one and keeps it in the Secret
	// <channel>-verify-token.
	// +optional
	VerifyTokenSecretRef *SecretKeyReference `json:"verifyTokenSecretRef,omitempty"`
}

// Exposure is what leads Meta's calls to the receiver.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="(has(self.httpRoute) ? 1 : 0) + (has(self.ingress) ? 1 : 0) + (has(self.service) ? 1 : 0) <= 1",message="exposure can be one of httpRoute, ingress and service, not several"
type Exposure struct {
	// httpRoute makes an HTTPRoute of the Gateway API; the Gateway ends TLS.
	// +optional
	HTTPRoute *HTTPRouteExposure `json:"httpRoute,omitempty"`

	// ingress makes an Ingress; its controller ends TLS.
	// +optional
	Ingress *IngressExposure `json:"ingress,omitempty"`

	// service makes a Service of its own for the callback; the receiver ends TLS itself.
	// +optional
	Service *ServiceExposure `json:"service,omitempty"`
}

// HTTPRouteExposure is a route from Gateways to the receiver.
type HTTPRouteExposure struct {
	// parentRefs name the Gateways that take Meta's calls. They must have an HTTPS listener for the hostname that allows
	// routes from the channel's namespace.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +required
	ParentRefs []GatewayReference `json:"parentRefs,omitempty"`
}

// GatewayReference names a Gateway, or one of its listeners.
type GatewayReference struct {
	// name is the Gateway's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be the name of a Gateway: lower-case letters, digits, '-' and '.'"
	// +required
	Name string `json:"name,omitempty"`

	// namespace is the Gateway's namespace. Left out, it is the channel's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="namespace must be the name of a namespace: lower-case letters, digits and '-'"
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// sectionName is the name of one listener. Left out, every listener that allows it takes the route.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="sectionName must be the name of a listener: lower-case letters, digits, '-' and '.'"
	// +optional
	SectionName string `json:"sectionName,omitempty"`
}

// IngressExposure is an Ingress that leads to the receiver.
//
// +kubebuilder:validation:MinProperties=1
type IngressExposure struct {
	// className is the IngressClass. Left out, the cluster's default class is used.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="className must be the name of an IngressClass: lower-case letters, digits, '-' and '.'"
	// +optional
	ClassName string `json:"className,omitempty"`

	// annotations are put on the Ingress. Only the prefixes that the operator's --allowed-annotation-prefixes lists are
	// accepted.
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 1024)",message="each annotation may have a key of at most 317 and a value of at most 1024 characters"
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// tlsSecretName names the Secret of type kubernetes.io/tls, in the channel's namespace, with the certificate for the
	// hostname. Left out, the Ingress controller uses its own certificate, which has to cover the hostname.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="tlsSecretName must be the name of a Secret: lower-case letters, digits, '-' and '.'"
	// +optional
	TLSSecretName string `json:"tlsSecretName,omitempty"`
}

// ServiceExposure is a Service through which Meta reaches the receiver directly.
type ServiceExposure struct {
	// type is the type of the Service: LoadBalancer, NodePort or ClusterIP.
	// +kubebuilder:validation:Enum=LoadBalancer;NodePort;ClusterIP
	// +required
	Type corev1.ServiceType `json:"type,omitempty"`

	// annotations are put on the Service. Only the prefixes that the operator's --allowed-annotation-prefixes lists are
	// accepted.
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 1024)",message="each annotation may have a key of at most 317 and a value of at most 1024 characters"
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// tlsSecretName names the Secret of type kubernetes.io/tls, in the channel's namespace, with the certificate for the
	// hostname. The receiver reads it again when it changes.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="tlsSecretName must be the name of a Secret: lower-case letters, digits, '-' and '.'"
	// +required
	TLSSecretName string `json:"tlsSecretName,omitempty"`
}

// Receiver is how the program that Meta calls is run.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || self.replicas <= 1 || (has(self.storage) && has(self.storage.postgres))",message="more than one replica needs storage.postgres, because only one process can use the embedded database",fieldPath=".replicas"
type Receiver struct {
	// replicas is the number of receivers. More than one needs storage.postgres. Left out, it is one, and with
	// storage.postgres something else, such as an autoscaler, may set it.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// storage is where received webhooks and tickets are kept.
	// +optional
	Storage Storage `json:"storage,omitempty,omitzero"`

	// resources are the requests and limits of the receiver's container.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// pod says where the receiver's pods run, and what they carry besides.
	// +optional
	Pod *ReceiverPod `json:"pod,omitempty"`
}

// ReceiverPod says where a receiver's pods run, and what they carry besides.
//
// +kubebuilder:validation:MinProperties=1
type ReceiverPod struct {
	// nodeSelector names labels that a node must have.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 63)",message="each label may have a key of at most 317 and a value of at most 63 characters"
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations are taints of nodes that do not keep the pods away.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// topologySpreadConstraints say how several receivers are spread. Left out, they are spread over nodes and zones as far
	// as there are some. A constraint without a label selector is about the receivers of this channel.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// imagePullSecrets name Secrets of this namespace with which the image is pulled. They need no label: the operator
	// does not read them.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	ImagePullSecrets []ImagePullSecret `json:"imagePullSecrets,omitempty"`

	// labels are added to the pods. Those that Kubernetes and the operator use themselves cannot be set.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 63)",message="each label may have a key of at most 317 and a value of at most 63 characters"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('whatsapp-operator.io/') && k != 'pod-template-hash')",message="labels that begin with app.kubernetes.io/ or whatsapp-operator.io/, and pod-template-hash, are the operator's and Kubernetes' own"
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// annotations are added to the pods.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 1024)",message="each annotation may have a key of at most 317 and a value of at most 1024 characters"
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ImagePullSecret names a Secret with which an image is pulled.
type ImagePullSecret struct {
	// name is the name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="name must be the name of a Secret: lower-case letters, digits, '-' and '.'"
	// +required
	Name string `json:"name,omitempty"`
}

// WhenDeleted says what becomes of a channel's data when the channel is deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete
type WhenDeleted string

const (
	// WhenDeletedRetain keeps the volume and the verify token for a channel of the same name and number.
	WhenDeletedRetain WhenDeleted = "Retain"
	// WhenDeletedDelete deletes the volume and the verify token with the channel.
	WhenDeletedDelete WhenDeleted = "Delete"
)

// Storage is where received webhooks and tickets are kept.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!(has(self.sqlite) && has(self.postgres))",message="storage can be sqlite or postgres, not both"
type Storage struct {
	// sqlite keeps them in an embedded database on a volume of the channel's own. It is also what is used where storage
	// is left out.
	// +optional
	SQLite *SQLiteStorage `json:"sqlite,omitempty"`

	// postgres keeps them in a PostgreSQL database, which any number of receivers can share. A channel that has data
	// changes from one kind of storage to the other only by hand, with `receiver migrate`.
	// +optional
	Postgres *PostgresStorage `json:"postgres,omitempty"`

	// retentionDays is how many days messages and closed tickets are kept. Open tickets stay. Left out, everything is
	// kept.
	// +kubebuilder:validation:Minimum=14
	// +kubebuilder:validation:Maximum=36500
	// +optional
	RetentionDays *int32 `json:"retentionDays,omitempty"`

	// whenDeleted says what becomes of the data when the channel is deleted: Retain or Delete. Left out, it is Retain.
	// +optional
	WhenDeleted WhenDeleted `json:"whenDeleted,omitempty"`
}

// SQLiteStorage is the volume of the embedded database.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",message="storageClassName cannot be changed, because a volume cannot move to another class",fieldPath=".storageClassName",reason=FieldValueForbidden
type SQLiteStorage struct {
	// size is the least size of the volume. Left out, it is 1Gi. A larger one enlarges the volume, where its storage class
	// allows that. A volume never shrinks: one that is larger stays as it is.
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('64Mi')) >= 0",message="size must be at least 64Mi"
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`

	// storageClassName is the class of the volume. Left out, the cluster's default class is used.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	StorageClassName string `json:"storageClassName,omitempty"`
}

// PostgresStorage is a schema of a PostgreSQL database, version 14 or later.
//
// +kubebuilder:validation:XValidation:rule="has(self.schema) == has(oldSelf.schema) && (!has(self.schema) || self.schema == oldSelf.schema)",message="schema cannot be changed, because the channel's data stays in the schema that it is in",fieldPath=".schema",reason=FieldValueForbidden
type PostgresStorage struct {
	// dsnSecretRef is the key of a Secret that holds the connection string, such as
	// postgres://user:password@host:5432/database?sslmode=verify-full.
	// +required
	DSNSecretRef SecretKeyReference `json:"dsnSecretRef,omitempty,omitzero"`

	// schema is the PostgreSQL schema that holds this channel and nothing else. It is created if it is not there. Left
	// out, it is named after the channel and its namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z_][a-z0-9_]*$') && !self.startsWith('pg_') && self != 'public' && self != 'information_schema'",message="schema must be the name of a PostgreSQL schema of its own: lower-case letters, digits and '_', not 'public' and not starting with 'pg_'"
	// +optional
	Schema string `json:"schema,omitempty"`
}
