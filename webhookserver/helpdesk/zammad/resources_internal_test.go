package zammad

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

func TestWhatASearchFoundIsReadWhateverTheVersion(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 123_000_000, time.UTC)
	for answer, want := range map[string]found{
		`[{"id":3,"title":"A","updated_at":"2026-05-01T12:00:00.123Z"},{"id":1}]`: {{ID: 3, UpdatedAt: at}, {ID: 1}}, `[]`: nil,
		`{"tickets":[3,1],"tickets_count":2,"assets":{}}`: {{ID: 3}, {ID: 1}}, `{"tickets":[]}`: {},
		`{"record_ids":[3],"total_count":1}`: {{ID: 3}},
	} {
		var got found
		if err := json.Unmarshal([]byte(answer), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v", answer, got, err)
		}
	}
	for _, answer := range []string{`{}`, `"x"`, `{"error":"x"}`} {
		if err := json.Unmarshal([]byte(answer), new(found)); err == nil {
			t.Errorf("%s was read", answer)
		}
	}
}
