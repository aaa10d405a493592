package zammadtest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

func TestTokens(t *testing.T) {
	w := newWorld(t)
	good := w.token
	for _, one := range []struct {
		name, token string
		status      int
		text        string
	}{
		{"none: authenticates.rb#authentication_check", "", http.StatusForbidden, "Authentication required"},
		{"unknown: authenticates.rb", "nonsense", http.StatusUnauthorized, "Can't find User for Token"},
		{"lacks the permission: pundit_not_authorized_error", good, http.StatusForbidden, "Not authorized"},
	} {
		t.Run(one.name, func(t *testing.T) {
			w.t, w.token = t, one.token
			w.refused("GET", "/groups", nil, one.status, one.text)
		})
	}
	w.t, w.token = t, good
	w.ExpireToken(good, w.clock.Now())
	w.refused("GET", "/users/me", nil, http.StatusUnauthorized, "token expired")
	w.RevokeToken(good)
	w.refused("GET", "/users/me", nil, http.StatusUnauthorized, "Can't find User for Token")
}

func TestGroupsAreListedForAdministratorsAndOwnOnesForAll(t *testing.T) {
	w := newWorld(t)
	w.AddGroup("Sales")
	groups, _ := w.must("GET", "/users/me?expand=true", nil)["groups"].(object)
	if len(groups) != 1 || groups["2nd Level"] == nil {
		t.Errorf("groups of the token's user: %v", groups)
	}
	w.token = w.IssueToken(w.agent, "admin.group")
	if _, list := w.call("GET", "/groups", nil); len(list.([]any)) != 2 {
		t.Errorf("groups: %v", list)
	}
	w.refused("GET", "/version", nil, http.StatusForbidden, "Not authorized")
	w.token = w.IssueToken(w.agent, "admin")
	if version := w.must("GET", "/version", nil)["version"]; version != zammadtest.DefaultVersion {
		t.Errorf("version %v", version)
	}
}

func TestATicketIsOpenedWholeOrNotAtAll(t *testing.T) {
	w := newWorld(t)
	w.refused("POST", "/tickets", aTicket(object{"article": object{
		"body": "Hello", "attachments": []any{object{"filename": "a.txt", "data": "not base64!", "mime-type": "text/plain"}},
	}}), http.StatusUnprocessableEntity, "Invalid base64 for attachment with index '0'")
	if len(w.Tickets()) != 0 || len(w.Customers()) != 0 {
		t.Fatalf("something was left behind: %v %v", w.Tickets(), w.Customers())
	}
	first := w.must("POST", "/tickets", aTicket(object{"preferences": object{"a": "1"}, "tags": "one, two"}))
	second := w.must("POST", "/tickets", aTicket(nil))
	if first["number"] == second["number"] || first["number"] == "" {
		t.Errorf("numbers %v and %v", first["number"], second["number"])
	}
	seen, _ := w.Ticket(id(first))
	if seen.State != "new" || strings.Join(seen.Tags, "|") != "one|two" || seen.Preferences["a"] != "1" || seen.Articles[0].From != "Nicole" {
		t.Errorf("the ticket is %+v", seen)
	}
	if customers := w.Customers(); len(customers) != 1 || first["customer_id"] != second["customer_id"] {
		t.Errorf("the login did not find the customer again: %v", customers)
	}
}

func TestACustomerIsNotFoundByMobile(t *testing.T) {
	w := newWorld(t)
	known := w.AddCustomer(zammadtest.Customer{Firstname: "Nicole", Mobile: "+491713920001"})
	opened := w.must("POST", "/tickets", aTicket(object{"customer": object{"login": "new", "mobile": "+491713920001"}}))
	if int(opened["customer_id"].(float64)) == known {
		t.Error("the mobile number found the customer, which tickets_controller.rb#create does not do")
	}
}

func TestWhatATicketMustHave(t *testing.T) {
	w := newWorld(t)
	opened := w.must("POST", "/tickets", aTicket(nil))
	path := "/tickets/" + jsonNumber(opened["id"])
	attachment := func(without string) object {
		a := object{"filename": "a.txt", "data": "aGVs\r\nbG8=", "mime-type": "text/plain"}
		delete(a, without)
		return object{"ticket_id": opened["id"], "body": "", "attachments": []any{a}}
	}
	w.refused("POST", "/tickets", aTicket(object{"group": "Nowhere"}), 422, "No lookup value found for 'group'")
	w.refused("POST", "/tickets", aTicket(object{"article": object{"type": "web"}}), 422, "Need at least article")
	w.refused("PUT", path, object{"state": "pending reminder"}, 422, "Missing required value for field 'pending_time'!")
	w.refused("GET", "/tickets/4711", nil, 404, "Couldn't find Ticket with 'id'=4711")
	for _, key := range []string{"filename", "data", "mime-type"} {
		w.refused("POST", "/ticket_articles", attachment(key), 422, "Attachment needs '"+key+"' param for attachment with index '0'")
	}
	article := w.must("POST", "/ticket_articles", attachment(""))
	if seen, _ := w.Ticket(id(opened)); string(seen.Articles[1].Files[0].Content) != "hello" {
		t.Errorf("base64 with line breaks was read as %q", seen.Articles[1].Files[0].Content)
	}
	other := w.AddGroup("Sales")
	w.Agent(w.agent).MovesTo(id(opened), other)
	w.refused("GET", path, nil, 403, "Not authorized")
	if article["sender"] != "Agent" || article["type"] != "note" || isTrue(article["internal"]) {
		t.Errorf("defaults of creates_ticket_articles.rb: %v", article)
	}
}

