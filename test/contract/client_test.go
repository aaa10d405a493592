//go:build contract

package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// TestClientKeepsTheContract makes every call against Prism: the request must
// be valid by Meta's document (or break it exactly as known), and the client
// must have read from the answer what is in it, errors included.
func TestClientKeepsTheContract(t *testing.T) {
	servers := map[string]server{}
	accepted, known, refused := 0, 0, 0
	for _, o := range operations {
		if o.document == "" {
			o.document = phoneSlice
		}
		where, started := servers[o.document]
		if !started {
			document := openAPI(t, o.document)
			where = server{base: startPrism(t, document), names: vocabularyOf(t, document)}
			servers[o.document] = where
		}
		t.Run(o.name, func(t *testing.T) {
			if o.known != nil {
				checkKnown(t, where.base, o)
				known++
			}
			checkAccepted(t, where, o)
			accepted++
		})
		for _, e := range o.errors {
			t.Run(fmt.Sprintf("%s/error %d %s", o.name, e.status, e.example), func(t *testing.T) {
				checkError(t, where.base, o, e)
				refused++
			})
		}
	}
	t.Logf("%d calls accepted, %d of them but for a known difference; %d errors decoded", accepted, known, refused)
}

// A server is a document that Prism serves.
type server struct {
	base  string
	names vocabulary
}

// run makes the call of an operation through a tap, which is used once.
func run(t *testing.T, base string, o operation, passing *tap) (decoded, error) {
	t.Helper()
	client, err := cloudapi.NewClient(cloudapi.Options{BaseURL: base, HTTPClient: &http.Client{Transport: passing, Timeout: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	found, err := o.call(t.Context(), client)
	if passing.Requests != 1 {
		t.Fatalf("the call made %d requests, want 1: %v", passing.Requests, err)
	}
	return found, err
}

// checkKnown makes sure that a known difference is still one: once the document
// accepts the request, there is nothing to make an exception for.
func checkKnown(t *testing.T, base string, o operation) {
	t.Helper()
	passing := &tap{}
	if _, err := run(t, base, o, passing); err == nil {
		t.Error("the request is accepted as it is: take the known difference out, here and in docs/contract.md")
	}
	if !slices.Contains(passing.Violations, o.known.violation) {
		t.Errorf("the request is not refused for the known difference, %q, but for:\n%s", o.known.violation, strings.Join(passing.Violations, "\n"))
	}
}

func checkAccepted(t *testing.T, where server, o operation) {
	t.Helper()
	passing := &tap{}
	if o.example != "" {
		passing.Prefer = "example=" + o.example
	}
	if o.known != nil {
		passing.Repair = o.known.repair
	}
	found, err := run(t, where.base, o, passing)
	if len(passing.Violations) > 0 {
		t.Fatalf("the request is not valid:\n%s", strings.Join(passing.Violations, "\n"))
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, passing.Answer)
	}
	if unknown := where.names.unknown(passing.Names); len(unknown) > 0 {
		t.Errorf("names in the request that are nowhere in the document: %s", strings.Join(unknown, ", "))
	}
	if len(found) == 0 {
		t.Error("the call returns nothing to compare with the answer")
	}
	checkDecoded(t, passing.Answer, found)
}

func checkError(t *testing.T, base string, o operation, e forced) {
	t.Helper()
	passing := &tap{Prefer: "code=" + strconv.Itoa(e.status)}
	if e.example != "" {
		passing.Prefer += ", example=" + e.example
	}
	if o.known != nil {
		passing.Repair = o.known.repair
	}
	_, err := run(t, base, o, passing)
	var refusal *cloudapi.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("want an error of the Graph API, got %v\n%s", err, passing.Answer)
	}
	found := decoded{
		"error.message":    refusal.Message,
		"error.type":       refusal.Type,
		"error.fbtrace_id": refusal.TraceID,
		"error.code":       strconv.Itoa(refusal.Code),
	}
	if refusal.Subcode != 0 {
		found["error.error_subcode"] = strconv.Itoa(refusal.Subcode)
	}
	checkDecoded(t, passing.Answer, found)
	if refusal.HTTPStatus != e.status {
		t.Errorf("the status is %d, want %d", refusal.HTTPStatus, e.status)
	}
	if got := cloudapi.ClassOf(err); got != e.class {
		t.Errorf("the class of %q is %s, want %s", refusal.Message, got, e.class)
	}
	if strings.Contains(err.Error(), string(token)) {
		t.Error("the error holds the token")
	}
}

// checkDecoded compares what the client read with the answer itself.
func checkDecoded(t *testing.T, body []byte, found decoded) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var answer any
	if err := decoder.Decode(&answer); err != nil {
		t.Fatal(err)
	}
	for path, got := range found {
		if want := at(answer, path); got != want {
			t.Errorf("%s is %q in the answer, the client read %q", path, want, got)
		}
	}
}

// at returns what a JSON value has at a path such as "data.0.id", as text, which
// is empty where it has nothing.
func at(value any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		switch node := value.(type) {
		case map[string]any:
			value = node[name]
		case []any:
			index, err := strconv.Atoi(name)
			if err != nil || index >= len(node) {
				return ""
			}
			value = node[index]
		default:
			return ""
		}
	}
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
