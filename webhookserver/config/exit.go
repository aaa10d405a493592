package config

// Exit codes of a receiver that ended because of its volume, so that the operator can tell why without reading its log. After
// any other failure it ends with 1, and with 2 where its flags are wrong.
const (
	// ExitVolumeFull means that the volume of the embedded store is full.
	ExitVolumeFull = 10
	// ExitVolumeFailed means that the volume cannot be read or written.
	ExitVolumeFailed = 11
	// ExitDataDamaged means that the database on the volume looks damaged.
	ExitDataDamaged = 12
)
