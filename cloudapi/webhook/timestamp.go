package webhook

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// Timestamp is a time that Meta writes as Unix seconds, sometimes as a string
// and sometimes as a number. It is zero where Meta sent none.
type Timestamp struct{ time.Time }

// The last second that RFC 3339 can write, so that a time read here can always
// be stored and shown.
const maxUnixSeconds = 253402300799

var errTimestamp = errors.New("not a time in Unix seconds")

// UnmarshalJSON reads Unix seconds from a string or a number.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	*t = Timestamp{}
	text, err := stringOrNumber(data)
	if err != nil {
		return errTimestamp
	}
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds > maxUnixSeconds {
		return errTimestamp
	}
	if seconds > 0 {
		t.Time = time.Unix(seconds, 0).UTC()
	}
	return nil
}

// MarshalJSON writes Unix seconds as a string, as Meta mostly does.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(strconv.FormatInt(t.Unix(), 10))
}
