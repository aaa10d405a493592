package crash

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

const (
	// atOnce is how many runs are played at the same time: they mostly wait.
	atOnce = 6
	// share is of how many points Exhaust plays one.
	share = 6
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

// game is a run that is to be played.
type game struct {
	world  World
	faults Faults
}

// Exhaust plays the story once for each point at which a process can die, or, unless `make reliability` asks for all, for
// a sixth of them: each test takes another sixth, by its name. The worlds take turns, and so does whether WhatsApp tells what
// became of messages.
func Exhaust(tb testing.TB, worlds ...World) Summary {
	tb.Helper()
	share := share
	if Thorough() {
		share = 1
	}
	name := fnv.New32a()
	_, _ = name.Write([]byte(tb.Name()))
	var games []game
	for at := range points(tb, worlds) {
		// A point before something is followed by the one after it: both are played in the same circumstances.
		turn := at/2 + int(name.Sum32()%uint32(share))
		if turn%share != 0 {
			continue
		}
		turn /= share
		games = append(games, game{worlds[turn%len(worlds)], Faults{
			Seed: uint64(at), Deaths: []int{at + 1}, Withheld: float64(turn / len(worlds) % 2),
		}})
	}
	return playAll(tb, games)
}

// Thorough tells that `make reliability` runs.
func Thorough() bool { return os.Getenv("RELIABILITY_RUNS") != "" }

// Random plays the story many times, each time with deaths and lost answers that a seed draws. The worlds take turns.
func Random(tb testing.TB, runs int, worlds ...World) Summary {
	tb.Helper()
	// A run with faults passes more points than one without.
	most := points(tb, worlds) * 3 / 2
	var games []game
	for i := range runs {
		games = append(games, game{worlds[i%len(worlds)], draw(uint64(i), most)})
	}
	return playAll(tb, games)
}

// draw returns the faults of a seed.
func draw(seed uint64, points int) Faults {
	random := rand.New(rand.NewPCG(seed, 1))
	f := Faults{Seed: seed, LostAnswers: lostAnswers}
	if random.IntN(2) == 0 {
		f.Withheld = withheld
	}
	for range faultsOfARun {
		f.Deaths = append(f.Deaths, 1+random.IntN(points))
	}
	return f
}

// points plays the story without faults in each world, and returns how many points it has at most.
func points(tb testing.TB, worlds []World) (most int) {
	tb.Helper()
	for _, w := range worlds {
		whole := Play(tb, w, Faults{})
		if len(whole.Problems) > 0 {
			tb.Fatalf("without any fault: %s", strings.Join(whole.Problems, "\n"))
		}
		most = max(most, whole.Points)
	}
	return most
}

func playAll(tb testing.TB, games []game) (sum Summary) {
	tb.Helper()
	results := make([]Result, len(games))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, g := range games {
		group.Go(func() error {
			results[i] = Play(tb, g.world, g.faults)
			return nil
		})
	}
	_ = group.Wait()
	for i, r := range results {
		sum.Runs++
		sum.Deaths += r.Deaths
		sum.Repeated += r.Repeated
		if len(r.Problems) > 0 {
			sum.Wrong = append(sum.Wrong, fmt.Sprintf("run %d, %+v: %s", i, games[i].faults, strings.Join(r.Problems, "\n")))
		}
	}
	return sum
}
