package controllers

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

const maxNameLength = 48

var (
	channelName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	accountID   = regexp.MustCompile(`^[0-9]{1,32}$`)
	hostname    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$`)
)

// validate repeats the rules of the schema on which the rest of the reconciler relies, for clusters that stored a
// channel before a rule was there, and adds those that a schema cannot express. It returns the first rule that is
// broken, or nil.
func (r *Reconciler) validate(channel *v1alpha1.WhatsAppChannel) *finding {
	spec := channel.Spec
	digits := cloudapi.Digits(spec.PhoneNumber)
	host := spec.Callback.Hostname
	url := "https://" + host + config.CallbackPath(channel.Namespace, channel.Name)
	resources := spec.Receiver.Resources
	var problem string
	switch {
	case len(channel.Name) > maxNameLength || !channelName.MatchString(channel.Name):
		problem = fmt.Sprintf("metadata.name must start with a letter, hold only lower-case letters, digits and '-', and have at most %d characters", maxNameLength)
	case !accountID.MatchString(spec.BusinessAccountID):
		problem = "spec.businessAccountID must consist of digits"
	case spec.AccessTokenSecretRef.Name == "" || spec.AccessTokenSecretRef.Key == "":
		problem = "spec.accessTokenSecretRef must name a Secret and a key"
	case spec.AppSecretSecretRef.Name == "" || spec.AppSecretSecretRef.Key == "":
		problem = "spec.appSecretSecretRef must name a Secret and a key"
	case spec.PhoneNumber != "" && (len(digits) < 7 || len(digits) > 15 || strings.Trim(spec.PhoneNumber, "+-0123456789 ().") != ""):
		problem = "spec.phoneNumber must be a number in international format with 7 to 15 digits"
	case spec.TargetGroup == "":
		problem = "spec.targetGroup must name a group"
	case host != "" && !hostname.MatchString(host):
		problem = "spec.callback.hostname must be a fully qualified DNS name in lower case, without scheme, port or path"
	case len(url) > cloudapi.MaxCallbackURL:
		problem = fmt.Sprintf("the callback URL would have %d characters, and Meta accepts %d; use a shorter hostname, namespace or name", len(url), cloudapi.MaxCallbackURL)
	case spec.Callback.AppSubscription == v1alpha1.AppSubscriptionCreateIfAbsent && spec.Callback.Registration != v1alpha1.RegistrationAutomatic:
		problem = "spec.callback.appSubscription: CreateIfAbsent needs spec.callback.registration: Automatic"
	case spec.Receiver.Storage.SQLite != nil && spec.Receiver.Storage.Postgres != nil:
		problem = "spec.receiver.storage can be sqlite or postgres, not both"
	case spec.Receiver.Storage.Postgres == nil && ptr.Deref(spec.Receiver.Replicas, 1) > 1:
		problem = "spec.receiver.replicas above 1 needs spec.receiver.storage.postgres"
	case resources != nil && len(resources.Claims) > 0:
		problem = "spec.receiver.resources.claims is not supported; use requests and limits"
	default:
		return nil
	}
	return fails(v1alpha1.ReasonInvalidSpec, "The channel cannot be reconciled: "+problem+".")
}
