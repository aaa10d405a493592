// Package reliability takes from a receiver what it stands on, the power and the disk, and looks whether what it
// acknowledged is still there.
//
// `make test` does so a few times, `make reliability` as often as RELIABILITY_CUTS and RELIABILITY_RUNS say; see
// docs/reliability.md. What is too long for `make test` has the build tag reliability.
package reliability
