package controllers

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// reservationInterval is when a new channel is looked at again where the event that its number is in status was lost.
const reservationInterval = time.Second

// claim decides whether the number that status names is this channel's. One number serves one channel, and the older
// channel keeps it.
//
// A channel claims a number by writing it to its status, and acts on the claim only once it reads it back from the
// cache. All channels come to the cache in one order, so of two that claim at the same time at least the later one sees
// both claims; and each claim that the cache shows wakes the others that have the same number.
func (r *Reconciler) claim(ctx context.Context, s *scope) error {
	number := s.channel.Status.PhoneNumber
	if number == nil {
		return nil
	}
	s.number = number.DeepCopy()
	rivals := &v1alpha1.WhatsAppChannelList{}
	if err := r.Client.List(ctx, rivals, client.MatchingFields{phoneNumberIndex: number.ID}); err != nil {
		return err
	}
	visible := false
	for i := range rivals.Items {
		rival := &rivals.Items[i]
		if rival.UID == s.channel.UID {
			visible = true
			continue
		}
		if letGo(rival) || !older(rival, s.channel) {
			continue
		}
		holder, err := r.standing(ctx, rival)
		if err != nil {
			return err
		}
		if holder != nil {
			s.phoneNumber = taken(holder, s.channel)
			if !holder.DeletionTimestamp.IsZero() {
				// Its end wakes this channel, unless the watch does not tell.
				s.wakeUpIn(clearDeadline)
			}
			return nil
		}
	}
	s.held = visible
	return nil
}

// standing returns a channel that the cache shows as the API server has it, if it claims the number there, too; else nil. A
// channel must not wait for ever for one whose end the watch did not tell.
func (r *Reconciler) standing(ctx context.Context, cached *v1alpha1.WhatsAppChannel) (*v1alpha1.WhatsAppChannel, error) {
	current := &v1alpha1.WhatsAppChannel{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(cached), current); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if current.UID != cached.UID || claimed(current) != claimed(cached) || letGo(current) {
		return nil, nil
	}
	return current, nil
}

// letGo reports whether a channel that is being deleted has left its number to others. Before that, its callback URL may still
// be at Meta.
func letGo(channel *v1alpha1.WhatsAppChannel) bool {
	return !channel.DeletionTimestamp.IsZero() && !hasFinalizer(channel)
}

// reserve ends the reconciliation of a new channel whose number was found: the number has to be in status, where other
// channels see it, before anything is made for it. What a registration wants to be written beforehand is written with it.
func (r *Reconciler) reserve(ctx context.Context, s *scope) error {
	if s.phoneNumber == nil || s.phoneNumber.reason != v1alpha1.ReasonClaiming {
		return nil
	}
	s.reserved = true
	// The status wakes the channel as soon as the cache shows it.
	s.wakeUpIn(reservationInterval)
	if s.channel.Spec.Callback.Registration != v1alpha1.RegistrationAutomatic || s.callbackURL == "" {
		return nil
	}
	s.registration = &v1alpha1.RegistrationStatus{IntendedURL: s.callbackURL}
	return r.addFinalizer(ctx, s)
}

// older orders channels by their age, and channels of the same second by their UID.
func older(a, b *v1alpha1.WhatsAppChannel) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.UID < b.UID
}

// taken says who has the number, without a word about other namespaces. It is on its way to the loser where the holder is
// being deleted.
func taken(holder, loser *v1alpha1.WhatsAppChannel) *finding {
	who := "an older channel in another namespace"
	if holder.Namespace == loser.Namespace {
		who = fmt.Sprintf("the older channel %q", holder.Name)
	}
	if !holder.DeletionTimestamp.IsZero() {
		return fails(v1alpha1.ReasonClaiming, fmt.Sprintf(
			"The phone number belongs to %s, which is being deleted. This channel takes the number over as soon as that one is gone.", who))
	}
	return fails(v1alpha1.ReasonNumberTaken, fmt.Sprintf("The phone number belongs to %s. Delete one of the two channels, or choose another number.", who))
}
