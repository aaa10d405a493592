package cloudapitest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
)

// example reads an official example, and skips the test where there is none.
func example(t *testing.T, name string) map[string]any {
	t.Helper()
	root := os.Getenv("WHATSAPP_FIXTURES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "fixtures")
	}
	if _, err := os.Stat(filepath.Join(root, "graph")); err != nil {
		t.Skipf("SKIPPED: no sample data; set WHATSAPP_FIXTURES to its folder: %v", err)
	}
	content, err := os.ReadFile(filepath.Join(root, "graph", name+".json"))
	must(t, err)
	var decoded map[string]any
	must(t, json.Unmarshal(content, &decoded))
	return decoded
}

// shape lists the members of a JSON value with their types, the elements of a
// list taken together: "data[].id string".
func shape(value any) map[string]string {
	found := map[string]string{}
	describe(found, "", value)
	return found
}

func describe(found map[string]string, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			describe(found, strings.TrimPrefix(path+"."+name, "."), member)
		}
	case []any:
		found[path] = "list"
		for _, element := range v {
			describe(found, path+"[]", element)
		}
	case nil:
		// Null stands for any type.
	default:
		found[path] = fmt.Sprintf("%T", v)
	}
}

// raw makes a call as the client does and returns the answer as it is.
func (w *world) raw(t *testing.T, method, path, token, body string) (int, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, w.URL+"/v25.0"+path, strings.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	must(t, err)
	var decoded map[string]any
	must(t, json.Unmarshal(answer, &decoded))
	return response.StatusCode, decoded
}

// sameShape wants the answer to have every member of the example with its type,
// and none besides but those allowed.
func sameShape(t *testing.T, answer, example map[string]any, more ...string) {
	t.Helper()
	got, want := shape(answer), shape(example)
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if got[path] != want[path] {
			t.Errorf("%s is a %q, in the example a %q", path, got[path], want[path])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(got)) {
		if _, known := want[path]; !known && !slices.Contains(more, path) {
			t.Errorf("%s is not in the example", path)
		}
	}
}

func TestAnswersHaveTheShapeOfTheOfficialExamples(t *testing.T) {
	w := newWorld(t)
	w.connect(t)
	second := w.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: w.account, Username: "second"}).ID
	otherApp := w.AddApp(cloudapitest.App{})
	w.SubscribeAccount(w.account, otherApp.ID)
	empty := w.AddBusinessAccount(cloudapitest.BusinessAccount{}).ID
	hook := w.receiver.URL + "/waba"
	_, file := w.Customer("16505551234", "").SendsFile(w.number, cloudapitest.File{Kind: "image", MIMEType: "image/jpeg", Content: []byte("x")})
	const spec = "openapi-v23/"
	for _, test := range []struct {
		example, method, path, body string
		// more are members that other examples or Meta's pages show.
		more []string
	}{
		{example: spec + "get__WABA-ID-phone-numbers__resp200__multiple-phone-numbers", method: "GET", path: "/" + w.account + "/phone_numbers",
			more: []string{"paging.cursors.before"}},
		{example: spec + "get__WABA-ID-phone-numbers__resp200__single-phone-number", method: "GET", path: "/" + w.account + "/phone_numbers",
			more: []string{"paging.cursors.before", "paging.cursors.after"}},
		{example: spec + "get__WABA-ID-subscribed-apps__resp200__no-subscriptions", method: "GET", path: "/" + empty + "/subscribed_apps"},
		{example: spec + "get__WABA-ID-subscribed-apps__resp200__multiple-subscriptions", method: "GET", path: "/" + w.account + "/subscribed_apps"},
		{example: spec + "post__WABA-ID-subscribed-apps__resp200__basic-subscription-success", method: "POST", path: "/" + w.account + "/subscribed_apps", body: `{}`},
		{example: spec + "post__WABA-ID-subscribed-apps__resp200__custom-callback-success", method: "POST", path: "/" + w.account + "/subscribed_apps",
			body: fmt.Sprintf(`{"override_callback_uri":%q,"verify_token":%q}`, hook, verifyToken)},
		{example: "meta-docs-2026/get-subscribed-apps-with-override", method: "GET", path: "/" + w.account + "/subscribed_apps"},
		{example: "meta-docs-2026/get-phone-webhook-configuration", method: "GET", path: "/" + w.number + "?fields=webhook_configuration"},
		{example: "meta-docs-2026/get-messaging-limit", method: "GET", path: "/" + w.number + "?fields=whatsapp_business_manager_messaging_limit"},
		{example: spec + "get__Phone-Number-ID__resp200__default-response", method: "GET", path: "/" + w.number},
		{example: spec + "get__Phone-Number-ID__resp200__comprehensive-response", method: "GET", path: "/" + w.number},
		{example: spec + "get__Phone-Number-ID__resp200__with-verification-status", method: "GET", path: "/" + w.number},
		{example: spec + "post__Phone-Number-ID__resp200__settings-updated", method: "POST", path: "/" + second,
			body: `{"webhook_configuration":{"override_callback_uri":""}}`},
		{example: spec + "get__Media-ID__resp200__Retrieve-Media-URL", method: "GET", path: "/" + file},
		{example: "meta-docs-2026/send-response-phone", method: "POST", path: "/" + w.number + "/messages",
			body: `{"messaging_product":"whatsapp","to":"+16505551234","type":"text","text":{"body":"x"}}`},
		{example: spec + "post__Phone-Number-ID-messages__resp200__Example-response", method: "POST", path: "/" + w.number + "/messages",
			body: `{"messaging_product":"whatsapp","to":"+16505551234","type":"image","image":{"link":"https://example.com/a.png"}}`},
		{example: "meta-docs-2026/send-response-bsuid", method: "POST", path: "/" + w.number + "/messages",
			body: `{"messaging_product":"whatsapp","recipient":"US.13491208655302741918","type":"text","text":{"body":"x"}}`},
		{example: "meta-docs-2026/send-response-template-phone", method: "POST", path: "/" + w.number + "/messages",
			body: `{"messaging_product":"whatsapp","to":"+16505551234","type":"template","template":{"name":"x","language":{"code":"en_US"}}}`},
		{example: spec + "post__Phone-Number-ID-messages__resp200__Send-typing-indicator-and-read-receipt", method: "POST", path: "/" + w.number + "/messages",
			body: `{"messaging_product":"whatsapp","status":"read","message_id":"wamid.x"}`},
		{example: spec + "delete__WABA-ID-subscribed-apps__resp200__unsubscribe-success", method: "DELETE", path: "/" + w.account + "/subscribed_apps"},
	} {
		t.Run(filepath.Base(test.example), func(t *testing.T) {
			want := example(t, test.example)
			path := test.path
			if fields := fieldsOf(want); fields != "" && !strings.Contains(path, "fields=") {
				path += "?fields=" + fields
			}
			status, answer := w.raw(t, test.method, path, string(w.token), test.body)
			if status != http.StatusOK {
				t.Fatalf("status %d: %v", status, answer)
			}
			sameShape(t, answer, want, test.more...)
		})
	}
}

