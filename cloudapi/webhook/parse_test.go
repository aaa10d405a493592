package webhook

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func messages(elements string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{
		"metadata":{"display_phone_number":"1555","phone_number_id":"9"},"messages":[` + elements + `]}}]}]}`)
}

func TestParseKeepsTheNeighboursOfBrokenElements(t *testing.T) {
	const good = `{"id":"good%","from":"1650","timestamp":"1749416383","type":"text","text":{"body":"hello"}}`
	first, last := strings.Replace(good, "%", "1", 1), strings.Replace(good, "%", "2", 1)
	tests := map[string]struct {
		broken string
		path   string
		// kept tells that the message itself is still there, without a part.
		kept bool
	}{
		"not an object":     {`7`, "entry[0].changes[0].value.messages[1]", false},
		"null":              {`null`, "entry[0].changes[0].value.messages[1]", false},
		"no id":             {`{"from":"1"}`, "entry[0].changes[0].value.messages[1]", false},
		"id of wrong type":  {`{"id":{}}`, "entry[0].changes[0].value.messages[1].id", false},
		"broken content":    {`{"id":"b","type":"text","text":[]}`, "entry[0].changes[0].value.messages[1].text", true},
		"broken nested":     {`{"id":"b","type":"order","order":{"product_items":[{"quantity":true}]}}`, "entry[0].changes[0].value.messages[1].order", true},
		"broken time":       {`{"id":"b","timestamp":"yesterday"}`, "entry[0].changes[0].value.messages[1].timestamp", true},
		"time out of range": {`{"id":"b","timestamp":99999999999999}`, "entry[0].changes[0].value.messages[1].timestamp", true},
		"broken context":    {`{"id":"b","type":"text","context":"x"}`, "entry[0].changes[0].value.messages[1].context", true},
		"broken error":      {`{"id":"b","type":"unsupported","errors":[{"code":"none"}]}`, "entry[0].changes[0].value.messages[1].errors[0]", true},
		"one of contacts":   {`{"id":"b","type":"contacts","contacts":[{"name":{"formatted_name":"A"}},3]}`, "entry[0].changes[0].value.messages[1].contacts[1]", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Parse(messages(first + "," + test.broken + "," + last))
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, m := range p.Entries[0].Changes[0].Value.Messages {
				ids = append(ids, m.ID)
			}
			want := "good1 good2"
			if test.kept {
				want = "good1 b good2"
			}
			if got := strings.Join(ids, " "); got != want {
				t.Errorf("messages %q, want %q", got, want)
			}
			if len(p.Broken) == 0 || p.Broken[0].Path != test.path {
				t.Errorf("broken %+v, want %s", p.Broken, test.path)
			}
		})
	}
}

func TestParseReportsBrokenLevelsAbove(t *testing.T) {
	body := `{"object":"whatsapp_business_account","entry":[5,{"id":"1","changes":"x"},{"id":"2","changes":[
		null,{"field":"messages","value":3},{"field":"account_update","value":3},
		{"field":"messages","value":{"messages":{},"statuses":[{"status":"sent"},{"id":"s","status":"sent","timestamp":1749416383}]}}]}]}`
	p, err := Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, b := range p.Broken {
		paths = append(paths, b.Path)
	}
	want := "entry[0] entry[1].changes entry[2].changes[0] entry[2].changes[1].value " +
		"entry[2].changes[3].value.messages entry[2].changes[3].value.statuses[0]"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("broken:\n%s\nwant:\n%s", got, want)
	}
	if p.Statuses() != 1 {
		t.Errorf("%d statuses, want the one that is whole", p.Statuses())
	}
}

func TestParseRefusesOtherBodies(t *testing.T) {
	for body, want := range map[string]error{
		``:                               ErrNotJSON,
		`hello`:                          ErrNotJSON,
		`[]`:                             ErrNotJSON,
		`null`:                           ErrNotJSON,
		`{"object":"x"`:                  ErrNotJSON,
		`{}`:                             ErrNotWhatsApp,
		`{"object":"page","entry":[]}`:   ErrNotWhatsApp,
		`{"object":["whatsapp"]}`:        ErrNotWhatsApp,
		string(messages("")) + "trailer": ErrNotJSON,
	} {
		if _, err := Parse([]byte(body)); !errors.Is(err, want) {
			t.Errorf("Parse(%s) = %v, want %v", body, err, want)
		}
	}
}

func TestReasonsDoNotQuoteThePayload(t *testing.T) {
	p, err := Parse(messages(`{"id":"b","type":"text","text":{"body":4915123456789},"image":"secret","timestamp":"4915123456789x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Broken) != 3 {
		t.Fatalf("%d broken parts, want 3", len(p.Broken))
	}
	for _, b := range p.Broken {
		if strings.Contains(b.Reason, "49151") || strings.Contains(b.Reason, "secret") {
			t.Errorf("the reason quotes the payload: %s", b.Reason)
		}
	}
}

