package leaksink

import "io"

// RunReporting is Run with the report written to w.
func (s *Sink) RunReporting(m interface{ Run() int }, w io.Writer) int { return s.run(m, w) }
