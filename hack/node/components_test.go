package main

import "testing"

func TestHealthReportsAreCutToWhatFailed(t *testing.T) {
	for report, want := range map[string]string{
		"[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\nhealthz check failed\n": "etcd failed: reason withheld",
		"Unauthorized\nmore": "Unauthorized",
		"":                   "",
	} {
		if got := failedChecks(report); got != want {
			t.Errorf("%q gave %q", report, got)
		}
	}
}
