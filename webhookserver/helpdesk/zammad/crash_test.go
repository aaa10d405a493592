package zammad_test

import (
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/test/crash"
)

func report(t *testing.T, sum crash.Summary) {
	t.Helper()
	t.Log(sum)
	for _, wrong := range sum.Wrong {
		t.Error(wrong)
	}
}

func TestNothingIsLostOrDoubledWhenMuchGoesWrong(t *testing.T) {
	report(t, crash.Random(t, 8, crash.World{Engine: crash.SQLite, Helpdesk: crash.NewZammad(t, 0)}))
}

func TestEverythingArrivesInOrderWhenZammadWasAwayForHours(t *testing.T) {
	report(t, crash.Random(t, 3, crash.World{Engine: crash.SQLite, Helpdesk: crash.NewZammad(t, 5*time.Hour)}))
}

// Without the markers a ticket or an article is made twice, and that has to be seen.
func TestWithoutMarkersSomethingIsDoubled(t *testing.T) {
	whole := crash.NewZammad(t, 0)
	sum := crash.Random(t, 3, crash.World{Engine: crash.SQLite, Helpdesk: func() crash.Helpdesk { return crash.Blind(whole()) }})
	t.Log(sum)
	if len(sum.Wrong) == 0 {
		t.Error("the suite would not see it if the receiver did not look for markers")
	}
}
