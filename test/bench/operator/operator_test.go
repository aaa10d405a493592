//go:build bench

package operator

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
	"github.com/whatsapp-operator/whatsapp-operator/test/bench/figures"
	"github.com/whatsapp-operator/whatsapp-operator/test/bench/process"
)

const (
	// quiet is how long nothing may be asked until the operator counts as done.
	quiet = 10 * time.Second
	// patience bounds every wait that is measured. It is no goal.
	patience = 10 * time.Minute
	// foreignSize is the size of a Secret that is nothing to the operator.
	foreignSize = 100 << 10
)

// bench is one operator's life. Its parts follow each other on the same thousand channels.
type bench struct {
	*testing.T
	cluster *cluster
	world   *world
	play    *play
	// leader is the operator that acts, and number counts the requests made of it.
	leader *process.Process
	number int
}

// TestOperator measures everything about the operator that docs/benchmarks.md lists, in one go: each part finds what the one
// before has left.
func TestOperator(t *testing.T) {
	b := &bench{T: t, cluster: startCluster(t)}
	b.world = newWorld(t, b.cluster)
	b.play = startPlay(t, b.cluster)
	b.leader = startOperator(t, b.world)
	b.channels()
	b.foreignSecrets()
	b.failover("crash", (*process.Process).Kill)
	b.failover("stop", (*process.Process).Stop)
	b.restart()
	b.idle()
	b.leader.Stop()
}

func (b *bench) print(name string, value float64, unit string) {
	figures.Print("operator."+name, value, unit)
}

// named is a figure's name with the number of channels in it.
func (b *bench) named(figure string) string { return fmt.Sprintf("channels%d.%s", *channels, figure) }

// channels measures how long it takes until all channels are ready, and what that costs.
func (b *bench) channels() {
	b.Logf("without channels: %.1f MiB", b.leader.Memory())
	asked, cpu := b.cluster.audit.settled(quiet), b.leader.CPU()
	began := time.Now()
	created := each(b.Context(), len(b.world.channels), func(ctx context.Context, n int) error {
		return b.cluster.Create(ctx, b.world.channels[n])
	})
	must(b.T, created)
	b.Logf("all are created after %v", time.Since(began).Round(100*time.Millisecond))
	b.leader.Await("all channels are ready", patience, func() bool { return b.play.readyChannels() == *channels })
	took := time.Since(began)
	until := b.cluster.audit.sinceStart().since(asked)
	b.print(b.named("ready"), took.Seconds(), "s")
	b.print(b.named("requests"), float64(until.total())/float64(*channels), "requests/channel")
	b.Logf("until all were ready, %v of processor time and %d requests to Meta; of the API server:%v", b.leader.CPU()-cpu, b.world.meta.Count(), until)
	later := b.cluster.audit.settled(quiet).since(asked).since(until)
	b.Logf("after that, until nothing was asked any more:%v", later)
	b.print(b.named("rss"), b.leader.Memory(), "MiB")
	b.print(b.named("rss.peak"), b.leader.Peak(), "MiB")
}

// foreignSecrets measures what Secrets cost that are nothing to the operator.
func (b *bench) foreignSecrets() {
	const namespace = "foreign"
	must(b.T, b.cluster.Create(b.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	before, asked := b.leader.Memory(), b.cluster.audit.sinceStart()
	must(b.T, each(b.Context(), *foreign, func(ctx context.Context, n int) error {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("foreign-%05d", n)},
			Data:       map[string][]byte{"data": make([]byte, foreignSize)},
		}
		_, _ = rand.Read(secret.Data["data"])
		return b.cluster.Create(ctx, secret)
	}))
	asked = b.cluster.audit.settled(quiet).since(asked)
	b.print("foreign_secrets.rss", b.leader.Memory()-before, "MiB")
	b.print("foreign_secrets.requests", float64(asked.total()), "requests")
}

// failover measures how long nobody acts when the leader ends in some way and another waits: from its end until the
// other has done what was asked for after that.
func (b *bench) failover(kind string, end func(*process.Process)) {
	var took []float64
	for range *failovers {
		standby := startOperator(b.T, b.world)
		b.cluster.audit.settled(quiet)
		before := b.cluster.audit.sinceStart()
		began := time.Now()
		end(b.leader)
		b.leader = standby
		b.handle()
		took = append(took, time.Since(began).Seconds())
		b.Logf("takeover after a %s: %.2f s; asked since then:%v", kind, took[len(took)-1], b.cluster.audit.settled(quiet).since(before))
	}
	b.print("failover."+kind, figures.Median(took), "s")
}

// restart measures how long an operator takes that starts alone, and what it asks although nothing has changed.
func (b *bench) restart() {
	b.leader.Stop()
	asked, meta, began := b.cluster.audit.settled(quiet), b.world.meta.Count(), time.Now()
	b.leader = startOperator(b.T, b.world)
	b.Logf("ready after %v", time.Since(began).Round(10*time.Millisecond))
	b.handle()
	b.print("restart.handled", time.Since(began).Seconds(), "s")
	all := b.cluster.audit.settled(quiet).since(asked)
	b.print("restart.requests", float64(all.total())/float64(*channels), "requests/channel")
	b.print("restart.graph_requests", float64(b.world.meta.Count()-meta), "requests")
	b.Logf("%v of processor time; asked of the API server:%v", b.leader.CPU(), all)
	b.print("restart.rss", b.leader.Memory(), "MiB")
}

// idle measures what is asked while nothing happens.
func (b *bench) idle() {
	asked, meta, cpu := b.cluster.audit.settled(quiet), b.world.meta.Count(), b.leader.CPU()
	select {
	case <-time.After(*idleTime):
	case <-b.Context().Done():
		return
	}
	more := b.cluster.audit.sinceStart().since(asked)
	b.print("idle.requests", float64(more.total()), "requests")
	b.print("idle.graph_requests", float64(b.world.meta.Count()-meta), "requests")
	b.Logf("in %v, %v of processor time, and %.1f MiB at its end%v", *idleTime, b.leader.CPU()-cpu, b.leader.Memory(), more)
	if n := b.play.readyChannels(); n != *channels {
		b.Errorf("%d of %d channels are ready at the end", n, *channels)
	}
}

// handle asks for something, and waits until the operator has done it.
func (b *bench) handle() {
	b.Helper()
	channel := b.world.channels[0]
	b.number++
	value := strconv.Itoa(b.number)
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.RequestedAtAnnotation, value)
	must(b.T, b.cluster.Patch(b.Context(), channel.DeepCopy(), client.RawPatch("application/merge-patch+json", patch)))
	b.leader.Await("what was asked for is done", patience, func() bool { return b.play.lastHandled(channel) == value })
}

// each does something a number of times, sixteen at a time.
func each(ctx context.Context, times int, do func(ctx context.Context, n int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for n := range times {
		group.Go(func() error { return do(ctx, n) })
	}
	return group.Wait()
}
