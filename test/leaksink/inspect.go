package leaksink

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// shortest is the least length of a registered value. Anything shorter would be found by accident.
const shortest = 6

// patterns are things that must not be logged wherever they come from.
var patterns = []struct {
	what    string
	pattern *regexp.Regexp
}{
	{"a wamid", regexp.MustCompile(`wamid\.[0-9A-Za-z+/=_-]+`)},
	{"an access token", regexp.MustCompile(`\bEAA[0-9A-Za-z]{16,}`)},
	{"a bearer token", regexp.MustCompile(`(?i)\bbearer [0-9A-Za-z._~+/|-]{6,}`)},
	{"a query parameter that is secret", regexp.MustCompile(`(hub\.verify_token|access_token|input_token|appsecret_proof|client_secret)(=|%3D)[^\s&"\\]`)},
	{"a webhook's body", regexp.MustCompile(`object\\*"\s*:\s*\\*"whatsapp_business_account`)},
	{"a message's body", regexp.MustCompile(`messaging_product\\*"\s*:\s*\\*"whatsapp`)},
}

var (
	// phoneNumber is an international number of at least nine digits, plain or in the usual writings.
	phoneNumber = regexp.MustCompile(`\+[1-9](?:[ ().-]{0,2}[0-9]){8,14}\b|\b[1-9][0-9]{8,14}\b`)

	// notPhoneNumbers are made of digits, too: times, UUIDs and addresses.
	notPhoneNumbers = regexp.MustCompile(
		`\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?` +
			`|\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b` +
			`|\bm=[+-]\d+\.\d+` + // Go prints the monotonic clock so.
			`|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`)
)

// Register adds values that no line may hold, such as a token or the text of a message, in any of the forms that they
// take in URLs, JSON and base64. It panics on a value so short that lines would hold it by accident.
func (s *Sink) Register(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range values {
		if len(value) < shortest {
			panic("leaksink: a registered value must have at least 6 characters")
		}
		s.secrets = append(s.secrets, forms(value)...)
	}
}

// Allow adds values that look like a phone number and are none, such as the ID of a business account.
func (s *Sink) Allow(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed = append(s.allowed, values...)
}

// inspect remembers the line when it leaks.
func (s *Sink) inspect(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if what := s.find(line); what != "" {
		s.leaks = append(s.leaks, Leak{Line: line, What: what})
	}
}

// find says what the line leaks, or nothing.
func (s *Sink) find(line string) string {
	text := withoutNumbers(line)
	for _, secret := range s.secrets {
		if strings.Contains(line, secret) || strings.Contains(text, secret) {
			return "a registered value"
		}
	}
	for _, p := range patterns {
		if p.pattern.MatchString(line) {
			return p.what
		}
	}
	for _, value := range s.allowed {
		text = strings.ReplaceAll(text, value, " ")
	}
	if phoneNumber.MatchString(notPhoneNumbers.ReplaceAllString(text, " ")) {
		return "a phone number"
	}
	return ""
}

// withoutNumbers leaves only the strings of a line that is a JSON object. Its numbers are sizes and durations: phone
// numbers are strings everywhere. Any other line stays as it is.
func withoutNumbers(line string) string {
	var object map[string]any
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		return line
	}
	var text strings.Builder
	var collect func(value any)
	collect = func(value any) {
		switch value := value.(type) {
		case string:
			text.WriteString(value + "\n")
		case []any:
			for _, element := range value {
				collect(element)
			}
		case map[string]any:
			for key, element := range value {
				text.WriteString(key + "\n")
				collect(element)
			}
		}
	}
	collect(object)
	return text.String()
}

// forms are the writings of a value that differ from each other.
func forms(value string) []string {
	quoted, err := json.Marshal(value)
	if err != nil {
		panic(err) // A string can always be marshalled.
	}
	all := []string{
		value,
		strings.Trim(string(quoted), `"`),
		url.QueryEscape(value),
		base64.StdEncoding.EncodeToString([]byte(value)),
		base64.URLEncoding.EncodeToString([]byte(value)),
	}
	var different []string
	for _, form := range all {
		if !slices.Contains(different, form) {
			different = append(different, form)
		}
	}
	return different
}
