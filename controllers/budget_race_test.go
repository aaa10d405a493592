//go:build race

package controllers

// budgetChannels is fewer with the race detector, which makes the API server's stand-in many times slower and finds
// nothing here: channels are reconciled one after the other.
const budgetChannels = 50
