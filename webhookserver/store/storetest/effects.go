package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

func effect(key string, kind conversation.Kind) conversation.Effect {
	return conversation.Effect{Key: key, Kind: kind, Epoch: 1}
}

func add(t *testing.T, s store.Store, conv string, effects ...conversation.Effect) {
	t.Helper()
	update(t, s, func(tx *store.Tx) error { return tx.AddEffects(conv, effects, At) })
}

// lease is how long the suite's calls may take.
const lease = time.Minute

// begin claims an effect for a call.
func begin(t *testing.T, tx *store.Tx, key string) store.Effect {
	t.Helper()
	e, err := tx.BeginCall(byKeyTx(t, tx, key), At, At.Add(lease))
	if err != nil {
		t.Fatalf("BeginCall %q: %v", key, err)
	}
	return e
}

// dueKeys returns the keys of what is due long after At.
func dueKeys(t *testing.T, s store.Store) []string {
	t.Helper()
	var keys []string
	view(t, s, func(tx *store.Tx) error {
		list, err := tx.DueEffects(At.Add(time.Hour), 100, conversation.Graph, conversation.Helpdesk)
		for _, e := range list {
			keys = append(keys, e.Key)
		}
		return err
	})
	return keys
}

func byKey(t *testing.T, s store.Store, key string) store.Effect {
	t.Helper()
	var got store.Effect
	view(t, s, func(tx *store.Tx) error {
		e, found, err := tx.EffectByKey(key)
		if !found {
			t.Fatalf("there is no effect %q", key)
		}
		got = e
		return err
	})
	return got
}

// finish calls an effect and ends it.
func finish(t *testing.T, s store.Store, key string, state store.EffectState) {
	t.Helper()
	e := byKey(t, s, key)
	update(t, s, func(tx *store.Tx) error {
		e, err := tx.BeginCall(e, At, At.Add(lease))
		if err != nil {
			return err
		}
		fresh, err := tx.FinishEffect(e, state, "", "", At)
		if !fresh {
			t.Errorf("%s was finished before", key)
		}
		return err
	})
}

func expectDue(t *testing.T, s store.Store, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, dueKeys(t, s)); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
}

func laneOneByOne(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	add(t, s, "c1", effect("1", conversation.KindSendText), effect("2", conversation.KindSendText), effect("3", conversation.KindSendText))
	for i, state := range []store.EffectState{store.EffectDone, store.EffectDead, store.EffectGivenUp} {
		key := string(rune('1' + i))
		expectDue(t, s, key)
		finish(t, s, key, state)
	}
	expectDue(t, s)
	add(t, s, "c1", effect("4", conversation.KindSendText))
	expectDue(t, s, "4")
}

func lanesApart(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1", "c2")
	add(t, s, "c1", effect("ticket", conversation.KindOpenTicket), effect("article", conversation.KindAddArticle), effect("send", conversation.KindSendText))
	add(t, s, "c2", effect("other ticket", conversation.KindOpenTicket))
	expectDue(t, s, "ticket", "send", "other ticket")
}

func keyOnce(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	add(t, s, "c1", effect("1", conversation.KindSendText), effect("1", conversation.KindSendText))
	finish(t, s, "1", store.EffectDone)
	add(t, s, "c1", effect("1", conversation.KindSendText))
	expectDue(t, s)
}

func deadTicketHolds(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	add(t, s, "c1", effect("ticket", conversation.KindOpenTicket), effect("1", conversation.KindAddArticle))
	finish(t, s, "ticket", store.EffectDead)
	add(t, s, "c1", effect("2", conversation.KindAddArticle), effect("send", conversation.KindSendText))
	expectDue(t, s, "send")
	update(t, s, func(tx *store.Tx) error {
		found, err := tx.Replay(byKeyTx(t, tx, "ticket").ID, At)
		if !found {
			t.Error("the dead letter was not found")
		}
		return err
	})
	finish(t, s, "send", store.EffectDone)
	expectDue(t, s, "ticket")
	finish(t, s, "ticket", store.EffectDone)
	expectDue(t, s, "1")
}

func byKeyTx(t *testing.T, tx *store.Tx, key string) store.Effect {
	t.Helper()
	e, found, err := tx.EffectByKey(key)
	if err != nil || !found {
		t.Fatalf("effect %q: %v", key, err)
	}
	return e
}

func replay(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	add(t, s, "c1", effect("1", conversation.KindSendText), effect("2", conversation.KindSendText), effect("3", conversation.KindSendText))
	finish(t, s, "1", store.EffectDead)
	var letters []store.Effect
	view(t, s, func(tx *store.Tx) (err error) { letters, err = tx.DeadLetters(0, 10); return err })
	if len(letters) != 1 || letters[0].Key != "1" || letters[0].Attempts != 1 {
		t.Fatalf("dead letters: %+v", letters)
	}
	// The second is ready by now, so the first waits for it, and then comes before the third.
	update(t, s, func(tx *store.Tx) error { _, err := tx.Replay(letters[0].ID, At); return err })
	expectDue(t, s, "2")
	finish(t, s, "2", store.EffectDone)
	expectDue(t, s, "1")
	finish(t, s, "1", store.EffectDone)
	expectDue(t, s, "3")
	update(t, s, func(tx *store.Tx) error {
		if found, _ := tx.Replay(letters[0].ID, At); found {
			t.Error("an effect that is done was replayed")
		}
		return nil
	})
}

