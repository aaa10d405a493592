package cloudapi

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Token is an access token, an app secret or a verify token. It prints as
// "[redacted]" in every format that go vet lets pass, in logs and in JSON;
// string(t) gives the value.
type Token string

// String returns "[redacted]".
func (Token) String() string { return redacted }

// GoString returns "[redacted]".
func (Token) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, the unsuitable ones included:
// without it, %d would print the value.
func (Token) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// LogValue keeps the value out of log/slog.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the value out of JSON, YAML and their likes.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// App is a Meta app with its secret. Together they are the app's own access
// token, so a call that takes an App proves the secret.
type App struct {
	ID     string
	Secret Token
}

func (a App) accessToken() (Token, error) {
	if err := checkID("app", a.ID); err != nil {
		return "", err
	}
	if err := checkToken("app secret", a.Secret); err != nil {
		return "", err
	}
	return Token(a.ID + "|" + string(a.Secret)), nil
}

// checkToken refuses what could not be sent in a header. The usual cause is a
// line break at the end of a Secret's value.
func checkToken(what string, t Token) error {
	if t == "" {
		return invalidf("the %s is empty", what)
	}
	for _, r := range t {
		if r <= ' ' || r > '~' {
			return invalidf("the %s contains a space, a line break or another character that it cannot have", what)
		}
	}
	return nil
}

func checkID(what, id string) error {
	if id == "" || len(id) > 32 || Digits(id) != id {
		return invalidf("%q is not the id of a %s: it consists of digits only", id, what)
	}
	return nil
}

// Digits returns the ASCII digits of a phone number, which is how two writings
// of one number are compared: "+1 631-555-1111" and "16315551111".
func Digits(phoneNumber string) string {
	digits := make([]byte, 0, len(phoneNumber))
	for i := range len(phoneNumber) {
		if c := phoneNumber[i]; c >= '0' && c <= '9' {
			digits = append(digits, c)
		}
	}
	return string(digits)
}
