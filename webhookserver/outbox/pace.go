package outbox

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

const (
	// standardRate is how many messages a second WhatsApp takes from a number unless it says otherwise.
	standardRate = rate.Limit(cloudapi.StandardThroughput)
	// customerInterval and customerBurst are what it takes for one customer: a message every six seconds, and as many at
	// once as are then waited for.
	customerInterval = 6 * time.Second
	customerBurst    = 45
	// longestSlowdown bounds how long a number waits that WhatsApp calls too fast.
	longestSlowdown = time.Minute
	// manyCustomers is when those are forgotten that were not written to for long.
	manyCustomers = 1024
)

// pace keeps messages within what WhatsApp takes. What it holds back is not claimed, so that waiting is no attempt and
// no other conversation waits with it.
type pace struct {
	mu        sync.Mutex
	number    *rate.Limiter
	customers map[string]*rate.Limiter
	// slowdowns counts how often in a row WhatsApp called the number too fast.
	slowdowns int
}

func newPace() *pace {
	return &pace{number: rate.NewLimiter(standardRate, burstOf(standardRate)), customers: map[string]*rate.Limiter{}}
}

// burstOf is a tenth of a second's messages: no second then has much more than its share.
func burstOf(limit rate.Limit) int { return int(math.Ceil(float64(limit) / 10)) }

// limit sets how many messages a second the number may send; zero for the standard.
func (p *pace) limit(perSecond int) {
	limit := standardRate
	if perSecond > 0 {
		limit = rate.Limit(perSecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.number.Limit() != limit {
		p.number = rate.NewLimiter(limit, burstOf(limit))
	}
}

// admit lets a message to a customer go, or returns when it may: number tells that until then none of the number may.
func (p *pace) admit(customer string, now time.Time) (at time.Time, number bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of, known := p.customers[customer]
	if !known {
		p.forget(now)
		of = rate.NewLimiter(rate.Every(customerInterval), customerBurst)
		p.customers[customer] = of
	}
	if wait := missing(of, now); wait > 0 {
		return now.Add(wait), false
	}
	if wait := missing(p.number, now); wait > 0 {
		return now.Add(wait), true
	}
	of.AllowN(now, 1)
	p.number.AllowN(now, 1)
	return now, false
}

// missing is how long a limiter lets nothing through. Times in the store have milliseconds.
func missing(l *rate.Limiter, now time.Time) time.Duration {
	lacks := 1 - l.TokensAt(now)
	if lacks <= 0 {
		return 0
	}
	wait := time.Duration(math.Ceil(lacks / float64(l.Limit()) * float64(time.Second)))
	return wait.Truncate(time.Millisecond) + time.Millisecond
}

// forget drops the customers who may be sent everything again.
func (p *pace) forget(now time.Time) {
	if len(p.customers) < manyCustomers {
		return
	}
	for customer, of := range p.customers {
		if of.TokensAt(now) >= customerBurst {
			delete(p.customers, customer)
		}
	}
}

// slow returns until when the whole number is to rest because WhatsApp says that it is too fast: longer each time in a
// row.
func (p *pace) slow(asked time.Duration, now time.Time) (until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pause := min(firstBackoff<<min(p.slowdowns, 10), longestSlowdown)
	p.slowdowns++
	return now.Add(max(pause, asked))
}

// taken notes that WhatsApp took a message.
func (p *pace) taken() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slowdowns = 0
}
