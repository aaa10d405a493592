package webhookserver

import (
	"errors"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/store"
)

// ExitCode is what the process ends with after New or Run returned an error, or none.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, store.ErrVolumeFull):
		return config.ExitVolumeFull
	case errors.Is(err, store.ErrVolumeFailed):
		return config.ExitVolumeFailed
	case errors.Is(err, store.ErrDamaged):
		return config.ExitDataDamaged
	}
	return 1
}
