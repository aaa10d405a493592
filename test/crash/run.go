package crash

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/clock/clocktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/media"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

const (
	// patience bounds how long the receiver may take to come to rest, on a machine with much else to do.
	patience = 10 * time.Minute
	// tick is how long nothing may move before the clock is turned.
	tick = 3 * time.Millisecond
	// outage is how long the receiver is away after a death where other processes may have the store open: longer than
	// any lease.
	outage = 7 * time.Minute
)

// World is what a run is played in.
type World struct {
	// Engine opens the store of a run.
	Engine Engine
	// Helpdesk makes the helpdesk of a run.
	Helpdesk func() Helpdesk
	// Replicas is how many processes run at a time; 1 unless told. More need an Engine that is shared.
	Replicas int
}

// Result is how a run ended.
type Result struct {
	// Points counts the points that were passed at which a process could die, and Deaths those at which one did.
	Points, Deaths int
	// Repeated counts the replies that reached the customer twice.
	Repeated int
	// Problems say what a person would find wrong.
	Problems []string
}

// run is a run on its way.
type run struct {
	world    World
	chance   *chance
	clock    *clocktest.Fake
	whatsApp *whatsApp
	helpdesk Helpdesk
	meta     *cloudapitest.Server
	token    string
	picture  string
	files    media.Files
	open     func(context.Context) (store.Store, error)
	alive    []*process
	deaths   int
	moved    chan struct{}
	deadline time.Time
}

// Play plays the story once.
func Play(tb testing.TB, w World, f Faults) Result {
	tb.Helper()
	r := &run{
		world: w, chance: newChance(f), clock: clocktest.New(time.Unix(firstMessage+10, 0)), helpdesk: w.Helpdesk(),
		moved: make(chan struct{}, 1), deadline: time.Now().Add(patience),
	}
	r.whatsApp = &whatsApp{chance: r.chance, uploads: map[string]string{}}
	dir := tb.TempDir()
	var err error
	if r.files, err = media.OpenDir(filepath.Join(dir, "media")); err != nil {
		return Result{Problems: []string{err.Error()}}
	}
	r.open = w.Engine(tb, dir)
	r.simulate()
	defer r.meta.Close()
	problems, err := r.play()
	if err != nil {
		problems = append(problems, err.Error())
	}
	for _, p := range r.alive {
		if err := p.stop(); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return Result{Points: r.chance.passed(), Deaths: r.deaths, Repeated: r.repeated(), Problems: problems}
}

// simulate starts the Meta that the customer's picture is fetched from.
func (r *run) simulate() {
	r.meta = cloudapitest.NewServer()
	app := r.meta.AddApp(cloudapitest.App{})
	r.token = r.meta.IssueToken(cloudapitest.Token{AppID: app.ID})
	account := r.meta.AddBusinessAccount(cloudapitest.BusinessAccount{})
	number := r.meta.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: account.ID})
	_, r.picture = r.meta.Customer("1555", "").SendsFile(number.ID, cloudapitest.File{Kind: "image", MIMEType: "image/png", Content: []byte(Picture)})
}

func (r *run) tell() {
	select {
	case r.moved <- struct{}{}:
	default:
	}
}

var errImpatient = errors.New("the receiver did not come to rest; something is lost or called for ever")

// pause waits until something moves, and reports whether nothing did for a tick.
func (r *run) pause() (quiet bool, err error) {
	if time.Now().After(r.deadline) {
		return false, errImpatient
	}
	timer := time.NewTimer(tick)
	defer timer.Stop()
	select {
	case <-r.moved:
		return false, nil
	case <-timer.C:
		return true, nil
	}
}

// some returns a process that lives, after the dead were replaced.
func (r *run) some() (*process, error) {
	if err := r.revive(); err != nil {
		return nil, err
	}
	return r.alive[r.chance.pick(len(r.alive))], nil
}

