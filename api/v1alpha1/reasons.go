package v1alpha1

// Reasons of CredentialsValid. Those that speak of a Secret also appear in ReceiverAvailable, for the verify token.
const (
	// ReasonAccepted means that Meta accepts the access token and the app secret.
	ReasonAccepted = "Accepted"
	// ReasonTokenExpiring means that the access token is accepted and ends within 14 days.
	ReasonTokenExpiring = "TokenExpiring"
	// ReasonSecretNotFound means that a Secret that the spec names does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretNotLabelled means that a Secret lacks the label that lets the operator read it.
	ReasonSecretNotLabelled = "SecretNotLabelled"
	// ReasonSecretKeyMissing means that a Secret lacks the key that the spec names.
	ReasonSecretKeyMissing = "SecretKeyMissing"
	// ReasonSecretValueEmpty means that a Secret has the key, with nothing but white space in it.
	ReasonSecretValueEmpty = "SecretValueEmpty"
	// ReasonTokenInvalid means that Meta refuses the access token.
	ReasonTokenInvalid = "TokenInvalid"
	// ReasonPermissionsMissing means that the access token lacks permissions.
	ReasonPermissionsMissing = "PermissionsMissing"
	// ReasonAppSecretInvalid means that the app secret is not that of the access token's app.
	ReasonAppSecretInvalid = "AppSecretInvalid"
	// ReasonRefused means that Meta or the API server refuses a request for a reason that the message quotes.
	ReasonRefused = "Refused"
)

// Reasons that several conditions have.
const (
	// ReasonPending means that the operator has not looked yet.
	ReasonPending = "Pending"
	// ReasonReceiverSilent means that the receiver runs and does not answer the operator, so that what only it knows is not known.
	ReasonReceiverSilent = "ReceiverSilent"
	// ReasonAPIServerFailing means that the API server has failed for long to write an object of the channel, mostly because an admission
	// webhook does not work.
	ReasonAPIServerFailing = "APIServerFailing"
	// ReasonInvalidSpec means that the spec breaks a rule that the message names.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonGraphUnavailable means that Meta does not answer; the operator asks again.
	ReasonGraphUnavailable = "GraphUnavailable"
	// ReasonGraphThrottled means that the hourly limit of calls to Meta is used up; the operator waits.
	ReasonGraphThrottled = "GraphThrottled"
	// ReasonWaitingForCredentials means that CredentialsValid comes first.
	ReasonWaitingForCredentials = "WaitingForCredentials"
	// ReasonWaitingForPhoneNumber means that PhoneNumberReady comes first.
	ReasonWaitingForPhoneNumber = "WaitingForPhoneNumber"
	// ReasonWaitingForReceiver means that ReceiverAvailable comes first.
	ReasonWaitingForReceiver = "WaitingForReceiver"
	// ReasonHostnameMissing means that nobody said under which name Meta reaches the channel.
	ReasonHostnameMissing = "HostnameMissing"
	// ReasonHeld means that spec.delivery holds back everything that works otherwise.
	ReasonHeld = "Held"
	// ReasonSendingStopped means that the receiver cannot send, for a reason that the message gives.
	ReasonSendingStopped = "SendingStopped"
	// ReasonTurningAway means that the receiver takes no webhooks at present, for a reason that the message gives.
	ReasonTurningAway = "TurningAway"
	// ReasonReady means that everything works.
	ReasonReady = "Ready"
)

