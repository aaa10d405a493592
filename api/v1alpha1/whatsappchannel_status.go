package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WhatsAppChannelStatus is what the operator has found and done.
type WhatsAppChannelStatus struct {
	// conditions say what works and, where something does not, why and what to do next. Ready sums them up.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status speaks of.
	// +kubebuilder:validation:Minimum=-1
	// +optional
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// callbackURL is the URL that Meta has to call. It stays the same through rotation, re-creation and a rebuilt cluster.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +optional
	CallbackURL string `json:"callbackURL,omitempty"`

	// verifyTokenSecretRef says where the verify token is that Meta asks for together with the callback URL.
	// +optional
	VerifyTokenSecretRef *SecretKeyReference `json:"verifyTokenSecretRef,omitempty"`

	// phoneNumber is the number that was found in the business account.
	// +optional
	PhoneNumber *PhoneNumberStatus `json:"phoneNumber,omitempty"`

	// availablePhoneNumbers are the numbers that the business account has, as long as one of them has to be chosen.
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=100
	// +optional
	AvailablePhoneNumbers []AvailablePhoneNumber `json:"availablePhoneNumbers,omitempty"`

	// app is the app at Meta that the access token belongs to.
	// +optional
	App *AppStatus `json:"app,omitempty"`

	// accessToken is what Meta says of the access token.
	// +optional
	AccessToken *AccessTokenStatus `json:"accessToken,omitempty"`

	// graph is how the conversation with Meta's Graph API goes.
	// +optional
	Graph *GraphStatus `json:"graph,omitempty"`

	// registration is what Meta has as callback URL for the phone number.
	// +optional
	Registration *RegistrationStatus `json:"registration,omitempty"`

	// receiver is what the receiver reports, at most every five minutes.
	// +optional
	Receiver *ReceiverStatus `json:"receiver,omitempty"`

	// lastHandledRequest is the value of the annotation whatsapp-operator.io/requestedAt that was last acted on.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	LastHandledRequest string `json:"lastHandledRequest,omitempty"`

	// lastHandledRotation is the value of the annotation whatsapp-operator.io/rotateVerifyTokenAt that was last acted on.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	LastHandledRotation string `json:"lastHandledRotation,omitempty"`
}

// PhoneNumberStatus is a phone number as Meta describes it. The words are Meta's own.
type PhoneNumberStatus struct {
	// id is the phone number ID.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	ID string `json:"id,omitempty"`

	// displayPhoneNumber is the number as Meta writes it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	DisplayPhoneNumber string `json:"displayPhoneNumber,omitempty"`

	// verifiedName is the business name that customers see.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	VerifiedName string `json:"verifiedName,omitempty"`

	// status is the number's state of connection, such as CONNECTED.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Status string `json:"status,omitempty"`

	// qualityRating is GREEN, YELLOW, RED or UNKNOWN.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	QualityRating string `json:"qualityRating,omitempty"`

	// nameStatus is what Meta says of the business name: APPROVED, PENDING_REVIEW, DECLINED and others.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	NameStatus string `json:"nameStatus,omitempty"`

	// messagingLimit is the tier of customers that may be written to first, such as TIER_250.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	MessagingLimit string `json:"messagingLimit,omitempty"`

	// throughputLevel is STANDARD (80 messages a second) or HIGH (1000).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	ThroughputLevel string `json:"throughputLevel,omitempty"`

	// canSendMessage is AVAILABLE, LIMITED or BLOCKED.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	CanSendMessage string `json:"canSendMessage,omitempty"`

	// sendingProblems are what limits or blocks sending, in Meta's words.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +optional
	SendingProblems []SendingProblem `json:"sendingProblems,omitempty"`
}

// SendingProblem is something that limits or blocks sending.
type SendingProblem struct {
	// entity is what has the problem: PHONE_NUMBER, WABA, BUSINESS or APP.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	Entity string `json:"entity,omitempty"`

	// canSendMessage is LIMITED or BLOCKED.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	CanSendMessage string `json:"canSendMessage,omitempty"`

	// description is what is wrong.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Description string `json:"description,omitempty"`

	// solution is what Meta says can be done.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Solution string `json:"solution,omitempty"`
}

