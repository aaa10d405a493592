// Package goroutines fails a test binary whose tests leave goroutines behind.
package goroutines

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds how long goroutines may take to be gone when the tests are over. On a machine with much else to do, the
// connections that a server closed are still there for longer than goleak looks.
const patience = time.Minute

// VerifyTestMain runs the tests, and ends the process with a code that is not 0 if they failed or goroutines are left.
func VerifyTestMain(m *testing.M) { goleak.VerifyTestMain(patient{m}) }

type patient struct{ *testing.M }

func (p patient) Run() int {
	code := p.M.Run()
	for end := time.Now().Add(patience); code == 0 && time.Now().Before(end); {
		if goleak.Find() == nil {
			break
		}
	}
	return code
}