func TestParseReadsTimesAndIDsOfEitherKind(t *testing.T) {
	p, err := Parse(messages(`{"id":"a","from":16505551234,"timestamp":1749416383},{"id":"b","from":"16505551234","timestamp":"1749416383"}`))
	if err != nil || len(p.Broken) != 0 {
		t.Fatal(err, p.Broken)
	}
	want := time.Date(2025, 6, 8, 20, 59, 43, 0, time.UTC)
	for _, m := range p.Entries[0].Changes[0].Value.Messages {
		if m.From != "16505551234" || !m.Timestamp.Equal(want) {
			t.Errorf("message %s: from %q at %v", m.ID, m.From, m.Timestamp)
		}
	}
}

func TestEditHoldsTheNewContent(t *testing.T) {
	p, err := Parse(messages(`{"id":"a","from":"1","timestamp":"1","type":"edit","edit":{"original_message_id":"o","message":{"type":"image","image":{"caption":"new","id":"5"}}}}`))
	if err != nil || len(p.Broken) != 0 {
		t.Fatal(err, p.Broken)
	}
	m := p.Entries[0].Changes[0].Value.Messages[0]
	if m.Edit == nil || m.Edit.OriginalMessageID != "o" || m.Edit.Message == nil || m.Edit.Message.Image.Caption != "new" {
		t.Fatalf("edit %+v", m.Edit)
	}
	if got := m.Describe(); !strings.HasSuffix(got, "Image: new") {
		t.Errorf("described as %q", got)
	}
}

func TestEditsInsideEditsAreNotFollowed(t *testing.T) {
	p, err := Parse(messages(`{"id":"a","type":"edit","edit":{"message":{"type":"edit","edit":{"message":{"type":"text","text":{"body":"deep"}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if inner := p.Entries[0].Changes[0].Value.Messages[0].Edit.Message; inner == nil || inner.Edit != nil {
		t.Errorf("the edit inside the edit was read: %+v", inner)
	}
}

func TestContactOfChoosesByUserIDFirst(t *testing.T) {
	v := Value{Contacts: []Contact{
		{Name: "other", WAID: "1650", UserID: "US.2"},
		{Name: "right", WAID: "1999", UserID: "US.1"},
		{Name: "old", WAID: "1777"},
	}}
	for _, test := range []struct {
		m    Message
		want string
	}{
		{Message{From: "1650", FromUserID: "US.1"}, "right"},
		{Message{FromUserID: "US.2"}, "other"},
		{Message{From: "1777", FromUserID: "US.9"}, "old"},
		{Message{From: "1777"}, "old"},
		{Message{From: "1888"}, ""},
		{Message{}, ""},
	} {
		if c, found := v.ContactOf(test.m); c.Name != test.want || found != (test.want != "") {
			t.Errorf("the contact of %q/%q is %q, want %q", test.m.From, test.m.FromUserID, c.Name, test.want)
		}
	}
}

func TestVerifySignature(t *testing.T) {
	body, secret, previous := []byte("body"), []byte("secret"), []byte("previous")
	good := Sign(body, secret)
	for name, test := range map[string]struct {
		header  string
		secrets [][]byte
		want    bool
	}{
		"current secret":       {good, [][]byte{secret}, true},
		"current of two":       {good, [][]byte{secret, previous}, true},
		"previous of two":      {Sign(body, previous), [][]byte{secret, previous}, true},
		"other secret":         {Sign(body, []byte("x")), [][]byte{secret, previous}, false},
		"other body":           {Sign([]byte("bodY"), secret), [][]byte{secret}, false},
		"no secret":            {good, nil, false},
		"empty secret":         {Sign(body, nil), [][]byte{nil}, false},
		"no header":            {"", [][]byte{secret}, false},
		"no prefix":            {strings.TrimPrefix(good, "sha256="), [][]byte{secret}, false},
		"prefix alone":         {"sha256=", [][]byte{secret}, false},
		"older algorithm":      {"sha1=" + strings.TrimPrefix(good, "sha256="), [][]byte{secret}, false},
		"truncated":            {good[:len(good)-2], [][]byte{secret}, false},
		"longer":               {good + "00", [][]byte{secret}, false},
		"not hexadecimal":      {good[:len(good)-1] + "g", [][]byte{secret}, false},
		"surrounded by spaces": {" " + good, [][]byte{secret}, false},
	} {
		if got := VerifySignature(test.header, body, test.secrets...); got != test.want {
			t.Errorf("%s: verified %v, want %v", name, got, test.want)
		}
	}
}