// fieldsOf returns which fields of a phone number an example shows, so that the
// same can be asked for.
func fieldsOf(example map[string]any) string {
	node := example
	if data, ok := example["data"].([]any); ok && len(data) > 0 {
		node, _ = data[0].(map[string]any)
	}
	if _, isNumber := node["display_phone_number"]; !isNumber {
		return ""
	}
	return strings.Join(slices.Sorted(maps.Keys(node)), ",")
}

// Members that only some error examples of one endpoint have.
var optionalInErrors = []string{"error.error_user_title", "error.error_user_msg", "error.error_subcode"}

func TestErrorsHaveTheShapeOfTheOfficialExamples(t *testing.T) {
	w := newWorld(t)
	w.connect(t)
	expired := w.IssueToken(cloudapitest.Token{AppID: w.app.ID, ExpiresAt: w.clock.Now().Add(time.Minute)})
	w.clock.Step(time.Hour)
	foreign := w.AddBusinessAccount(cloudapitest.BusinessAccount{}).ID
	elsewhere := w.IssueToken(cloudapitest.Token{AppID: w.app.ID, BusinessAccountIDs: []string{foreign}})
	for prefix, call := range map[string]struct{ method, object, suffix, body string }{
		"get__WABA-ID-phone-numbers":      {"GET", w.account, "/phone_numbers", ""},
		"get__WABA-ID-subscribed-apps":    {"GET", w.account, "/subscribed_apps", ""},
		"post__WABA-ID-subscribed-apps":   {"POST", w.account, "/subscribed_apps", ""},
		"delete__WABA-ID-subscribed-apps": {"DELETE", w.account, "/subscribed_apps", ""},
		"post__Phone-Number-ID":           {"POST", w.number, "", `{"webhook_configuration":{"override_callback_uri":""}}`},
	} {
		for status, attempt := range map[int]struct {
			token, object string
			fail          int
		}{
			400: {string(w.token), "abc", 0},
			401: {expired, call.object, 0},
			403: {elsewhere, call.object, 0},
			404: {string(w.token), "999999", 0},
			429: {string(w.token), call.object, 4},
			500: {string(w.token), call.object, 2},
		} {
			name := fmt.Sprintf("%s__resp%d", prefix, status)
			t.Run(name, func(t *testing.T) {
				want := example(t, "openapi-v23/"+name)
				if attempt.fail != 0 {
					defer w.Fail(cloudapitest.Failure{Code: attempt.fail})()
				}
				got, answer := w.raw(t, call.method, "/"+attempt.object+call.suffix, attempt.token, call.body)
				sameError(t, got, answer, status, want)
			})
		}
	}
	t.Run("get__Phone-Number-ID__resp401__missing-token", func(t *testing.T) {
		want := example(t, "openapi-v23/get__Phone-Number-ID__resp401__missing-token")
		got, answer := w.raw(t, "GET", "/"+w.number, "", "")
		sameError(t, got, answer, 401, want)
	})
	t.Run("get__Phone-Number-ID__resp429__business-rate-limit", func(t *testing.T) {
		want := example(t, "openapi-v23/get__Phone-Number-ID__resp429__business-rate-limit")
		defer w.Fail(cloudapitest.Failure{Code: 80007})()
		got, answer := w.raw(t, "GET", "/"+w.number, string(w.token), "")
		sameError(t, got, answer, 429, want)
	})
	t.Run("error-130429", func(t *testing.T) {
		want := example(t, "meta-docs-2026/error-130429")
		defer w.Fail(cloudapitest.Failure{Code: 130429})()
		got, answer := w.raw(t, "POST", "/"+w.number+"/messages", string(w.token), "{}")
		sameError(t, got, answer, 400, want)
	})
}

