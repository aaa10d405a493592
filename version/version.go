// Package version says which release of whatsapp-operator a binary was built from.
package version

// version is replaced when a binary is linked:
//
//	-ldflags "-X github.com/whatsapp-operator/whatsapp-operator/version.version=1.2.3"
var version = "0.0.0-dev"

// String is the release in the form of semantic versioning, without a leading "v".
func String() string { return version }

// UserAgent is how the project's programs name themselves to the servers they call, in the form
// "whatsapp-operator/1.2.3".
func UserAgent() string { return "whatsapp-operator/" + version }
