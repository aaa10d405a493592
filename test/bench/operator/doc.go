// Package operator measures the operator with a thousand channels: how long they take, what they cost, what it asks
// while nothing happens, and how soon another takes over. `make bench BENCH=operator` runs it; the tests have the build tag
// bench. What is measured and what came out is told in docs/benchmarks.md.
//
// The operator is the program as it is shipped, as a process of its own, with the rights of its ServiceAccount. The API
// server and etcd are real, and so is what they audit. Meta is the simulator; this process also plays the cluster's
// controllers, the receivers, and the way in from the Internet.
package operator