func inFlightIsInDoubt(t *testing.T, opener Opener) {
	s := opener(t)
	talk(t, s, "c1")
	add(t, s, "c1", effect("send", conversation.KindSendText), effect("ticket", conversation.KindOpenTicket), effect("article", conversation.KindAddArticle))
	update(t, s, func(tx *store.Tx) error {
		begin(t, tx, "send")
		begin(t, tx, "ticket")
		return nil
	})
	closeStore(t, s)
	s = open(t, opener)
	expectDue(t, s)
	update(t, s, func(tx *store.Tx) error {
		n, err := tx.DoubtInFlight(At.Add(lease), 2*time.Minute)
		if n != 2 {
			t.Errorf("%d effects were in flight, want 2", n)
		}
		return err
	})
	for key, at := range map[string]time.Time{"send": At.Add(2 * time.Minute), "ticket": At.Add(lease)} {
		if e := byKey(t, s, key); e.State != store.EffectInDoubt || !e.NextAt.Equal(at) {
			t.Errorf("%s: state %d, looked at %v; want in doubt, looked at %v", key, e.State, e.NextAt, at)
		}
	}
	if e := byKey(t, s, "article"); e.State != store.EffectBlocked {
		t.Errorf("the article went past a ticket in doubt: state %d", e.State)
	}
	update(t, s, func(tx *store.Tx) error { return tx.RepeatEffect(byKeyTx(t, tx, "send"), At) })
	if e := byKey(t, s, "send"); !e.Repeated || e.State != store.EffectReady {
		t.Errorf("the repeated effect: %+v", e)
	}
}

func leases(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	add(t, s, "c1", effect("send", conversation.KindSendText))
	update(t, s, func(tx *store.Tx) error { begin(t, tx, "send"); return nil })
	expectDue(t, s)
	for at, want := range map[time.Time]int64{At.Add(lease - time.Millisecond): 0, At.Add(lease): 1} {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			n, err := tx.DoubtInFlight(at, time.Minute)
			if n != want {
				t.Errorf("%v after the call began, %d are in doubt", at.Sub(At), n)
			}
			return errors.Join(err, errUndo)
		})
		if !errors.Is(err, errUndo) {
			t.Fatal(err)
		}
	}
	// A call that is known to be made still is not in doubt, whatever the clock says.
	update(t, s, func(tx *store.Tx) error {
		n, err := tx.DoubtInFlight(At.Add(24*time.Hour), time.Minute, byKeyTx(t, tx, "send").ID)
		if n != 0 {
			t.Error("a call that is being made was put in doubt")
		}
		return err
	})
	view(t, s, func(tx *store.Tx) error {
		next, err := tx.NextDue(conversation.Graph)
		if !next.Equal(At.Add(lease)) {
			t.Errorf("to be looked at again at %v, want the end of the lease", next)
		}
		return err
	})
}

func duties(t *testing.T, opener Opener) {
	s := open(t, opener)
	const lasts = 10 * time.Second
	for _, step := range []struct {
		holder string
		after  time.Duration
		held   bool
		ends   time.Duration
	}{
		{"one", 0, true, lasts},
		{"two", time.Second, false, lasts},
		{"one", 2 * time.Second, true, lasts},
		{"one", 6 * time.Second, true, 16 * time.Second},
		{"two", 15 * time.Second, false, 16 * time.Second},
		{"two", 16 * time.Second, true, 26 * time.Second},
		{"one", 17 * time.Second, false, 26 * time.Second},
		// The clock was set back by an hour: what is left of the lease is no measure.
		{"one", -time.Hour, true, lasts - time.Hour},
	} {
		update(t, s, func(tx *store.Tx) error {
			ends, held, err := tx.Lease("duty", step.holder, At.Add(step.after), lasts)
			if held != step.held || !ends.Equal(At.Add(step.ends)) {
				t.Errorf("%s after %v: held %v until %v, want %v until %v", step.holder, step.after, held, ends.Sub(At), step.held, step.ends)
			}
			return err
		})
	}
}

var errUndo = errors.New("undo")

