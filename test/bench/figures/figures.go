// Package figures prints what a benchmark measured, one figure a line, in a form that people and programs read.
package figures

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// out is where figures go. It is not the log of a test, whose lines begin with more than the figure.
var out io.Writer = os.Stdout

// Print writes a figure on a line of its own: its name, its value, and its unit if it has one.
func Print(name string, value float64, unit string) {
	text := fmt.Sprintf("%s: %s", name, decimal(value))
	if unit != "" {
		text += " " + unit
	}
	_, _ = fmt.Fprintln(out, text)
}

// decimal writes whole numbers whole, and others with at least two digits that tell something.
func decimal(value float64) string {
	switch {
	case value == float64(int64(value)):
		return fmt.Sprintf("%d", int64(value))
	case value < 10:
		return fmt.Sprintf("%.2f", value)
	default:
		return fmt.Sprintf("%.1f", value)
	}
}

// Median returns the middle of some values, the mean of the two in the middle if there are as many below as above.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return 0
	}
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// Quantile returns the least value that a share of the values does not exceed. The values must be in order.
func Quantile[T any](sorted []T, share float64) (value T) {
	if len(sorted) == 0 {
		return value
	}
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}
