package crash_test

import (
	"cmp"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/crash"
)

// engines are those that everything is put through, each with the helpdesks that it is played with.
var engines = map[string]func(testing.TB) []crash.World{
	"SQLite": func(tb testing.TB) []crash.World {
		tb.Helper()
		return []crash.World{
			{Engine: crash.SQLite, Helpdesk: inbox},
			{Engine: crash.SQLite, Helpdesk: ledger},
			{Engine: crash.SQLite, Helpdesk: newEventLogs(tb).begin},
			{Engine: crash.SQLite, Helpdesk: crash.NewZammad(tb, 0)},
		}
	},
	"PostgreSQL": func(tb testing.TB) []crash.World {
		tb.Helper()
		postgres := crash.Postgres(tb)
		return []crash.World{
			{Engine: postgres, Helpdesk: inbox},
			{Engine: postgres, Helpdesk: ledger, Replicas: 2},
			{Engine: postgres, Helpdesk: newEventLogs(tb).begin, Replicas: 2},
			{Engine: postgres, Helpdesk: crash.NewZammad(tb, 0), Replicas: 2},
		}
	},
}

func inbox() crash.Helpdesk { return openFiles{crash.Inbox{}} }

func ledger() crash.Helpdesk { return openFiles{&crash.Ledger{}} }

// runs is how often much goes wrong: a hundred times, or as often as `make reliability` wants.
func runs(t *testing.T) int {
	t.Helper()
	text := cmp.Or(os.Getenv("RELIABILITY_RUNS"), "100")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("RELIABILITY_RUNS is no number: %v", err)
	}
	return n
}

func report(t *testing.T, sum crash.Summary) {
	t.Helper()
	t.Log(sum)
	for _, wrong := range sum.Wrong {
		t.Error(wrong)
	}
}

func TestNothingIsLostOrDoubledWhereverAProcessDies(t *testing.T) {
	for engine, worlds := range engines {
		t.Run(engine, func(t *testing.T) {
			report(t, crash.Exhaust(t, worlds(t)...))
		})
	}
	if crash.Thorough() {
		// It takes the most requests of all helpdesks, and above it has only its turn.
		t.Run("Zammad", func(t *testing.T) {
			report(t, crash.Exhaust(t, crash.World{Engine: crash.Postgres(t), Helpdesk: crash.NewZammad(t, 0), Replicas: 2}))
		})
	}
}

func TestNothingIsLostOrDoubledWhenMuchGoesWrong(t *testing.T) {
	for engine, worlds := range engines {
		t.Run(engine, func(t *testing.T) {
			report(t, crash.Random(t, runs(t), worlds(t)...))
		})
	}
}

// Without the markers a ticket or an article is made twice, and that has to be seen.
func TestWithoutMarkersSomethingIsDoubled(t *testing.T) {
	blind := crash.World{Engine: crash.SQLite, Helpdesk: func() crash.Helpdesk { return crash.Blind(&crash.Ledger{}) }}
	sum := crash.Random(t, 10, blind)
	t.Log(sum)
	if len(sum.Wrong) == 0 {
		t.Error("the suite would not see it if the receiver did not look for markers")
	}
	for _, wrong := range sum.Wrong {
		// Of two tickets the agent may write on the one that the receiver does not know.
		if !strings.Contains(wrong, "the tickets (-want +got)") && !strings.Contains(wrong, "there is no such ticket") {
			t.Errorf("something else is wrong: %s", wrong)
		}
	}
}
