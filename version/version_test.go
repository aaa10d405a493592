package version_test

import (
	"regexp"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/version"
)

// Servers parse a User-Agent as name/version, so whatever the linker put in has to keep that form.
func TestUserAgentNamesProductAndSemanticVersion(t *testing.T) {
	form := regexp.MustCompile(`^whatsapp-operator/\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	if got := version.UserAgent(); !form.MatchString(got) {
		t.Errorf("UserAgent() = %q, which is not of the form whatsapp-operator/1.2.3", got)
	}
}