func lostClaims(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	add(t, s, "c1", effect("send", conversation.KindSendText), effect("next", conversation.KindSendText))
	var old, latest store.Effect
	update(t, s, func(tx *store.Tx) (err error) {
		old = begin(t, tx, "send")
		if _, err = tx.DoubtInFlight(At.Add(lease), time.Minute); err != nil {
			return err
		}
		latest, err = tx.BeginLook(byKeyTx(t, tx, "send"), At.Add(2*lease))
		return err
	})
	for name, change := range map[string]func(*store.Tx) error{
		"Postpone":     func(tx *store.Tx) error { return tx.Postpone(old, At, "", true) },
		"Doubt":        func(tx *store.Tx) error { return tx.Doubt(old, At, "") },
		"RepeatEffect": func(tx *store.Tx) error { return tx.RepeatEffect(old, At) },
		"HoldEffect":   func(tx *store.Tx) error { return tx.HoldEffect(old, At, true) },
		"Wait":         func(tx *store.Tx) error { return tx.Wait(old, At) },
		"BeginLook":    func(tx *store.Tx) error { _, err := tx.BeginLook(old, At); return err },
		"BeginCall":    func(tx *store.Tx) error { _, err := tx.BeginCall(old, At, At); return err },
	} {
		if err := s.Update(t.Context(), change); !errors.Is(err, store.ErrSettled) {
			t.Errorf("%s under a claim that was lost: %v", name, err)
		}
	}
	update(t, s, func(tx *store.Tx) error {
		fresh, err := tx.FinishEffect(old, store.EffectGivenUp, "", "", At)
		if fresh {
			t.Error("an effect was finished under a claim that was lost")
		}
		return err
	})
	if got := byKey(t, s, "send"); got.State != store.EffectInDoubt || got.Claim != latest.Claim {
		t.Errorf("the effect is in state %d under claim %d, want in doubt under %d", got.State, got.Claim, latest.Claim)
	}
	// That the call succeeded after all is true whoever says it.
	update(t, s, func(tx *store.Tx) error { return tx.ConfirmEffect(old, "wamid", At) })
	expectDue(t, s, "next")
}

func settled(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	add(t, s, "c1", effect("1", conversation.KindSendText))
	e := byKey(t, s, "1")
	update(t, s, func(tx *store.Tx) error {
		_, err := tx.FinishEffect(e, store.EffectDone, "wamid", "", At)
		return err
	})
	for name, change := range map[string]func(*store.Tx) error{
		"BeginCall":    func(tx *store.Tx) error { _, err := tx.BeginCall(e, At, At); return err },
		"BeginLook":    func(tx *store.Tx) error { _, err := tx.BeginLook(e, At); return err },
		"Postpone":     func(tx *store.Tx) error { return tx.Postpone(e, At, "", true) },
		"Doubt":        func(tx *store.Tx) error { return tx.Doubt(e, At, "") },
		"RepeatEffect": func(tx *store.Tx) error { return tx.RepeatEffect(e, At) },
		"HoldEffect":   func(tx *store.Tx) error { return tx.HoldEffect(e, At, true) },
	} {
		if err := s.Update(t.Context(), change); !errors.Is(err, store.ErrSettled) {
			t.Errorf("%s of an effect that is done: %v", name, err)
		}
	}
	update(t, s, func(tx *store.Tx) error {
		fresh, err := tx.FinishEffect(e, store.EffectDead, "", "late", At)
		if fresh {
			t.Error("an effect was finished twice")
		}
		return err
	})
	view(t, s, func(tx *store.Tx) error {
		got, found, err := tx.EffectByRemoteID("wamid")
		if !found || got.Key != "1" || got.State != store.EffectDone {
			t.Errorf("by remote ID: %+v, %v", got, found)
		}
		return err
	})
}

func due(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	add(t, s, "c1", effect("send", conversation.KindSendText), effect("ticket", conversation.KindOpenTicket))
	update(t, s, func(tx *store.Tx) error {
		return tx.Postpone(begin(t, tx, "send"), At.Add(time.Minute), "busy", true)
	})
	view(t, s, func(tx *store.Tx) error {
		early, err := tx.DueEffects(At.Add(time.Minute-time.Millisecond), 10, conversation.Graph)
		if len(early) != 0 {
			t.Error("an effect came early")
		}
		onTime, err2 := tx.DueEffects(At.Add(time.Minute), 10, conversation.Graph)
		if len(onTime) != 1 || onTime[0].Error != "busy" || onTime[0].Attempts != 1 {
			t.Errorf("on time: %+v", onTime)
		}
		next, err3 := tx.NextDue(conversation.Graph)
		if !next.Equal(At.Add(time.Minute)) {
			t.Errorf("the next is due at %v", next)
		}
		first, err4 := tx.NextDue(conversation.Graph, conversation.Helpdesk)
		if !first.Equal(At) {
			t.Errorf("the first is due at %v", first)
		}
		none, err5 := tx.NextDue()
		if !none.IsZero() {
			t.Errorf("without destinations something is due at %v", none)
		}
		return errors.Join(err, err2, err3, err4, err5)
	})
}

func uncounted(t *testing.T, opener Opener) {
	s := open(t, opener)
	talk(t, s, "c1")
	add(t, s, "c1", effect("send", conversation.KindSendText))
	update(t, s, func(tx *store.Tx) error {
		return tx.Postpone(begin(t, tx, "send"), At, "the token is dead", false)
	})
	if e := byKey(t, s, "send"); e.Attempts != 0 {
		t.Errorf("%d attempts were counted", e.Attempts)
	}
}
