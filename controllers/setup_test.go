package controllers

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestAfterALongTroubleNoChannelWaitsForLong(t *testing.T) {
	limiter := retries()
	channel := reconcile.Request{}
	if first := limiter.When(channel); first > time.Second {
		t.Errorf("after the first failure a channel waits for %v", first)
	}
	for range 100 {
		if wait := limiter.When(channel); wait > time.Minute {
			t.Fatalf("a channel that failed often waits for %v", wait)
		}
	}
}
