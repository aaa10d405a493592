package v1alpha1

// Condition types of a WhatsAppChannel. Ready, Reconciling and Stalled follow kstatus; the others each speak of one
// part of the channel.
const (
	// ConditionReady sums the others up: customers' messages arrive as tickets, and replies go out.
	ConditionReady = "Ready"
	// ConditionReconciling is present, and True, only while the operator is on the way to the declared state.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is present, and True, only when nothing will change until a person changes something.
	ConditionStalled = "Stalled"

	// ConditionCredentialsValid says whether Meta accepts the access token and the app secret.
	ConditionCredentialsValid = "CredentialsValid"
	// ConditionPhoneNumberReady says whether the phone number was found and can send and receive.
	ConditionPhoneNumberReady = "PhoneNumberReady"
	// ConditionReceiverAvailable says whether the receiver runs.
	ConditionReceiverAvailable = "ReceiverAvailable"
	// ConditionDurable says whether the database's settings keep what Meta was told is stored.
	ConditionDurable = "Durable"
	// ConditionHelpdeskReady says whether tickets can be opened in the helpdesk, and whether it tells of its agents.
	ConditionHelpdeskReady = "HelpdeskReady"
	// ConditionCallbackReachable says whether the operator's own handshake through the callback URL succeeds.
	ConditionCallbackReachable = "CallbackReachable"
	// ConditionWebhookRegistered says whether Meta calls this channel for this phone number.
	ConditionWebhookRegistered = "WebhookRegistered"
	// ConditionGraphVersionSupported says whether Meta still supports the version of the Graph API that is used.
	ConditionGraphVersionSupported = "GraphVersionSupported"
)

// Labels and annotations that users set.
const (
	// SecretUseLabel with the value SecretUseChannel lets the operator read a Secret.
	SecretUseLabel = "whatsapp-operator.io/use"
	// SecretUseChannel is the value of SecretUseLabel for Secrets that channels refer to.
	SecretUseChannel = "channel"
	// RequestedAtAnnotation asks for one refresh at once. Each new value is acted on once.
	RequestedAtAnnotation = "whatsapp-operator.io/requestedAt"
	// RotateVerifyTokenAtAnnotation asks for a new verify token, where the operator made the one in use. Each new value is
	// acted on once.
	RotateVerifyTokenAtAnnotation = "whatsapp-operator.io/rotateVerifyTokenAt"
	// TakeOverAnnotation names the foreign callback URL that Automatic registration may replace.
	TakeOverAnnotation = "whatsapp-operator.io/take-over"
)

// Finalizer keeps a channel until the callback URL that the operator set at Meta is cleared again. Only a channel with
// Automatic registration has it.
const Finalizer = "whatsapp-operator.io/callback-override"
