package controllers

import (
	"context"
	"fmt"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

const (
	// statusConnected is Meta's word for a number that can send and receive.
	statusConnected = "CONNECTED"
	// platformCloudAPI is Meta's word for a number that is registered for the Cloud API.
	platformCloudAPI = "CLOUD_API"
	// maxAvailable is how many numbers status lists.
	maxAvailable = 100
	// maxListed is how many numbers a message lists.
	maxListed = 10
)

// resolvePhoneNumber finds the channel's number in the business account. The operator never registers a number.
func (r *Reconciler) resolvePhoneNumber(ctx context.Context, s *scope) error {
	if s.credentials != nil && !s.proven() {
		s.phoneNumber = unknown(v1alpha1.ReasonWaitingForCredentials, "The phone number is looked up as soon as the credentials are valid: see CredentialsValid.")
		return nil
	}
	if !s.proven() {
		return nil
	}
	chosen, problem, err := r.lookUp(ctx, s, s.refresh.fresh)
	if err == nil && problem != nil && s.refresh.changed {
		// The number may have been added since another channel asked.
		chosen, problem, err = r.lookUp(ctx, s, exact())
	}
	if err != nil {
		s.phoneNumber = s.businessAccountRefused(err)
		return nil
	}
	if problem != nil {
		s.phoneNumber = problem
		s.held = false
		return nil
	}
	if s.serves() && !sameNumber(chosen.DisplayPhoneNumber, s.number.DisplayPhoneNumber) {
		s.phoneNumber = s.servesAnother()
		s.held = false
		return nil
	}
	known := s.number != nil && s.number.ID == chosen.ID
	s.number, s.configuration = numberStatus(chosen), &chosen.WebhookConfiguration
	if !known {
		// The number has to be in status, where other channels see it, before anything is done with it.
		s.held = false
		s.phoneNumber = fails(v1alpha1.ReasonClaiming, "The phone number was found and is being reserved for this channel.")
		return nil
	}
	if s.held {
		s.phoneNumber = judgeNumber(chosen)
	}
	return nil
}

// lookUp lists the account's numbers, and chooses the channel's. Status lists them only while there is something to choose: a
// choice is for good, and with all numbers of an account in each of its channels, the lists would grow with their square.
func (r *Reconciler) lookUp(ctx context.Context, s *scope, fresh *freshness) (cloudapi.PhoneNumber, *finding, error) {
	numbers, err := r.graph.phoneNumbers(ctx, fresh, s.access(), s.channel.Spec.BusinessAccountID)
	if err != nil {
		return cloudapi.PhoneNumber{}, nil, err
	}
	chosen, problem := s.choose(numbers)
	s.numbersRead, s.numbers = true, nil
	if problem != nil {
		s.numbers = available(numbers)
	}
	return chosen, problem, nil
}

// choose returns the number that the spec means, or why there is none. Where the spec names none, the channel keeps the number
// that it has, whichever the account gets besides.
func (s *scope) choose(numbers []cloudapi.PhoneNumber) (cloudapi.PhoneNumber, *finding) {
	spec := s.channel.Spec
	if spec.PhoneNumber == "" && s.number != nil {
		for _, number := range numbers {
			if number.ID == s.number.ID || sameNumber(number.DisplayPhoneNumber, s.number.DisplayPhoneNumber) {
				return number, nil
			}
		}
	}
	switch {
	case len(numbers) == 0:
		return cloudapi.PhoneNumber{}, fails(v1alpha1.ReasonNoPhoneNumbers, fmt.Sprintf(
			"Business account %s has no phone number. Add one in WhatsApp Manager.", spec.BusinessAccountID))
	case spec.PhoneNumber == "" && s.serves():
		return cloudapi.PhoneNumber{}, fails(v1alpha1.ReasonNotFound, fmt.Sprintf(
			"Business account %s does not have %s any more, which is the phone number of this channel. It has: %s. Add the number again in WhatsApp Manager, or create another WhatsAppChannel for another number.",
			spec.BusinessAccountID, s.number.DisplayPhoneNumber, listed(numbers)))
	case spec.PhoneNumber == "" && len(numbers) == 1:
		return numbers[0], nil
	case spec.PhoneNumber == "":
		return cloudapi.PhoneNumber{}, fails(v1alpha1.ReasonAwaitingChoice, fmt.Sprintf(
			"Business account %s has several phone numbers. Set spec.phoneNumber to one of: %s.", spec.BusinessAccountID, listed(numbers)))
	}
	for _, number := range numbers {
		if sameNumber(number.DisplayPhoneNumber, spec.PhoneNumber) {
			return number, nil
		}
	}
	return cloudapi.PhoneNumber{}, fails(v1alpha1.ReasonNotFound, fmt.Sprintf(
		"Business account %s does not have the phone number of spec.phoneNumber. It has: %s.", spec.BusinessAccountID, listed(numbers)))
}

// sameNumber compares numbers in any writing.
func sameNumber(a, b string) bool { return cloudapi.Digits(a) == cloudapi.Digits(b) }

// serves reports whether what the channel has belongs to the number in status already: its receiver and data, or the callback
// URL that the operator wrote at Meta. One that only lost the number to another channel has nothing yet.
func (s *scope) serves() bool {
	known := s.channel.Status.Registration
	return s.number != nil && (s.held || known != nil && known.URL != "")
}

// servesAnother says that the spec came to name another number than the channel's. Status keeps the one that it has, so that its
// callback URL is taken back when the channel is deleted.
func (s *scope) servesAnother() *finding {
	return fails(v1alpha1.ReasonServesAnotherNumber, fmt.Sprintf(
		"This channel serves %[1]s, to which its tickets, stored messages and callback URL belong, and spec.phoneNumber names another number. For that one, create another WhatsAppChannel. For this one, set spec.phoneNumber back to %[1]q.",
		s.number.DisplayPhoneNumber))
}

// judgeNumber says whether a number can send and receive.
func judgeNumber(number cloudapi.PhoneNumber) *finding {
	switch {
	case number.PlatformType != "" && number.PlatformType != platformCloudAPI:
		return fails(v1alpha1.ReasonNotRegistered, fmt.Sprintf(
			"The phone number is not registered for the Cloud API (platform %s). Register it in WhatsApp Manager; the operator never does.", number.PlatformType))
	case number.Status != "" && number.Status != statusConnected:
		return fails(v1alpha1.ReasonNotConnected, fmt.Sprintf(
			"Meta reports the phone number as %s, so it cannot send and receive. See the number's page in WhatsApp Manager.", number.Status))
	}
	return judgeHealth(number)
}

func (s *scope) businessAccountRefused(err error) *finding {
	account := s.channel.Spec.BusinessAccountID
	switch cloudapi.ClassOf(err) {
	case cloudapi.ClassNotFound, cloudapi.ClassPermission, cloudapi.ClassInvalidRequest:
		return fails(v1alpha1.ReasonBusinessAccountNotFound, fmt.Sprintf(
			"The access token does not reach business account %s. Check the ID in WhatsApp Manager (spec.businessAccountID cannot change: a wrong one needs a new channel), and give the system user access to the account in Business Settings. %s",
			account, sentence(err)))
	case cloudapi.ClassInvalidToken, cloudapi.ClassAppSecret:
		s.credentials = s.tokenRefused(err)
		return unknown(v1alpha1.ReasonWaitingForCredentials, "The phone number is looked up as soon as the credentials are valid: see CredentialsValid.")
	case cloudapi.ClassPolicy, cloudapi.ClassPayment:
		return fails(v1alpha1.ReasonRefused, fmt.Sprintf("Meta refuses to list the numbers of business account %s. %s", account, sentence(err)))
	}
	return s.unanswered(v1alpha1.ConditionPhoneNumberReady, err)
}

// listed names numbers in a message.
func listed(numbers []cloudapi.PhoneNumber) string {
	var names []string
	for _, number := range numbers[:min(len(numbers), maxListed)] {
		names = append(names, number.DisplayPhoneNumber)
	}
	text := strings.Join(names, ", ")
	if more := len(numbers) - maxListed; more > 0 {
		text += fmt.Sprintf(" and %d more, see status.availablePhoneNumbers", more)
	}
	return text
}

func available(numbers []cloudapi.PhoneNumber) []v1alpha1.AvailablePhoneNumber {
	var out []v1alpha1.AvailablePhoneNumber
	seen := map[string]bool{}
	for _, number := range numbers {
		id := bounded(number.ID, 64)
		if id == "" || seen[id] || len(out) == maxAvailable {
			continue
		}
		seen[id] = true
		out = append(out, v1alpha1.AvailablePhoneNumber{
			ID:                 id,
			DisplayPhoneNumber: bounded(number.DisplayPhoneNumber, 64),
			VerifiedName:       bounded(number.VerifiedName, 512),
		})
	}
	return out
}

func numberStatus(number cloudapi.PhoneNumber) *v1alpha1.PhoneNumberStatus {
	return &v1alpha1.PhoneNumberStatus{
		ID:                 bounded(number.ID, 64),
		DisplayPhoneNumber: bounded(number.DisplayPhoneNumber, 64),
		VerifiedName:       bounded(number.VerifiedName, 512),
		Status:             bounded(number.Status, 64),
		QualityRating:      bounded(number.QualityRating, 64),
		NameStatus:         bounded(number.NameStatus, 64),
		MessagingLimit:     bounded(number.MessagingLimit, 64),
		ThroughputLevel:    bounded(number.ThroughputLevel, 64),
		CanSendMessage:     bounded(number.Health.CanSendMessage, 64),
		SendingProblems:    sendingProblems(number.Health),
	}
}

// bounded cuts what Meta sends to what the schema of status allows, in characters.
func bounded(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}
