package cluster

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// rule is one right of a Role.
type rule struct {
	group, resource, name, verb string
	// namespace is where it is needed; empty for all.
	namespace string
}

func channelRule(verb string, key types.NamespacedName) rule {
	return rule{group: v1alpha1.GroupVersion.Group, resource: "whatsappchannels", name: key.Name, verb: verb, namespace: key.Namespace}
}

// String is the rule as a Role has it.
func (r rule) String() string {
	name := ""
	if r.name != "" {
		name = fmt.Sprintf("resourceNames: [%q], ", r.name)
	}
	return fmt.Sprintf("{apiGroups: [%q], resources: [%q], %sverbs: [%q]}", r.group, r.resource, name, r.verb)
}

// DeniedError means that whoever runs the command lacks a right. Its text names the rule that would give it.
type DeniedError struct {
	what string
	rule rule
}

func (e *DeniedError) Error() string {
	kind, where := "Role", "in the namespace "+e.rule.namespace
	if e.rule.namespace == "" {
		kind, where = "ClusterRole", "in all namespaces"
	}
	return fmt.Sprintf("you may not %s %s; ask an administrator for a %s with the rule %s", e.what, where, kind, e.rule)
}

// errNoOperator means that the cluster does not know channels.
var errNoOperator = errors.New("this cluster does not know WhatsAppChannels; install whatsapp-operator, or choose another cluster with --context")

// explain makes an error of the API server one for people.
func explain(err error, what string, needs rule) error {
	switch {
	case apierrors.IsForbidden(err):
		return &DeniedError{what: what, rule: needs}
	case apierrors.IsUnauthorized(err):
		return errors.New("the cluster does not accept your credentials; log in again, or choose another user with --user or --context")
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err) && needs.group != "" && strings.Contains(err.Error(), "could not find the requested resource"):
		return errNoOperator
	}
	return fmt.Errorf("could not %s: %w", what, err)
}