func TestAnUpdateChangesStateAndAddsAnArticleAtOnce(t *testing.T) {
	w := newWorld(t)
	opened := w.must("POST", "/tickets", aTicket(object{"preferences": object{"a": "1", "b": object{"x": "y"}}}))
	path := "/tickets/" + jsonNumber(opened["id"])
	w.refused("PUT", path, object{"state": "open", "article": object{"type": "note"}}, 422, "Need at least article")
	if seen, _ := w.Ticket(id(opened)); seen.State != "new" {
		t.Errorf("state %s after a refused update", seen.State)
	}
	w.must("PUT", path, object{"state": "open", "preferences": object{"b": "2"}, "article": object{"body": "More"}})
	seen, _ := w.Ticket(id(opened))
	if seen.State != "open" || len(seen.Articles) != 2 || seen.Preferences["a"] != "1" || seen.Preferences["b"] != "2" {
		t.Errorf("after the update: %+v", seen)
	}
}

func TestAnArticlesPreferencesCannotBeChanged(t *testing.T) {
	w := newWorld(t)
	opened := w.must("POST", "/tickets", aTicket(nil))
	w.must("PUT", "/ticket_articles/1", object{"internal": true, "body": "Changed", "preferences": object{"delivery": "read"}})
	seen, _ := w.Ticket(id(opened))
	if a := seen.Articles[0]; !a.Internal || a.Body != "Hello" || len(a.Preferences) != 0 {
		t.Errorf("ticket_articles_controller.rb#update changes internal alone, but the article is %+v", a)
	}
}

func TestTheSearchIndexFollowsTheDatabase(t *testing.T) {
	w := newWorld(t)
	w.HoldIndex()
	opened := w.must("POST", "/tickets", aTicket(object{
		"customer": object{"login": "nicole", "mobile": "+491713920001"},
		"article":  object{"body": "Hello", "message_id": "wamid.1", "in_reply_to": "marker/1"}, "tags": "ours",
	}))
	// The MD5 sum of wamid.1.
	for _, query := range []string{
		"condition[article.message_id_md5][operator]=is&condition[article.message_id_md5][value]=" + md5OfWamid1,
		"condition[article.in_reply_to][operator]=is&condition[article.in_reply_to][value]=marker/1",
		"condition[ticket.tags][operator]=contains+all&condition[ticket.tags][value]=ours",
		"condition[customer.mobile][operator]=is&condition[customer.mobile][value]=%2B491713920001",
	} {
		if found := w.search(query); len(found) != 1 || found[0].(object)["id"] != opened["id"] {
			t.Errorf("the database does not find the ticket by %s: %v", query, found)
		}
	}
	if found := w.search("query=Hello"); len(found) != 0 {
		t.Errorf("the index knows already: %v", found)
	}
	if _, users := w.call("GET", "/users/search?query=491713920001", nil); len(users.([]any)) != 0 {
		t.Errorf("the index knows already: %v", users)
	}
	w.ReleaseIndex()
	if found := w.search("query=Hello"); len(found) != 1 {
		t.Error("the index does not find the ticket")
	}
	if _, users := w.call("GET", "/users/search?query=491713920001", nil); len(users.([]any)) != 1 {
		t.Error("the index does not find the customer")
	}
}

func TestASearchIsAnsweredAsTheVersionDoes(t *testing.T) {
	w := newWorld(t, zammadtest.WithVersion("6.4.1"))
	opened := w.must("POST", "/tickets", aTicket(nil))
	if found := w.must("GET", "/tickets/search?query=Hello", nil)["tickets"].([]any); len(found) != 1 || found[0] != opened["id"] {
		t.Errorf("found %v", found)
	}
	if found := w.search("query=Hello&expand=true"); len(found) != 1 {
		t.Errorf("found %v", found)
	}
}

