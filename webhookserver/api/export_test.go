package api

import (
	"maps"
	"slices"
)

// Patterns are what the API serves.
func Patterns() []string { return slices.Sorted(maps.Keys((&Handler{}).handlers())) }
