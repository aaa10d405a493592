package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// scope is one reconciliation of one channel. Phases read the channel and what earlier phases observed, and write what
// they observe; status.go turns that into a status. The channel itself is never changed.
type scope struct {
	channel *v1alpha1.WhatsAppChannel
	// resourceVersion is the channel's, after what this reconciliation wrote.
	resourceVersion string
	now             time.Time
	memory          *memory
	// pastCache says that the cache is not believed what it shows of the channel's objects and Secrets.
	pastCache bool
	refresh   refreshPlan
	observed
}

// observed is what the phases found out. A nil finding means that a phase had nothing new to say: what status says
// already stands.
type observed struct {
	// invalidSpec is set where the spec breaks a rule. Nothing else is looked at then.
	invalidSpec *finding

	credentials *finding
	phoneNumber *finding
	receiver    *finding
	durable     *finding
	// helpdeskReady is about the helpdesk.
	helpdeskReady *finding
	callback      *finding
	registered    *finding
	version       *finding

	// Secrets that were resolved. accessToken and appSecret are set together or not at all.
	accessToken secretValue
	appSecret   secretValue
	verifyToken secretValue
	// credentialsMissing says which of the two Secrets of the credentials cannot be used.
	credentialsMissing *finding
	// verifyTokenRef is where the verify token is, once there is one.
	verifyTokenRef *v1alpha1.SecretKeyReference
	// verifyTokenReplaced is when the verify token took the place of another that is still accepted; else the zero time.
	verifyTokenReplaced time.Time
	// rotation is the request for another verify token that was acted on.
	rotation string
	// postgresDSN is the connection string of the channel's database, if it has one.
	postgresDSN cloudapi.Token
	// private opens the receiver's status. It is not known as long as its Secret is not complete.
	private PrivateAPI

	// helpdeskTokenKnown says that what the receiver shows to the helpdesk can be read, and helpdeskSigns that there is
	// what the helpdesk signs with.
	helpdeskTokenKnown bool
	helpdeskSigns      bool

	// callbackURL is empty while nobody said under which name Meta reaches the channel.
	callbackURL string
	// blocker is why the receiver's Deployment must not be made or changed at present.
	blocker *finding
	// notEnlarged is why the volume is not as large as declared; empty where it is.
	notEnlarged string
	// deploymentSeen says that there is a Deployment of the receiver's name, and that where it keeps its data was judged.
	deploymentSeen bool
	// available says whether the receiver takes webhooks.
	available bool
	// receiverStatus is what is known of the receiver, partly from itself.
	receiverStatus *v1alpha1.ReceiverStatus
	// exposure says what the way in for Meta's calls still waits for. It explains a failed probe.
	exposure *finding

	// What Meta said; nil where it was not asked this time.
	app           *v1alpha1.AppStatus
	token         *v1alpha1.AccessTokenStatus
	subscriptions []cloudapi.AppSubscription
	numbers       []v1alpha1.AvailablePhoneNumber
	numbersRead   bool
	// number is the channel's number as far as it is known, this time or earlier.
	number *v1alpha1.PhoneNumberStatus
	// held says that the number is this channel's and no older channel's.
	held bool
	// reserved says that the number of a new channel was found, and that nothing else is done before status has it.
	reserved bool
	// configuration is where the number's webhooks go, as the list of the account's numbers has it.
	configuration *cloudapi.WebhookConfiguration
	registration  *v1alpha1.RegistrationStatus

	// interrupted says that what Meta said has to be looked at again at once.
	interrupted bool
	// graphFailure is why Meta could not be asked to the end.
	graphFailure error
	// withheld are what the API server answered where a condition tells that it fails and must not quote why.
	withheld []error
	// failed says that a phase has to be tried again.
	failed bool
	// again asks for another reconciliation at once, because this one only prepared a step.
	again bool
	// wakeUps are the times at which something has to be looked at again.
	wakeUps []time.Time
}

func (s *scope) wakeUpAt(at time.Time) { s.wakeUps = append(s.wakeUps, at) }

func (s *scope) wakeUpIn(after time.Duration) { s.wakeUpAt(s.now.Add(after)) }

// blockReceiver notes why the receiver must not be made or changed. The first reason counts.
func (s *scope) blockReceiver(f *finding) {
	if s.blocker == nil {
		s.blocker = f
	}
}

// condition returns a condition as status has it, or nil.
func (s *scope) condition(conditionType string) *metav1.Condition {
	for i := range s.channel.Status.Conditions {
		if s.channel.Status.Conditions[i].Type == conditionType {
			return &s.channel.Status.Conditions[i]
		}
	}
	return nil
}

// hasReason reports whether status has a condition with one of the reasons.
func (s *scope) hasReason(conditionType string, reasons ...string) bool {
	condition := s.condition(conditionType)
	return condition != nil && sets.New(reasons...).Has(condition.Reason)
}

// finding is what a phase found out about its part of the channel: a condition without its bookkeeping.
type finding struct {
	status  metav1.ConditionStatus
	reason  string
	message string
}

func works(reason, message string) *finding { return &finding{metav1.ConditionTrue, reason, message} }

func fails(reason, message string) *finding { return &finding{metav1.ConditionFalse, reason, message} }

func unknown(reason, message string) *finding {
	return &finding{metav1.ConditionUnknown, reason, message}
}

// text is the message of a finding, or nothing where there is none.
func (f *finding) text() string {
	if f == nil {
		return ""
	}
	return f.message
}

// underWay are the reasons of a False condition that go away without a person. All others wait for one.
var underWay = sets.New(
	v1alpha1.ReasonPending,
	v1alpha1.ReasonAPIServerFailing,
	v1alpha1.ReasonClaiming,
	v1alpha1.ReasonGraphUnavailable,
	v1alpha1.ReasonGraphThrottled,
	v1alpha1.ReasonWaitingForCredentials,
	v1alpha1.ReasonWaitingForPhoneNumber,
	v1alpha1.ReasonWaitingForReceiver,
	v1alpha1.ReasonStarting,
	v1alpha1.ReasonCrashLooping,
	v1alpha1.ReasonImageNotPulled,
	v1alpha1.ReasonUnschedulable,
	v1alpha1.ReasonMountFailing,
	v1alpha1.ReasonUnreachable,
	v1alpha1.ReasonThrottled,
	v1alpha1.ReasonRegistering,
	v1alpha1.ReasonWaitingForCallback,
	v1alpha1.ReasonCallbackVerificationFailed,
)

// needsPerson reports whether nothing will change until a person changes something.
func (f *finding) needsPerson() bool {
	return f.status == metav1.ConditionFalse && !underWay.Has(f.reason)
}
