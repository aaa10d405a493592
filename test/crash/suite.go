package crash

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

const (
	// atOnce is how many runs are played at the same time: they mostly wait.
	atOnce = 6
	// faultsOfARun is how often the receiver dies in a run of Random, and lostAnswers and withheld are the shares there.
	faultsOfARun = 3
	lostAnswers  = 0.2
	withheld     = 0.3
)

// Summary is what came of many runs.
type Summary struct {
	Runs, Deaths, Repeated int
	// Wrong has what was found wrong, by run.
	Wrong []string
}

func (s Summary) String() string {
	return fmt.Sprintf("%d runs, %d deaths, %d replies sent twice and marked, %d runs with something wrong",
		s.Runs, s.Deaths, s.Repeated, len(s.Wrong))
}

// Exhaust plays the story once for each point at which a process can die, in halves: while WhatsApp tells what became
// of messages, and while it keeps that to itself.
func Exhaust(tb testing.TB, w World) Summary {
	tb.Helper()
	whole := Play(tb, w, Faults{})
	if len(whole.Problems) > 0 {
		tb.Fatalf("without any fault: %s", strings.Join(whole.Problems, "\n"))
	}
	var faults []Faults
	for at := range whole.Points {
		faults = append(faults, Faults{Deaths: []int{at + 1}, Withheld: float64(at % 2)})
	}
	return PlayAll(tb, w, faults)
}

// Seeds returns the faults of as many runs, always the same.
func Seeds(n, points int) (list []Faults) {
	for seed := range n {
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		f := Faults{Seed: uint64(seed), LostAnswers: lostAnswers}
		if seed%2 == 1 {
			f.Withheld = withheld
		}
		for range faultsOfARun {
			f.Deaths = append(f.Deaths, 1+random.IntN(points))
		}
		list = append(list, f)
	}
	return list
}

// Random plays the story many times, each time with deaths and lost answers that a seed draws.
func Random(tb testing.TB, w World, runs int) Summary {
	tb.Helper()
	// A run with faults passes more points than one without.
	return PlayAll(tb, w, Seeds(runs, Play(tb, w, Faults{}).Points*3/2))
}

// PlayAll plays the story with each of the faults.
func PlayAll(tb testing.TB, w World, faults []Faults) (sum Summary) {
	tb.Helper()
	results := make([]Result, len(faults))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, f := range faults {
		group.Go(func() error {
			results[i] = Play(tb, w, f)
			return nil
		})
	}
	_ = group.Wait()
	for i, r := range results {
		sum.Runs++
		sum.Deaths += r.Deaths
		sum.Repeated += r.Repeated
		if len(r.Problems) > 0 {
			sum.Wrong = append(sum.Wrong, fmt.Sprintf("%+v: %s", faults[i], strings.Join(r.Problems, "\n")))
		}
	}
	return sum
}
