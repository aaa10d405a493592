//go:build !race

package controllers

// budgetChannels is how many channels share one account.
const budgetChannels = 200
