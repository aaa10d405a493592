package cloudapi

import (
	"errors"
	"net/http"
	"strings"
)

// Class is what a failure means for the caller, whatever its code.
type Class string

// The classes of failures. Those from ClassWindowClosed on concern sending.
const (
	// ClassNone is the class of no error.
	ClassNone Class = ""
	// ClassInvalidToken: the access token is malformed, expired or revoked.
	ClassInvalidToken Class = "InvalidToken"
	// ClassPermission: the token lacks a permission or access to the asset.
	ClassPermission Class = "Permission"
	// ClassAppSecret: the app secret is not the app's, or the app wants it proven:
	// see [Client.WithAppSecret].
	ClassAppSecret Class = "AppSecret"
	// ClassInvalidRequest: the same call will be refused again.
	ClassInvalidRequest Class = "InvalidRequest"
	// ClassNotFound: the object does not exist, or is hidden from this token.
	ClassNotFound Class = "NotFound"
	// ClassThrottled: the hourly call limit of the app or account is used up.
	ClassThrottled Class = "Throttled"
	// ClassTransient: no answer, or an internal error of Meta's. Try again later.
	ClassTransient Class = "Transient"
	// ClassCallbackVerification: Meta called the callback URL and did not get
	// its challenge back.
	ClassCallbackVerification Class = "CallbackVerification"
	// ClassNotSubscribed: the app must be subscribed to the business account
	// before its callback URL can be overridden.
	ClassNotSubscribed Class = "NotSubscribed"
	// ClassUnknown: a code that is not in the tables.
	ClassUnknown Class = "Unknown"

	// ClassWindowClosed: the customer service window is over; only a template
	// may be sent.
	ClassWindowClosed Class = "WindowClosed"
	// ClassUndeliverable: this customer cannot be reached.
	ClassUndeliverable Class = "Undeliverable"
	// ClassLimited: Meta withholds this message from this customer for now; not
	// to be repeated within 24 hours.
	ClassLimited Class = "Limited"
	// ClassPairRate: too many messages to this customer; others are not affected.
	ClassPairRate Class = "PairRate"
	// ClassThroughput: too many messages from this number; wait a moment.
	ClassThroughput Class = "Throughput"
	// ClassPolicy: the account or number is blocked, locked or limited for a
	// breach of policy. Stop sending.
	ClassPolicy Class = "Policy"
	// ClassPayment: the account has a problem with its payment method.
	ClassPayment Class = "Payment"
	// ClassNotRegistered: the number is not registered for the Cloud API.
	ClassNotRegistered Class = "NotRegistered"
	// ClassMedia: the type of the message or its file is not accepted.
	ClassMedia Class = "Media"
	// ClassTemplate: the template or its parameters are not accepted.
	ClassTemplate Class = "Template"
)

// Retryable reports whether the same call may succeed later without anybody
// changing anything.
func (c Class) Retryable() bool {
	switch c {
	case ClassTransient, ClassThrottled, ClassPairRate, ClassThroughput:
		return true
	default:
		return false
	}
}

// ClassOf returns the class of an error of this package. Errors of other
// origin, a network's for example, are [ClassTransient].
func ClassOf(err error) Class {
	if err == nil {
		return ClassNone
	}
	if errors.Is(err, ErrInvalidArgument) {
		return ClassInvalidRequest
	}
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.class()
	}
	var answer *AnswerError
	if errors.As(err, &answer) && answer.HTTPStatus == http.StatusTooManyRequests {
		return ClassThrottled
	}
	return ClassTransient
}

func (e *Error) class() Class {
	class := ClassOfCode(e.Code)
	switch {
	case e.ofApp && (class == ClassInvalidToken || e.Code == 101):
		return ClassAppSecret
	case e.Code == 100 && strings.Contains(e.Message, "appsecret_proof"):
		return ClassAppSecret
	case e.Code == 100 && e.Subcode == 33:
		return ClassNotFound
	case e.Code == 100 && strings.Contains(e.Message, "Before override"):
		// Only the text tells this refusal from a wrong parameter.
		return ClassNotSubscribed
	case class == ClassUnknown && (e.Transient || e.HTTPStatus >= 500):
		return ClassTransient
	case class == ClassUnknown && e.HTTPStatus == http.StatusTooManyRequests:
		return ClassThrottled
	}
	return class
}

// ClassOfCode returns the class of an error code alone, as it comes in the
// webhook of a failed message.
func ClassOfCode(code int) Class {
	if class, ok := classOfCode[code]; ok {
		return class
	}
	switch {
	case code >= 200 && code <= 299:
		return ClassPermission
	case code >= 80000 && code <= 80014:
		return ClassThrottled
	case code >= 132000 && code <= 132099:
		return ClassTemplate
	default:
		return ClassUnknown
	}
}

var classOfCode = map[int]Class{
	0:   ClassInvalidToken,
	102: ClassInvalidToken,
	104: ClassInvalidToken, // No token was sent.
	190: ClassInvalidToken,

	3:      ClassPermission,
	10:     ClassPermission,
	131005: ClassPermission,

	33:     ClassNotFound,
	803:    ClassNotFound,
	100:    ClassInvalidRequest,
	131008: ClassInvalidRequest,
	131009: ClassInvalidRequest,

	4:   ClassThrottled,
	17:  ClassThrottled,
	32:  ClassThrottled,
	613: ClassThrottled,

	1:      ClassTransient,
	2:      ClassTransient,
	131000: ClassTransient,
	131016: ClassTransient,
	131057: ClassTransient, // The number is being moved to a higher throughput.
	133004: ClassTransient,

	2200: ClassCallbackVerification,
	2201: ClassCallbackVerification, // The answer was not the challenge.

	131047: ClassWindowClosed,
	131021: ClassUndeliverable, // Sender and recipient are the same.
	131026: ClassUndeliverable,
	130497: ClassUndeliverable, // The business may not write to customers of this country.
	131050: ClassUndeliverable, // The customer opted out.
	131062: ClassUndeliverable, // Not possible to a business-scoped user id.
	130403: ClassUndeliverable, // The business blocked the customer.
	137000: ClassUndeliverable, // The customer's identity changed.
	130472: ClassLimited,
	131049: ClassLimited,
	131056: ClassPairRate,
	130429: ClassThroughput,

	368:    ClassPolicy,
	131031: ClassPolicy,
	131048: ClassPolicy,
	131064: ClassPolicy,
	131042: ClassPayment,

	131045: ClassNotRegistered,
	133000: ClassNotRegistered,
	133010: ClassNotRegistered,
	131051: ClassMedia,
	131052: ClassMedia,
	131053: ClassMedia,
	134101: ClassTemplate,
}
