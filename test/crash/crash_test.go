package crash_test

import (
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/crash"
)

// worlds are the engines and helpdesks that are put through everything.
func worlds(t *testing.T) map[string]crash.World {
	t.Helper()
	inbox := func() crash.Helpdesk { return crash.Inbox{} }
	ledger := func() crash.Helpdesk { return &crash.Ledger{} }
	postgres := crash.Postgres(t)
	return map[string]crash.World{
		"SQLite, inbox":                        {Engine: crash.SQLite, Helpdesk: inbox},
		"SQLite, other helpdesk":               {Engine: crash.SQLite, Helpdesk: ledger},
		"PostgreSQL, inbox":                    {Engine: postgres, Helpdesk: inbox},
		"PostgreSQL, other helpdesk, replicas": {Engine: postgres, Helpdesk: ledger, Replicas: 2},
	}
}

func TestNothingIsLostOrDoubledWhereverAProcessDies(t *testing.T) {
	for name, world := range worlds(t) {
		t.Run(name, func(t *testing.T) {
			sum := crash.Exhaust(t, world)
			t.Log(sum)
			for _, wrong := range sum.Wrong {
				t.Error(wrong)
			}
		})
	}
}
