package webhookserver

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
)

func TestALimitThatWasPassedWantsSomethingToSpare(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler)}
	limits := Limits{MinFreeDisk: 100}
	for i, tc := range []struct {
		free, total int64
		err         error
		want        edge.Result
	}{
		{100, 10_000, nil, ""},
		{99, 10_000, nil, edge.LowDisk},
		{124, 10_000, nil, edge.LowDisk},
		{0, 0, errors.New("not known"), edge.LowDisk},
		{125, 10_000, nil, ""},
		{0, 0, errors.New("not known"), ""},
		{100, 10_000, nil, ""},
		// A tenth of a small volume.
		{50, 500, nil, ""},
		{49, 500, nil, edge.LowDisk},
	} {
		s.lookAtDisk(func() (int64, int64, error) { return tc.free, tc.total, tc.err }, limits)
		if got := s.pressure.turnAway(); got != tc.want {
			t.Errorf("step %d, %d bytes free: %q, want %q", i, tc.free, got, tc.want)
		}
	}
}
