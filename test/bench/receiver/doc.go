// Package receiver measures the receiver: how fast it acknowledges, what that costs, and how long a message takes to the
// helpdesk. `make bench BENCH=receiver` runs it; the tests have the build tag bench. What is measured and what came out
// is told in docs/benchmarks.md.
//
// The receiver is the program as it is shipped, as a process of its own, with files mounted as in a pod. The load comes
// from this process, on the same machine.
package receiver
