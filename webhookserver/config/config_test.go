package config

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func valid() Channel {
	return Channel{
		Namespace:         "helpdesk",
		Name:              "support",
		BusinessAccountID: "102290129340398",
		PhoneNumber:       &PhoneNumber{ID: "106540352242922", Display: "+1 555-0100"},
		TargetGroup:       "2nd Level",
		Messages:          Messages{Welcome: "Thanks for writing."},
		Graph:             Graph{BaseURL: "https://graph.example.com", Version: "v25.0"},
	}
}

func TestParseRoundTrip(t *testing.T) {
	data, err := json.Marshal(valid())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(valid(), got); diff != "" {
		t.Errorf("the channel changed on its way (-want +got):\n%s", diff)
	}
}

func TestParseNamesWhatIsMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		breakIt func(*Channel)
		want    string
	}{
		"namespace": {func(c *Channel) { c.Namespace = "" }, "channel.json lacks namespace"},
		"name":      {func(c *Channel) { c.Name = "" }, "channel.json lacks name"},
		"account":   {func(c *Channel) { c.BusinessAccountID = "" }, "channel.json lacks businessAccountID"},
		"number":    {func(c *Channel) { c.PhoneNumber.ID = "" }, "channel.json lacks phoneNumber.id"},
		"graph":     {func(c *Channel) { c.Graph.Version = "" }, "channel.json lacks graph.baseURL or graph.version"},
	} {
		t.Run(name, func(t *testing.T) {
			c := valid()
			tc.breakIt(&c)
			data, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(data)
			if err == nil || err.Error() != tc.want {
				t.Errorf("Parse() error = %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := Parse([]byte("{")); err == nil {
		t.Error("broken JSON was accepted")
	}
}

func TestCallbackPath(t *testing.T) {
	if got := CallbackPath("helpdesk", "support"); got != "/helpdesk/support" {
		t.Errorf("CallbackPath() = %q", got)
	}
}
