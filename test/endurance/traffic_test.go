//go:build reliability

package endurance

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	// customers is how many people write to a channel in turn.
	customers = 40
	// pace is how much time there is at least between two messages.
	pace = 100 * time.Millisecond
	// arrival bounds how long the last messages may take: Meta's next attempt is a minute away at most.
	arrival = 8 * time.Minute
)

// traffic is what customers have written to a channel.
type traffic struct {
	line *line
	// prefix tells its customers and texts from those of other traffic.
	prefix string
	area   int

	mu sync.Mutex
	// written are the messages that Meta took from customers. Those of which that is not known are unsure.
	written, unsure []string
	next            int
}

// write lets the next customer write.
func (t *traffic) write(ctx context.Context) error {
	t.mu.Lock()
	n := t.next
	t.next++
	t.mu.Unlock()
	text := fmt.Sprintf("%s %d", t.prefix, n)
	err := meta.CustomerWrites(ctx, t.phone(n), "Mia Musterfrau", t.line.number.ID, text)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.unsure = append(t.unsure, text)
		return err
	}
	t.written = append(t.written, text)
	return nil
}

func (t *traffic) phone(n int) string {
	return fmt.Sprintf("+1 %d-555-%04d", t.area, 100+n%customers)
}

func (t *traffic) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.written)
}

// during lets customers write while something is done. What cannot be handed to Meta meanwhile is no failure: the way to
// the simulator may be what is interrupted.
func (t *traffic) during(ctx context.Context, do func()) {
	GinkgoHelper()
	writing, stop := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := t.write(ctx); err != nil {
					GinkgoWriter.Printf("a customer could not write: %v\n", err)
				}
			case <-writing.Done():
				return
			}
		}
	})
	defer ended.Wait()
	defer stop()
	do()
}

// await waits until customers have written a number of messages more.
func (t *traffic) await(ctx context.Context, more int) {
	GinkgoHelper()
	Eventually(t.count).WithContext(ctx).Should(BeNumerically(">=", t.count()+more))
}

// arrives waits until every message is on its ticket, and expects none there twice, one ticket for each customer, and
// nobody welcomed twice.
func (t *traffic) arrives(ctx context.Context) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		tickets, err := t.line.inbox.Tickets(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		arrived := map[string]int{}
		for _, ticket := range tickets {
			for _, article := range ticket.Articles {
				if article.Author == "customer" {
					arrived[article.Text]++
				}
			}
		}
		var missing, doubled []string
		for _, text := range t.written {
			switch arrived[text] {
			case 0:
				missing = append(missing, text)
			case 1:
			default:
				doubled = append(doubled, text)
			}
			delete(arrived, text)
		}
		for _, text := range t.unsure {
			g.Expect(arrived[text]).To(BeNumerically("<=", 1), text)
			delete(arrived, text)
		}
		g.Expect(doubled).To(BeEmpty(), "messages that are on tickets twice")
		g.Expect(missing).To(BeEmpty(), "of %d messages", len(t.written))
	}).WithContext(ctx).WithTimeout(arrival).WithPolling(5 * time.Second).Should(Succeed())
	t.expectOneWelcomeEach(ctx)
}

func (t *traffic) expectOneWelcomeEach(ctx context.Context) {
	GinkgoHelper()
	for n := range min(customers, t.next) {
		received, err := meta.Received(ctx, t.phone(n))
		Expect(err).NotTo(HaveOccurred())
		Expect(len(received)).To(BeNumerically("<=", 1), "%s was welcomed more than once", t.phone(n))
	}
}

// report prints what a spec has shown.
func (t *traffic) report(format string, args ...any) {
	AddReportEntry(fmt.Sprintf("%s: %d messages taken by Meta, all on their tickets once", fmt.Sprintf(format, args...), len(t.written)),
		ReportEntryVisibilityAlways)
}
