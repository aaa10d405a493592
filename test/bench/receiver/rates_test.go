//go:build bench

package receiver

import (
	"os"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/test/bench/figures"
	"github.com/whatsapp-operator/whatsapp-operator/test/bench/load"
	"github.com/whatsapp-operator/whatsapp-operator/test/bench/process"
	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
)

// TestRates compares how many webhooks a second are answered: by the server that keeps nothing, and by the receiver
// when it keeps them, or turns them away. All take turns, because a machine is not equally fast all the time.
func TestRates(t *testing.T) {
	server := postgrestest.Start(t, postgrestest.Options{})
	contenders := []struct {
		name string
		rate func(*testing.T) float64
	}{
		{"ack.null", nothingKept},
		{"ack.sqlite", func(t *testing.T) float64 { t.Helper(); return acknowledgements(t, embedded) }},
		{"ack.postgres", func(t *testing.T) float64 { t.Helper(); return acknowledgements(t, postgres(server)) }},
		{"reject", rejections},
	}
	rates := make([][]float64, len(contenders))
	for range *rounds {
		for i, c := range contenders {
			t.Run(c.name, func(t *testing.T) { rates[i] = append(rates[i], c.rate(t)) })
			if t.Failed() {
				return
			}
		}
	}
	ceiling := figures.Median(rates[0])
	for i, c := range contenders {
		rate := figures.Median(rates[i])
		figures.Print("receiver."+c.name+".rate", rate, "webhooks/s")
		if i > 0 {
			figures.Print("receiver."+c.name+".ratio", rate/ceiling, "x")
		}
	}
}

func run(t *testing.T, p *process.Process, target load.Target, spoiled bool) load.Result {
	t.Helper()
	before, began := p.CPU(), time.Now()
	result, err := load.Closed{Connections: connections, Warmup: warmup, Duration: *roundTime, Spoiled: spoiled}.Run(t.Context(), target)
	if err != nil {
		t.Fatalf("%v\n%s", err, &p.Output)
	}
	t.Logf("%.0f/s, %.2f processors, %.1f MiB at most", result.Rate, (p.CPU()-before).Seconds()/time.Since(began).Seconds(), p.Peak())
	return result
}

func nothingKept(t *testing.T) float64 {
	t.Helper()
	p, target := startCeiling(t)
	result := run(t, p, target, false)
	if len(result.Others) > 0 {
		t.Errorf("answers that are not 200: %v", result.Others)
	}
	return result.Rate
}

// acknowledgements counts nothing but answers of 200, each of which is looked up after the receiver was killed.
func acknowledgements(t *testing.T, engine engine) float64 {
	t.Helper()
	c := startChannel(t, engine)
	result := run(t, c.Process, c.target, false)
	c.Kill()
	if len(result.Others) > 0 {
		t.Errorf("answers that are not 200: %v", result.Others)
	}
	t.Log(c.store.sizes(t))
	if lost := c.store.lost(t, result.Acknowledged); lost > 0 {
		t.Errorf("%d of %d acknowledged webhooks are lost", lost, len(result.Acknowledged))
	}
	c.complain()
	return result.Rate
}

// rejections counts answers of 401. Nothing may be written for them, and nobody called.
func rejections(t *testing.T) float64 {
	t.Helper()
	c := startChannel(t, embedded)
	before := c.Written()
	result := run(t, c.Process, c.target, true)
	if len(result.Acknowledged) > 0 || len(result.Others) != 1 || result.Others[401] == 0 {
		t.Errorf("%d answers of 200, others %v", len(result.Acknowledged), result.Others)
	}
	if n := c.Written() - before; n > 0 {
		t.Errorf("%d bytes were written to disk", n)
	}
	if n := c.called.Load(); n > 0 {
		t.Errorf("the Graph API was called %d times", n)
	}
	c.Kill()
	if n := c.store.rows(t, "inbox") + c.store.rows(t, "quarantine") + c.store.rows(t, "record"); n > 0 {
		t.Errorf("%d webhooks were kept", n)
	}
	c.complain()
	return result.Rate
}

// TestSize measures the program as it is shipped.
func TestSize(t *testing.T) {
	info, err := os.Stat(program("receiver"))
	if err != nil {
		t.Fatal(err)
	}
	figures.Print("receiver.binary", float64(info.Size())/process.MiB, "MiB")
}