func TestASearchIsPagedInTheOrderThatIsAskedFor(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.must("POST", "/tickets", aTicket(object{"tags": "ours"}))
	}
	const ours = "expand=true&condition[ticket.tags][operator]=contains+all&condition[ticket.tags][value]=ours&"
	for query, want := range map[string][]float64{
		"sort_by=id&order_by=asc&limit=2":                        {1, 2},
		"sort_by=id&order_by=asc&limit=2&page=3":                 {5},
		"sort_by=id&order_by=asc&limit=2&page=4":                 {},
		"sort_by=id&order_by=asc&limit=4&per_page=3&page=2":      {4, 5},
		"sort_by=updated_at,id&order_by=asc,desc&limit=3":        {5, 4, 3},
		"sort_by=updated_at,id&order_by=asc,desc&limit=3&page=2": {2, 1},
		"sort_by=created_at,id&order_by=desc,asc&limit=4":        {1, 2, 3, 4},
	} {
		var got []float64
		for _, found := range w.search(ours + query) {
			got = append(got, found.(object)["id"].(float64))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	w.refused("GET", "/tickets/search?sort_by=nothing", nil, http.StatusInternalServerError, "Found invalid column 'nothing'")
}

func TestMerging(t *testing.T) {
	w := newWorld(t)
	source, target := w.must("POST", "/tickets", aTicket(nil)), w.must("POST", "/tickets", aTicket(nil))
	w.must("PUT", "/ticket_merge/"+jsonNumber(source["id"])+"/"+target["number"].(string), nil)
	from, _ := w.Ticket(id(source))
	into, _ := w.Ticket(id(target))
	if from.State != "merged" || len(into.Articles) != 2 || len(from.Articles) != 1 {
		t.Fatalf("after merging: %+v and %+v", from, into)
	}
	// Ticket#merge_to leaves a public note of the sender Agent behind.
	if left := from.Articles[0]; left.Body != "merged" || left.Internal || left.Sender != "Agent" {
		t.Errorf("what is left: %+v", left)
	}
	var lines []string
	for _, path := range []object{source, target} {
		for _, line := range w.must("GET", "/ticket_history/"+jsonNumber(path["id"]), nil)["history"].([]any) {
			line := line.(object)
			lines = append(lines, line["type"].(string)+" "+line["object"].(string)+" "+jsonNumber(line["o_id"]))
		}
	}
	want := "created Ticket 1|created Ticket::Article 1|merged_into Ticket 1|updated Ticket 1|created Ticket::Article 3|" +
		"created Ticket 2|created Ticket::Article 2|received_merge Ticket 2"
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("history %s, want %s", got, want)
	}
	w.refused("PUT", "/ticket_merge/2/"+source["number"].(string), nil, 422, "already merged")
}

func TestATicketIsNotOpenToDeletionByAgents(t *testing.T) {
	w := newWorld(t)
	opened := w.must("POST", "/tickets", aTicket(nil))
	w.refused("DELETE", "/tickets/"+jsonNumber(opened["id"]), nil, 403, "Not authorized")
	w.Agent(w.agent).Deletes(id(opened))
	w.refused("GET", "/tickets/"+jsonNumber(opened["id"]), nil, 404, "Couldn't find Ticket")
}

func TestARequestThatIsTooLargeIsTheProxys(t *testing.T) {
	w := newWorld(t, zammadtest.WithMaxBody(1000))
	status, page := w.call("POST", "/tickets", aTicket(object{"title": strings.Repeat("x", 1000)}))
	if text, _ := page.(string); status != 413 || !strings.Contains(text, "<html>") {
		t.Errorf("%d %v", status, page)
	}
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.Fail(zammadtest.Failure{Endpoint: zammadtest.PostTickets, Times: 1, CloseConnection: true, AfterEffect: true})
	if status, _ := w.call("POST", "/tickets", aTicket(nil)); status != 0 || len(w.Tickets()) != 1 {
		t.Errorf("a lost answer: status %d, %d tickets", status, len(w.Tickets()))
	}
	w.Fail(zammadtest.Failure{Times: 1, Status: 502})
	if status, _ := w.call("POST", "/tickets", aTicket(nil)); status != 502 || len(w.Tickets()) != 1 {
		t.Errorf("a failure: status %d, %d tickets", status, len(w.Tickets()))
	}
	w.GoDown()
	if status, _ := w.call("GET", "/users/me", nil); status != 0 {
		t.Errorf("down, and answers %d", status)
	}
	w.Heal()
	w.must("GET", "/users/me", nil)
	if got := w.Count(zammadtest.PostTickets); got != 2 {
		t.Errorf("%d calls are on record", got)
	}
}

func TestAttachmentsAreReadWithTheirTicketAndArticle(t *testing.T) {
	w := newWorld(t)
	opened := w.must("POST", "/tickets", aTicket(nil))
	w.Agent(w.agent).Writes(id(opened), zammadtest.Note{Body: "See", Files: []zammadtest.File{{Name: "a.txt", MIMEType: "text/plain", Content: []byte("content")}}})
	if _, content := w.call("GET", "/ticket_attachment/1/2/1", nil); content != "content" {
		t.Errorf("got %v", content)
	}
	w.refused("GET", "/ticket_attachment/1/1/1", nil, 403, "does not belong to the specified article")
}