func sameError(t *testing.T, status int, answer map[string]any, wantStatus int, want map[string]any) {
	t.Helper()
	if status != wantStatus {
		t.Errorf("status %d, in the example %d: %v", status, wantStatus, answer)
	}
	sameShape(t, answer, want, optionalInErrors...)
	got, _ := answer["error"].(map[string]any)
	example, _ := want["error"].(map[string]any)
	for _, name := range []string{"code", "type"} {
		if got[name] != example[name] {
			t.Errorf("%s is %v, in the example %v", name, got[name], example[name])
		}
	}
}

func TestErrorsThatUsersObserved(t *testing.T) {
	w := newWorld(t)
	text := func(answer map[string]any) any {
		inner, _ := answer["error"].(map[string]any)
		return inner["message"]
	}
	override := fmt.Sprintf(`{"webhook_configuration":{"override_callback_uri":%q,"verify_token":%q}}`, w.receiver.URL, verifyToken)

	want := example(t, "observed-errors/100-before-override-not-subscribed")
	_, answer := w.raw(t, "POST", "/"+w.number, string(w.token), override)
	sameShape(t, answer, want)
	if text(answer) != text(want) {
		t.Errorf("message %q, observed %q", text(answer), text(want))
	}

	w.connect(t)
	w.receiver.handshake = http.NotFound
	want = example(t, "observed-errors/2200-callback-verification-failed")
	_, answer = w.raw(t, "POST", "/"+w.number, string(w.token), override)
	sameShape(t, answer, want)
	if text(answer) != text(want) {
		t.Errorf("message %q, observed %q", text(answer), text(want))
	}

	want = example(t, "observed-errors/190-463-token-expired")
	token := w.IssueToken(cloudapitest.Token{AppID: w.app.ID, ExpiresAt: w.clock.Now()})
	_, answer = w.raw(t, "GET", "/"+w.number, token, "")
	sameShape(t, answer, want)
}

func TestClientClassifiesTheOfficialErrors(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]cloudapi.Class{
		"openapi-v23/get__WABA-ID-phone-numbers__resp400":                                    cloudapi.ClassInvalidRequest,
		"openapi-v23/get__WABA-ID-phone-numbers__resp401":                                    cloudapi.ClassInvalidToken,
		"openapi-v23/get__WABA-ID-phone-numbers__resp403":                                    cloudapi.ClassPermission,
		"openapi-v23/get__WABA-ID-phone-numbers__resp404":                                    cloudapi.ClassNotFound,
		"openapi-v23/get__WABA-ID-phone-numbers__resp422":                                    cloudapi.ClassInvalidRequest,
		"openapi-v23/get__WABA-ID-phone-numbers__resp429":                                    cloudapi.ClassThrottled,
		"openapi-v23/get__WABA-ID-phone-numbers__resp500":                                    cloudapi.ClassTransient,
		"openapi-v23/get__Phone-Number-ID__resp401__missing-token":                           cloudapi.ClassInvalidToken,
		"openapi-v23/get__Phone-Number-ID__resp429__user-rate-limit":                         cloudapi.ClassThrottled,
		"openapi-v23/get__Phone-Number-ID__resp429__business-rate-limit":                     cloudapi.ClassThrottled,
		"openapi-v23/get__Phone-Number-ID__resp500__service-unavailable":                     cloudapi.ClassTransient,
		"meta-docs-2026/error-130429":                                                        cloudapi.ClassThroughput,
		"observed-errors/100-before-override-not-subscribed":                                 cloudapi.ClassNotSubscribed,
		"observed-errors/190-463-token-expired":                                              cloudapi.ClassInvalidToken,
		"observed-errors/2200-callback-verification-failed":                                  cloudapi.ClassCallbackVerification,
		"openapi-v23/post__Phone-Number-ID-marketing-messages__resp403__FeatureNotSupported": cloudapi.ClassPermission,
	} {
		body, err := json.Marshal(example(t, name))
		must(t, err)
		transport := canned(body)
		client, err := cloudapi.NewClient(cloudapi.Options{HTTPClient: &http.Client{Transport: transport}})
		must(t, err)
		_, err = client.PhoneNumbers(t.Context(), w.token, w.account)
		wantClass(t, name, err, want)
	}
}

// canned answers every call with the same body and status 400, as the class
// must come from the code.
type canned []byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusBadRequest, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(string(c))),
	}, nil
}
