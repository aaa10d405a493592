package zammad

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// Check implements helpdesk.Helpdesk.
func (h *Helpdesk) Check(ctx context.Context) helpdesk.Health {
	health := h.look(ctx)
	if health.Version == "" {
		// Only administrators' tokens are told the version.
		var answer struct {
			Version string `json:"version"`
		}
		if err := h.client.get(ctx, "/version", nil, &answer); err == nil {
			health.Version = answer.Version
		}
	}
	return health
}

// look finds out all but the version.
func (h *Helpdesk) look(ctx context.Context) helpdesk.Health {
	if h.options.Token == "" {
		return helpdesk.Health{
			Reason: helpdesk.ReasonTokenMissing, Message: "There is no access token for Zammad; put one into the Secret that spec.helpdesk.zammad.tokenSecretRef names.",
		}
	}
	me, err := h.me(ctx)
	if err != nil {
		return unhealthy(err)
	}
	groups := slices.Sorted(maps.Keys(me.Groups))
	if _, _, err := h.client.first(ctx, condition{"ticket.tags": {"operator": "contains all", "value": h.channel}}); err != nil {
		if hasStatus(err, 403) {
			err = permissionMissing("ticket.agent")
		}
		return unhealthy(err)
	}
	if _, err := h.states(ctx); err != nil {
		return unhealthy(err)
	}
	health := h.checkGroup(ctx, me, groups)
	if health.Ready {
		health = h.checkEvents(ctx, health)
	}
	health.Groups = groups
	return health
}

// me is the user that the token belongs to, with the groups that it has access to.
func (h *Helpdesk) me(ctx context.Context) (user, error) {
	var me user
	if err := h.client.get(ctx, "/users/me", url.Values{"expand": {"true"}}, &me); err != nil {
		return me, err
	}
	if me.ID == 0 {
		return me, notUnderstood(nil)
	}
	return me, nil
}

// mayWork tells whether access to a group is enough to open tickets in it, and to go on with them.
func mayWork(access []string) bool {
	if slices.Contains(access, "full") {
		return true
	}
	for _, needed := range []string{"read", "create", "change"} {
		if !slices.Contains(access, needed) {
			return false
		}
	}
	return true
}

// checkGroup looks for the target group.
func (h *Helpdesk) checkGroup(ctx context.Context, me user, groups []string) helpdesk.Health {
	group := h.options.Group
	access, known := me.Groups[group]
	switch {
	case known && mayWork(access):
		return helpdesk.Health{Ready: true, Reason: helpdesk.ReasonReady, Message: fmt.Sprintf("Tickets are opened in the group %q.", group)}
	case group == "":
		return helpdesk.Health{
			Reason: helpdesk.ReasonGroupNotFound, Message: "No target group is declared; set spec.targetGroup to one of: " + listed(groups) + ".",
		}
	case known, h.exists(ctx, group):
		return helpdesk.Health{
			Reason:  helpdesk.ReasonPermissionMissing,
			Message: fmt.Sprintf("The token's user lacks full access to the group %q; give it to the user in Zammad, or declare another group.", group),
		}
	}
	return helpdesk.Health{
		Reason: helpdesk.ReasonGroupNotFound,
		Message: fmt.Sprintf("Zammad has no group %q that the token can see; it can see %s. Create the group, give the token's user access to it, or change spec.targetGroup.",
			group, listed(groups)),
	}
}

// exists tells whether there is a group that the token's user has no access to, which only administrators' tokens see.
func (h *Helpdesk) exists(ctx context.Context, name string) bool {
	var groups []struct {
		Name   string `json:"name"`
		Active bool   `json:"active"`
	}
	if err := h.client.get(ctx, "/groups", nil, &groups); err != nil {
		return false
	}
	for _, g := range groups {
		if g.Name == name && g.Active {
			return true
		}
	}
	return false
}

func listed(groups []string) string {
	if len(groups) == 0 {
		return "none"
	}
	quoted := make([]string, len(groups))
	for i, g := range groups {
		quoted[i] = fmt.Sprintf("%q", g)
	}
	return strings.Join(quoted, ", ")
}

// whyNotInGroup finds out whether a ticket was refused because of its group, which somebody can mend: then the tickets
// wait for that.
func (h *Helpdesk) whyNotInGroup(ctx context.Context, group string, refused error) error {
	me, err := h.me(ctx)
	if err != nil {
		return refused
	}
	access, known := me.Groups[group]
	if known && mayWork(access) {
		return refused
	}
	health := h.checkGroup(ctx, me, slices.Sorted(maps.Keys(me.Groups)))
	return &helpdesk.Error{Means: helpdesk.Stop, Reason: health.Reason, Message: health.Message, Err: refused}
}

func permissionMissing(name string) error {
	return &helpdesk.Error{
		Means: helpdesk.Stop, Reason: helpdesk.ReasonPermissionMissing,
		Message: "Zammad's token lacks the permission " + name + "; create one that has it, for a user who has it too, and put it into the Secret.",
	}
}

// unhealthy says what an error means for all tickets.
func unhealthy(err error) helpdesk.Health {
	known := (*helpdesk.Error)(nil)
	if !errors.As(err, &known) {
		return helpdesk.Health{Reason: helpdesk.ReasonUnreachable, Message: "Zammad could not be asked; check its URL, and that it runs."}
	}
	return helpdesk.Health{Reason: known.Reason, Message: sentence(known.Message)}
}

// sentence begins a message with a capital letter.
func sentence(message string) string {
	if message == "" {
		return ""
	}
	return strings.ToUpper(message[:1]) + message[1:]
}
