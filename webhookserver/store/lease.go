package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// leasePrefix begins the names of leases among the values of Meta.
const leasePrefix = "lease/"

// Lease gives a duty to one of the processes that have the store open, for a time. It reports whether the duty is the
// holder's, and until when it is whose it is. Half of the time has to be over before it is written anew.
func (tx *Tx) Lease(duty, holder string, now time.Time, lasts time.Duration) (ends time.Time, held bool, err error) {
	value, err := tx.Meta(leasePrefix + duty)
	if err != nil {
		return ends, false, err
	}
	owner, text, _ := strings.Cut(value, " ")
	if value != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return ends, false, fmt.Errorf("read the lease of %s: %w", duty, err)
		}
		ends = time.UnixMilli(ms).UTC()
	}
	// A lease that lasts longer than any does was given by a clock that has been set back since.
	left := ends.Sub(now)
	if valid := left > 0 && left <= lasts; valid && (owner != holder || left > lasts/2) {
		return ends, owner == holder, nil
	}
	ends = now.Add(lasts)
	return ends, true, tx.SetMeta(leasePrefix+duty, holder+" "+strconv.FormatInt(millis(ends), 10))
}
