package zammad

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
)

// hook is a webhook or a trigger in Zammad: its fields by their names.
type hook map[string]any

func (w hook) id() int {
	id, _ := w["id"].(float64)
	return int(id)
}

func (w hook) name() string {
	name, _ := w["name"].(string)
	return name
}

// secretNote is the note that tells which secret Zammad was given, by a fingerprint: newer versions do not show it.
const secretNote = "webhook-secret"

// wantedWebhook is what Zammad has to call.
func (h *Helpdesk) wantedWebhook() hook {
	return hook{
		"name": h.channel, "endpoint": h.options.EventsURL, "signature_token": h.options.Secret, "ssl_verify": !h.options.PrivateAuthority, "active": true,
		"note": "Kept by whatsapp-operator. Tells the WhatsApp channel that an agent did something.",
	}
}

// wantedTriggers are when Zammad has to call it. The conditions name the tag that only this channel's tickets have.
func (h *Helpdesk) wantedTriggers(webhookID int) []hook {
	tag := map[string]any{"operator": "contains all", "value": h.channel}
	trigger := func(name string, condition map[string]any) hook {
		condition["ticket.tags"] = tag
		return hook{
			"name": h.channel + " " + name, "active": true, "activator": "action", "execution_condition_mode": "selective",
			"condition": condition,
			"perform":   map[string]any{"notification.webhook": map[string]any{"webhook_id": strconv.Itoa(webhookID)}},
			"note":      "Kept by whatsapp-operator.",
		}
	}
	return []hook{
		// 1 is the sender Agent, in every Zammad.
		trigger("replies", map[string]any{
			"article.action":    map[string]any{"operator": "is", "value": "create"},
			"article.sender_id": map[string]any{"operator": "is", "value": []any{"1"}},
		}),
		trigger("states", map[string]any{
			"ticket.action":   map[string]any{"operator": "is", "value": "update"},
			"ticket.state_id": map[string]any{"operator": "has changed", "value": []any{}},
		}),
	}
}

// checkEvents makes sure that Zammad tells of agents. What cannot be set up is listed.
func (h *Helpdesk) checkEvents(ctx context.Context, health helpdesk.Health) helpdesk.Health {
	if h.bell == nil {
		h.tidy(ctx)
		return health
	}
	err := h.setUpHooks(ctx)
	known := (*helpdesk.Error)(nil)
	switch {
	case err == nil, h.bell.rang.Load():
		return health
	case errors.As(err, &known) && (known.Means == helpdesk.Stop || known.Means == helpdesk.Refused):
		return helpdesk.Health{Reason: helpdesk.ReasonEventsNotSetUp, Message: h.instructions()}
	}
	return unhealthy(err)
}

// instructions say what an administrator has to create where the token may not. The secret is not told.
func (h *Helpdesk) instructions() string {
	return fmt.Sprintf("Zammad does not tell of agents' replies, and the token may not set that up; until it does, replies are found within minutes. "+
		"Give the token the permissions admin.webhook and admin.trigger, or set events to Poll, or create in Zammad a webhook named %q with the endpoint %s "+
		"and, as its HMAC SHA1 signature token, the value of helpdesk-webhook-secret in the Secret %s-helpdesk, "+
		"and two triggers that notify it for tickets with the tag %q: one for new articles of agents, one for changes of the state.",
		h.channel, h.options.EventsURL, h.options.Name, h.channel)
}

// setUpHooks creates the webhook and the triggers, or brings them to what they have to be. Only those of this channel's
// own names are touched.
func (h *Helpdesk) setUpHooks(ctx context.Context) error {
	fingerprint := fingerprintOf(h.options.Secret)
	noted, err := h.receiver.Notes.Note(ctx, secretNote)
	if err != nil {
		return err
	}
	webhook, err := h.ensure(ctx, "/webhooks", h.wantedWebhook(), noted != fingerprint)
	if err != nil {
		return withPermission(err, "admin.webhook")
	}
	if noted != fingerprint {
		if err := h.receiver.Notes.SetNote(ctx, secretNote, fingerprint); err != nil {
			return err
		}
	}
	for _, wanted := range h.wantedTriggers(webhook) {
		if _, err := h.ensure(ctx, "/triggers", wanted, false); err != nil {
			return withPermission(err, "admin.trigger")
		}
	}
	return nil
}

func withPermission(err error, permission string) error {
	if hasStatus(err, http.StatusForbidden) {
		return permissionMissing(permission)
	}
	return err
}

// ensure makes one object be as it is wanted, and removes others of the same name. It returns the object's ID.
func (h *Helpdesk) ensure(ctx context.Context, path string, wanted hook, write bool) (int, error) {
	named, err := h.named(ctx, path, wanted.name())
	if err != nil {
		return 0, err
	}
	if len(named) == 0 {
		var created hook
		err := h.client.send(ctx, http.MethodPost, path, wanted, &created)
		return created.id(), err
	}
	kept := named[0]
	if write || differs(kept, wanted) {
		if err := h.client.send(ctx, http.MethodPut, path+"/"+strconv.Itoa(kept.id()), wanted, nil); err != nil {
			return 0, err
		}
	}
	for _, extra := range named[1:] {
		if err := h.client.call(ctx, http.MethodDelete, path+"/"+strconv.Itoa(extra.id()), nil, 0, nil); err != nil && !isGone(err) {
			return 0, err
		}
	}
	return kept.id(), nil
}

// named lists the objects of a name, the oldest first.
func (h *Helpdesk) named(ctx context.Context, path, name string) ([]hook, error) {
	var all []hook
	if err := h.client.get(ctx, path, nil, &all); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(w hook) bool { return !strings.EqualFold(w.name(), name) })
	slices.SortFunc(all, func(a, b hook) int { return a.id() - b.id() })
	return all, nil
}

// differs tells whether an object is not as it is wanted. What Zammad masks is taken to be right, and so is what it adds
// on its own.
func differs(is, wanted hook) bool {
	for name, value := range wanted {
		found := is[name]
		if text, ok := found.(string); ok && text != "" && strings.Trim(text, "*") == "" {
			continue
		}
		if name == "note" {
			continue
		}
		if !reflect.DeepEqual(plain(found), plain(value)) {
			return true
		}
	}
	return false
}

// plain is a value as JSON brings it.
func plain(value any) (out any) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	_ = json.Unmarshal(encoded, &out)
	return out
}

func fingerprintOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:8])
}

// tidy removes what Zammad would call although nobody wants it to any more, as far as the token may. It is done once.
func (h *Helpdesk) tidy(ctx context.Context) {
	h.mu.Lock()
	done := h.tidied
	h.tidied = true
	h.mu.Unlock()
	if done {
		return
	}
	remove := func(path, name string) {
		named, err := h.named(ctx, path, name)
		for _, old := range named {
			err = errors.Join(err, h.client.call(ctx, http.MethodDelete, path+"/"+strconv.Itoa(old.id()), nil, 0, nil))
		}
		if err != nil && !hasStatus(err, http.StatusForbidden) {
			h.receiver.Log.Info("what Zammad used to call could not be removed", "error", err)
		}
	}
	for _, t := range h.wantedTriggers(0) {
		remove("/triggers", t.name())
	}
	remove("/webhooks", h.channel)
}