// revive starts the receiver, and again when a process died. Where other processes live on, they do for a moment, and
// then all are replaced: which of the calls that are in flight are those of the dead cannot be told, and the clock is
// not turned past the lease of a call that is being made.
func (r *run) revive() error {
	dead := 0
	for _, p := range r.alive {
		if p.dead() {
			dead++
		}
	}
	if dead == 0 && len(r.alive) > 0 {
		return nil
	}
	r.deaths += dead
	for range r.chance.pick(4) {
		if len(r.alive) == 1 {
			break
		}
		for _, p := range r.alive {
			p.wake()
		}
		if _, err := r.pause(); err != nil {
			return err
		}
	}
	for _, p := range r.alive {
		if err := p.stop(); err != nil {
			return err
		}
	}
	r.alive = nil
	for range max(r.world.Replicas, 1) {
		opened, err := r.open(context.Background())
		if err != nil {
			return err
		}
		if dead > 0 && len(r.alive) == 0 && opened.Poll() > 0 {
			r.clock.Advance(outage)
		}
		r.alive = append(r.alive, r.start(opened))
	}
	return nil
}

// until does something by way of some process until it succeeds.
func (r *run) until(do func(p *process) error) error {
	for {
		p, err := r.some()
		if err != nil {
			return err
		}
		err = do(p)
		if err == nil {
			return nil
		}
		if !p.dead() && !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		if _, err := r.pause(); err != nil {
			return err
		}
	}
}

// post has Meta deliver a webhook, until it is taken, and sometimes once more.
func (r *run) post(body string) error {
	for {
		if err := r.until(func(p *process) error {
			err := p.Store.Append(context.Background(), store.Webhook{ReceivedAt: r.clock.Now(), Body: []byte(body)})
			p.wake()
			return err
		}); err != nil {
			return err
		}
		if !r.chance.happens(r.chance.faults.LostAnswers) {
			return nil
		}
	}
}

// settle lets the receiver work until nothing is left to do, and turns the clock where it waits for its time.
func (r *run) settle() error {
	for {
		if status, found := r.whatsApp.next(); found {
			if err := r.post(status); err != nil {
				return err
			}
			r.whatsApp.delivered()
			continue
		}
		if quiet, err := r.pause(); err != nil {
			return err
		} else if !quiet {
			continue
		}
		p, err := r.some()
		if err != nil {
			return err
		}
		rests, wait, err := r.rests(p)
		// A status that came meanwhile ends the wait for it.
		_, told := r.whatsApp.next()
		switch {
		case err != nil && p.dead():
		case err != nil:
			return err
		case told:
		case rests:
			return nil
		default:
			if wait > 0 {
				r.clock.Advance(wait)
			}
			for _, p := range r.alive {
				p.wake()
			}
		}
	}
}

// rests tells whether nothing is left to do, or for how long there is not.
func (r *run) rests(p *process) (rests bool, wait time.Duration, err error) {
	var (
		counts     store.Counts
		next, wake time.Time
	)
	passed := r.chance.passed()
	if err := p.Store.View(context.Background(), func(tx *store.Tx) (err error) {
		if counts, err = tx.Counts(); err != nil {
			return err
		}
		if wake, err = tx.NextWake(); err != nil {
			return err
		}
		next, err = tx.NextDue(conversation.Graph, conversation.Helpdesk, conversation.Media)
		return err
	}); err != nil {
		return false, 0, fmt.Errorf("look whether the receiver rests: %w", err)
	}
	// While a call is made or looked after, its effect is due when the lease of the process ends.
	for _, p := range r.alive {
		if !p.outbox.Idle() {
			return false, 0, nil
		}
	}
	// What was read in several questions belongs together only if nothing was written meanwhile.
	if r.chance.passed() != passed {
		return false, 0, nil
	}
	now := r.clock.Now()
	open := counts.Effects[store.EffectReady] + counts.Effects[store.EffectInFlight] + counts.Effects[store.EffectInDoubt] +
		counts.Effects[store.EffectBlocked]
	if counts.Backlog > 0 || counts.Effects[store.EffectInFlight] > 0 || (!wake.IsZero() && !wake.After(now)) {
		return false, 0, nil
	}
	if open == 0 {
		return true, 0, nil
	}
	if next.IsZero() {
		return false, 0, nil
	}
	return false, next.Sub(now), nil
}
