//go:build contract

package contract

import (
	"os"
	"path/filepath"
	"testing"
)

// installed returns the path of something that `make contract` installs. It
// fails the test where that is missing: this suite has nothing to say without it.
func installed(tb testing.TB, path ...string) string {
	tb.Helper()
	root := os.Getenv("CONTRACT_MODULES")
	if root == "" {
		root = filepath.Join("..", "..", ".cache", "contract", "node_modules")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		tb.Fatal(err)
	}
	found := filepath.Join(append([]string{root}, path...)...)
	if _, err := os.Stat(found); err != nil {
		tb.Fatalf("an independent implementation is not installed; `make contract` installs it: %v", err)
	}
	return found
}

// data returns the path of sample data or documents that are not part of this
// project, and skips the test where they are absent.
func data(tb testing.TB, variable, folder string, path ...string) string {
	tb.Helper()
	root := os.Getenv(variable)
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", folder)
	}
	found := filepath.Join(append([]string{root}, path...)...)
	if _, err := os.Stat(found); err != nil {
		tb.Skipf("SKIPPED: set %s to the folder that has it: %v", variable, err)
	}
	return found
}

// fixtures returns the path of a folder of sample data.
func fixtures(tb testing.TB, folder string) string {
	tb.Helper()
	return data(tb, "WHATSAPP_FIXTURES", "fixtures", folder)
}

// openAPI returns the path of a slice of Meta's OpenAPI document.
func openAPI(tb testing.TB, slice string) string {
	tb.Helper()
	return data(tb, "WHATSAPP_OPENAPI", "openapi", slice)
}
