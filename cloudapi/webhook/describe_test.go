package webhook

import "testing"

func TestDescribe(t *testing.T) {
	for _, test := range []struct{ message, want string }{
		{`"type":"text","text":{"body":"Hello"}`, "Hello"},
		{`"type":"text"`, "(a message without text)"},
		{`"type":"image","image":{"caption":"Taj Mahal"}`, "Image: Taj Mahal"},
		{`"type":"image"`, "Image (the file is missing)"},
		{`"type":"audio","audio":{"voice":true}`, "Voice message"},
		{`"type":"audio","audio":{"id":"1"}`, "Audio"},
		{`"type":"document","document":{"filename":"bill.pdf","caption":"see"}`, "Document bill.pdf: see"},
		{`"type":"sticker","sticker":{}`, "Sticker"},
		{`"type":"location","location":{"latitude":12.25089,"longitude":43.90539}`, "Location: 12.25089, 43.90539"},
		{`"type":"location","location":{"latitude":1,"longitude":2,"name":"Café","address":"Main St","url":"https://c.example"}`,
			"Location: Café, Main St\n1, 2\nhttps://c.example"},
		{`"type":"contacts","contacts":[{"name":{"formatted_name":"Ada L"},"org":{"company":"Engines"},"phones":[{"phone":"+1 555"}]},{"name":{"first_name":"Bo"}}]`,
			"Contact: Ada L (Engines), +1 555\nContact: Bo"},
		{`"type":"reaction","reaction":{"message_id":"x","emoji":"👍"}`, "Reaction: 👍"},
		{`"type":"reaction","reaction":{"message_id":"x","emoji":""}`, "The customer took a reaction back."},
		{`"type":"reaction","reaction":{"message_id":"x"}`, "The customer took a reaction back."},
		{`"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"c","title":"Cancel"}}`, "Button: Cancel"},
		{`"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"p","title":"Express","description":"1 day"}}`, "List: Express (1 day)"},
		{`"type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"body":"Sent","response_json":"{\"b\":2,\"a\":\"x\",\"flow_token\":\"t\"}"}}`, "Form: Sent\na: x\nb: 2"},
		{`"type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"name":"flow","response_json":"broken"}}`, "Form: flow\nbroken"},
		{`"type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":{"response":"accept"}}`, "Permission to call: accept"},
		{`"type":"interactive"`, "An answer to an interactive message (the content is missing)"},
		{`"type":"button","button":{"payload":"p","text":"Stop"}`, "Button: Stop"},
		{`"type":"order","order":{"text":"quick please","product_items":[{"product_retailer_id":"A1","quantity":2,"item_price":"30","currency":"USD"},{"product_retailer_id":"B2","quantity":1}]}`,
			"Order:\n2 × A1 at 30 USD\n1 × B2\nquick please"},
		{`"type":"system","system":{"body":"User A changed number"}`, "WhatsApp: User A changed number"},
		{`"type":"unsupported","unsupported":{"type":"poll"},"errors":[{"code":131051,"title":"t","error_data":{"details":"Not supported."}}]`,
			"The customer sent something that WhatsApp does not pass on (poll): Not supported."},
		{`"type":"unsupported"`, "The customer sent something that WhatsApp does not pass on."},
		{`"type":"edit","edit":{"message":{"type":"text","text":{"body":"new"}}}`, "The customer edited a message. It now says:\nnew"},
		{`"type":"revoke","revoke":{"original_message_id":"x"}`, "The customer deleted a message."},
		{`"type":"request_welcome"`, "The customer opened the chat for the first time and has not written yet."},
		{`"type":"hologram","hologram":{}`, `(a message of type "hologram", which cannot be shown here)`},
		{`"from":"1"`, "(a message without a type)"},
	} {
		p, err := Parse(messages(`{"id":"a",` + test.message + `}`))
		if err != nil || p.Messages() != 1 || len(p.Broken) != 0 {
			t.Errorf("%s: %v %v", test.message, err, p.Broken)
			continue
		}
		if got := p.Entries[0].Changes[0].Value.Messages[0].Describe(); got != test.want {
			t.Errorf("%s is described as\n%q, want\n%q", test.message, got, test.want)
		}
	}
}
