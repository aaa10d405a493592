package engine

import (
	"context"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// Notes keeps small values for a helpdesk.
type Notes struct {
	Store store.Store
	// Helpdesk is the identity of the helpdesk.
	Helpdesk string
}

var _ helpdesk.Notes = (*Notes)(nil)

func (n *Notes) name(of string) string { return "helpdesk/" + n.Helpdesk + "/" + of }

// Note implements helpdesk.Notes.
func (n *Notes) Note(ctx context.Context, name string) (value string, err error) {
	err = n.Store.View(ctx, func(tx *store.Tx) error {
		value, err = tx.Meta(n.name(name))
		return err
	})
	return value, err
}

// SetNote implements helpdesk.Notes.
func (n *Notes) SetNote(ctx context.Context, name, value string) error {
	return n.Store.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(n.name(name), value) })
}

// SwapNote implements helpdesk.Notes.
func (n *Notes) SwapNote(ctx context.Context, name, expected, value string) (swapped bool, err error) {
	err = n.Store.Update(ctx, func(tx *store.Tx) error {
		swapped, err = tx.SwapMeta(n.name(name), expected, value)
		return err
	})
	return swapped, err
}