// Reasons of PhoneNumberReady.
const (
	// ReasonConnected means that the number can send and receive.
	ReasonConnected = "Connected"
	// ReasonNotFound means that the business account does not have the number.
	ReasonNotFound = "NotFound"
	// ReasonNoPhoneNumbers means that the business account has no number at all.
	ReasonNoPhoneNumbers = "NoPhoneNumbers"
	// ReasonAwaitingChoice means that spec.phoneNumber has to choose one of several numbers.
	ReasonAwaitingChoice = "AwaitingChoice"
	// ReasonServesAnotherNumber means that spec.phoneNumber came to name another number than the one that the channel serves.
	ReasonServesAnotherNumber = "ServesAnotherNumber"
	// ReasonBusinessAccountNotFound means that the access token does not reach the business account.
	ReasonBusinessAccountNotFound = "BusinessAccountNotFound"
	// ReasonNotRegistered means that the number is not registered for the Cloud API.
	ReasonNotRegistered = "NotRegistered"
	// ReasonNotConnected means that the number is registered and cannot send and receive.
	ReasonNotConnected = "NotConnected"
	// ReasonSendingBlocked means that Meta lets the number send nothing.
	ReasonSendingBlocked = "SendingBlocked"
	// ReasonSendingLimited means that Meta limits what the number may send. The condition is True.
	ReasonSendingLimited = "SendingLimited"
	// ReasonQualityLow means that Meta rates the number's quality low. The condition is True.
	ReasonQualityLow = "QualityLow"
	// ReasonClaiming means that the number was found and is being reserved for this channel.
	ReasonClaiming = "Claiming"
	// ReasonNumberTaken means that an older channel has the number.
	ReasonNumberTaken = "NumberTaken"
)

// Reasons of HelpdeskReady that the operator finds. It has those of a Secret, too, and Ready and all others as the
// receiver finds them, such as Unreachable, TokenRefused, PermissionMissing, GroupNotFound and EventsNotSetUp.
const (
	// ReasonBuiltIn means that tickets are kept in the receiver's own inbox.
	ReasonBuiltIn = "BuiltIn"
	// ReasonUnreachable means that the helpdesk does not answer.
	ReasonUnreachable = "Unreachable"
	// ReasonThrottled means that the helpdesk asks to wait.
	ReasonThrottled = "Throttled"
	// ReasonNotUnderstood means that the receiver gives a reason that is none.
	ReasonNotUnderstood = "NotUnderstood"
)

// Reasons of ReceiverAvailable.
const (
	// ReasonAvailable means that the receiver takes webhooks.
	ReasonAvailable = "Available"
	// ReasonMigrationNeeded means that the channel's data is in another kind of storage than the spec names.
	ReasonMigrationNeeded = "MigrationNeeded"
	// ReasonStarting means that the receiver is on the way.
	ReasonStarting = "Starting"
	// ReasonWaitingForSecrets means that the receiver cannot start without the Secrets that CredentialsValid speaks of.
	ReasonWaitingForSecrets = "WaitingForSecrets"
	// ReasonStorageOfAnotherNumber means that the volume holds the data of another number or account.
	ReasonStorageOfAnotherNumber = "StorageOfAnotherNumber"
	// ReasonVerifyTokenOfAnotherNumber means that the verify token belongs to another number or account.
	ReasonVerifyTokenOfAnotherNumber = "VerifyTokenOfAnotherNumber"
	// ReasonNameTaken means that an object that is not the channel's has the name of one that the channel needs.
	ReasonNameTaken = "NameTaken"
	// ReasonCrashLooping means that the receiver starts and ends again.
	ReasonCrashLooping = "CrashLooping"
	// ReasonVolumeFull means that the receiver ended because its volume is full.
	ReasonVolumeFull = "VolumeFull"
	// ReasonVolumeNotEnlarged means that the API server refuses to enlarge the volume, and that the receiver goes on with the volume
	// that it has. The condition is True; Ready says the same and is False.
	ReasonVolumeNotEnlarged = "VolumeNotEnlarged"
	// ReasonVolumeFailing means that the receiver ended because its volume cannot be read or written.
	ReasonVolumeFailing = "VolumeFailing"
	// ReasonDataDamaged means that the receiver ended because the database on its volume looks damaged.
	ReasonDataDamaged = "DataDamaged"
	// ReasonImageNotPulled means that the node cannot get the receiver's image.
	ReasonImageNotPulled = "ImageNotPulled"
	// ReasonUnschedulable means that no node takes the receiver.
	ReasonUnschedulable = "Unschedulable"
	// ReasonMountFailing means that a volume or Secret cannot be mounted.
	ReasonMountFailing = "MountFailing"
	// ReasonNotProgressing means that the Deployment's deadline passed.
	ReasonNotProgressing = "NotProgressing"
)

