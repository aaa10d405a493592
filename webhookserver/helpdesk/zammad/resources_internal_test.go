package zammad

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestWhatASearchFoundIsReadWhateverTheVersion(t *testing.T) {
	for answer, want := range map[string][]int{
		`[{"id":3,"title":"A"},{"id":1}]`: {3, 1}, `[]`: nil, `{"tickets":[3,1],"tickets_count":2,"assets":{}}`: {3, 1},
		`{"tickets":[]}`: {}, `{"record_ids":[3],"total_count":1}`: {3},
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