// AvailablePhoneNumber is a phone number that spec.phoneNumber could name.
type AvailablePhoneNumber struct {
	// id is the phone number ID.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	ID string `json:"id,omitempty"`

	// displayPhoneNumber is the number as Meta writes it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	DisplayPhoneNumber string `json:"displayPhoneNumber,omitempty"`

	// verifiedName is the business name that customers see.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	VerifiedName string `json:"verifiedName,omitempty"`
}

// AppStatus is the app at Meta that the access token belongs to.
type AppStatus struct {
	// id is the app ID.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	ID string `json:"id,omitempty"`

	// name is the app's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Name string `json:"name,omitempty"`
}

// AccessTokenStatus is what Meta says of the access token.
type AccessTokenStatus struct {
	// expiresAt is when the token ends. It is absent for a token that does not expire.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// scopes are the permissions that the token carries.
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +optional
	Scopes []string `json:"scopes,omitempty"`
}

// GraphStatus is how the conversation with Meta's Graph API goes.
type GraphStatus struct {
	// version is the version of the Graph API in use.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	// +optional
	Version string `json:"version,omitempty"`

	// versionExpiresAt is the day on which Meta ends that version. It is absent where Meta has not said.
	// +optional
	VersionExpiresAt *metav1.Time `json:"versionExpiresAt,omitempty"`

	// inputs is a fingerprint of the part of the spec and of the versions of the Secrets that Meta was last asked about.
	// It holds nothing secret; a change of it makes the operator ask again.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +optional
	Inputs string `json:"inputs,omitempty"`

	// lastRefreshTime is when all that this status says of Meta was last read. It is absent until that succeeded for the
	// present inputs.
	// +optional
	LastRefreshTime *metav1.Time `json:"lastRefreshTime,omitempty"`

	// failures counts the failed attempts since the last one that succeeded.
	// +kubebuilder:validation:Minimum=1
	// +optional
	Failures int32 `json:"failures,omitempty"`

	// nextAttemptTime is when Meta is asked again after a failure.
	// +optional
	NextAttemptTime *metav1.Time `json:"nextAttemptTime,omitempty"`
}

// RegistrationStatus is what Meta has as callback URL for the phone number.
type RegistrationStatus struct {
	// url is the callback URL that the operator itself wrote to the phone number. Only this one is ever cleared again.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +optional
	URL string `json:"url,omitempty"`

	// intendedURL is the callback URL that the operator is about to write. It is noted first, so that the URL is
	// recognised as the operator's own even if the operator ends right after writing it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +optional
	IntendedURL string `json:"intendedURL,omitempty"`

	// effectiveURL is the URL that Meta calls at present for this phone number.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	EffectiveURL string `json:"effectiveURL,omitempty"`
}

// ReceiverStatus is what the receiver reports.
type ReceiverStatus struct {
	// readyReplicas is the number of receivers that take webhooks.
	// +kubebuilder:validation:Minimum=0
	// +optional
	ReadyReplicas *int32 `json:"readyReplicas,omitempty"`

	// lastMessageTime is when a customer's message last arrived.
	// +optional
	LastMessageTime *metav1.Time `json:"lastMessageTime,omitempty"`

	// backlog counts webhooks that are stored but not processed yet.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Backlog *int64 `json:"backlog,omitempty"`

	// deadLetters counts remote calls that were given up and wait for a person.
	// +kubebuilder:validation:Minimum=0
	// +optional
	DeadLetters *int64 `json:"deadLetters,omitempty"`

	// misrouted counts webhooks that Meta sent for another phone number. They are kept and wait for a person.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Misrouted *int64 `json:"misrouted,omitempty"`

	// quarantined counts webhooks that could not be understood or are for another phone number. They are kept.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Quarantined *int64 `json:"quarantined,omitempty"`

	// pendingEffects counts remote calls that still have to be made.
	// +kubebuilder:validation:Minimum=0
	// +optional
	PendingEffects *int64 `json:"pendingEffects,omitempty"`

	// sendingError says why messages cannot be sent at present.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	SendingError string `json:"sendingError,omitempty"`

	// turningAway says why webhooks are turned away at present. Meta keeps them and sends them again for seven days.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	TurningAway string `json:"turningAway,omitempty"`
}
