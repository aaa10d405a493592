package crash

import (
	"errors"
	"math/rand/v2"
	"sync"
)

// Faults are what goes wrong in a run.
type Faults struct {
	// Deaths are the points at which a process dies, counted from 1 over all processes of the run.
	Deaths []int
	// LostAnswers and Withheld are the shares of remote calls whose answer gets lost, and of messages whose status never
	// comes.
	LostAnswers, Withheld float64
	// Seed draws what is left to chance.
	Seed uint64
}

var (
	errKilled = errors.New("the process was killed")
	errLost   = errors.New("the answer was lost")
)

// chance is the faults of a run as they happen.
type chance struct {
	mu     sync.Mutex
	faults Faults
	random *rand.Rand
	deaths map[int]bool
	// points counts those that were passed.
	points int
}

func newChance(f Faults) *chance {
	c := &chance{faults: f, random: rand.New(rand.NewPCG(f.Seed, 0)), deaths: map[int]bool{}}
	for _, at := range f.Deaths {
		c.deaths[at] = true
	}
	return c
}

// strikes passes a point and tells whether the process dies there.
func (c *chance) strikes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.points++
	return c.deaths[c.points]
}

func (c *chance) passed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.points
}

// happens draws with a probability.
func (c *chance) happens(share float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return share > 0 && c.random.Float64() < share
}

// pick draws a number below n.
func (c *chance) pick(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}