// Reasons of CallbackReachable.
const (
	// ReasonReachable means that the operator's handshake through the callback URL succeeded.
	ReasonReachable = "Reachable"
	// ReasonAnnotationNotAllowed means that the exposure asks for an annotation that the operator refuses.
	ReasonAnnotationNotAllowed = "AnnotationNotAllowed"
	// ReasonGatewayAPIMissing means that the exposure needs the Gateway API, which the cluster does not have.
	ReasonGatewayAPIMissing = "GatewayAPIMissing"
	// ReasonRoutePending means that no Gateway serves the HTTPRoute yet.
	ReasonRoutePending = "RoutePending"
	// ReasonRouteNotAccepted means that the Gateway refuses the HTTPRoute.
	ReasonRouteNotAccepted = "RouteNotAccepted"
	// ReasonRouteNotResolved means that the Gateway cannot send the HTTPRoute's requests to the receiver.
	ReasonRouteNotResolved = "RouteNotResolved"
	// ReasonNameNotResolved means that DNS does not know the hostname.
	ReasonNameNotResolved = "NameNotResolved"
	// ReasonConnectionFailed means that no connection came about.
	ReasonConnectionFailed = "ConnectionFailed"
	// ReasonTLSFailed means that the certificate is not accepted, or that the other side does not speak TLS.
	ReasonTLSFailed = "TLSFailed"
	// ReasonTimedOut means that no answer came in time.
	ReasonTimedOut = "TimedOut"
	// ReasonAddressNotAllowed means that the hostname leads to an address that is not probed.
	ReasonAddressNotAllowed = "AddressNotAllowed"
	// ReasonRedirected means that the answer was a redirect, which Meta does not follow either.
	ReasonRedirected = "Redirected"
	// ReasonUnexpectedStatus means that the answer was not 200.
	ReasonUnexpectedStatus = "UnexpectedStatus"
	// ReasonVerifyTokenRefused means that the answer was 403: the other side has another verify token.
	ReasonVerifyTokenRefused = "VerifyTokenRefused"
	// ReasonWrongAnswer means that the answer was not the challenge.
	ReasonWrongAnswer = "WrongAnswer"
	// ReasonNotReachableFromCluster means that Meta reaches the callback URL and the cluster does not.
	ReasonNotReachableFromCluster = "NotReachableFromCluster"
)

// Reasons of Durable.
const (
	// ReasonDurable means that the database keeps what it acknowledged through a crash.
	ReasonDurable = "Durable"
	// ReasonNotDurable means that the database may lose what it acknowledged, for a reason that the message gives.
	ReasonNotDurable = "NotDurable"
)

// Reasons of WebhookRegistered, besides NotRegistered.
const (
	// ReasonRegistered means that Meta calls this channel for this number.
	ReasonRegistered = "Registered"
	// ReasonRegistering means that the operator is about to write the callback URL.
	ReasonRegistering = "Registering"
	// ReasonWaitingForCallback means that the callback URL does not answer the operator's own handshake yet, and is
	// registered as soon as it does, or half a minute later.
	ReasonWaitingForCallback = "WaitingForCallback"
	// ReasonAccountNotSubscribed means that the app does not get the business account's webhooks.
	ReasonAccountNotSubscribed = "AccountNotSubscribed"
	// ReasonAppNotSubscribed means that the app has no webhook subscription for WhatsApp.
	ReasonAppNotSubscribed = "AppNotSubscribed"
	// ReasonFieldNotSubscribed means that the app's subscription lacks the field messages.
	ReasonFieldNotSubscribed = "FieldNotSubscribed"
	// ReasonForeignOverride means that somebody else set the number's callback URL.
	ReasonForeignOverride = "ForeignOverride"
	// ReasonAppCallbackTaken means that the app's one callback URL belongs to another channel.
	ReasonAppCallbackTaken = "AppCallbackTaken"
	// ReasonCallbackVerificationFailed means that Meta called the callback URL and did not get its challenge back.
	ReasonCallbackVerificationFailed = "CallbackVerificationFailed"
)

// Reasons of GraphVersionSupported.
const (
	// ReasonSupported means that Meta supports the version for more than 60 days, or has not said until when.
	ReasonSupported = "Supported"
	// ReasonGraphVersionEnding means that the version ends within 60 days. The condition is True.
	ReasonGraphVersionEnding = "GraphVersionEnding"
	// ReasonGraphVersionEnded means that Meta does not support the version any more.
	ReasonGraphVersionEnded = "GraphVersionEnded"
)
