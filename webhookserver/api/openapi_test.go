package api_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/api"
)

// contract is the documented API. The server of every test of this package is held to it.
type contract struct {
	t     *testing.T
	paths map[string]map[string]operation
	// compiler knows the document under the name documentURL.
	compiler *jsonschema.Compiler
	document map[string]any
}

type operation struct {
	OperationID string `json:"operationId"`
	Parameters  []struct {
		Ref string `json:"$ref"`
	} `json:"parameters"`
	RequestBody *struct {
		Content map[string]content `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Ref     string             `json:"$ref"`
		Content map[string]content `json:"content"`
	} `json:"responses"`
}

type content struct {
	Schema struct {
		Ref string `json:"$ref"`
	} `json:"schema"`
}

const documentURL = "file:///openapi.json"

func newContract(t *testing.T) *contract {
	t.Helper()
	source, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{t: t, compiler: jsonschema.NewCompiler()}
	if err := yaml.Unmarshal(source, &c.document); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(c.document)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		OpenAPI string                          `json:"openapi"`
		Paths   map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(encoded, &read); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(read.OpenAPI, "3.1.") {
		t.Fatalf("the document is OpenAPI %s", read.OpenAPI)
	}
	c.paths = read.Paths
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err == nil {
		c.compiler.AssertFormat()
		err = c.compiler.AddResource(documentURL, resource)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// validate holds a JSON value to a schema of the document.
func (c *contract) validate(what, ref string, value []byte) {
	c.t.Helper()
	schema, err := c.compiler.Compile(documentURL + ref)
	if err != nil {
		c.t.Errorf("%s: %v", what, err)
		return
	}
	read, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err == nil {
		err = schema.Validate(read)
	}
	if err != nil {
		c.t.Errorf("%s is not as documented: %v", what, err)
	}
}

// quotedParameter is a parameter of a path in a regular expression.
var quotedParameter = regexp.MustCompile(`\\\{[a-z]+\\\}`)

// operation finds what is documented for a request.
func (c *contract) operation(r *http.Request) (operation, bool) {
	for path, operations := range c.paths {
		pattern := quotedParameter.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+")
		if regexp.MustCompile("^" + pattern + "$").MatchString(r.URL.EscapedPath()) {
			o, found := operations[strings.ToLower(r.Method)]
			return o, found
		}
	}
	return operation{}, false
}

// hold checks a request that was taken, and every answer.
func (c *contract) hold(r *http.Request, body []byte, status int, header http.Header, answer []byte) {
	c.t.Helper()
	what := r.Method + " " + r.URL.Path + " answered " + strconv.Itoa(status)
	o, found := c.operation(r)
	if !found {
		if status != http.StatusNotFound && status != http.StatusUnauthorized && status != http.StatusForbidden {
			c.t.Errorf("%s: there is no such operation in the document", what)
		}
		return
	}
	documented, found := o.Responses[strconv.Itoa(status)]
	if !found {
		c.t.Errorf("%s: this status is not documented for %s", what, o.OperationID)
		return
	}
	if status == http.StatusOK {
		c.holdRequest(what, o, r, body)
	}
	if documented.Ref != "" {
		c.validate(what, "#/components/schemas/Problem", answer)
		return
	}
	if one, isJSON := documented.Content["application/json"]; isJSON {
		if header.Get("Content-Type") != "application/json" {
			c.t.Errorf("%s: its content is %s", what, header.Get("Content-Type"))
		}
		c.validate(what, one.Schema.Ref, answer)
	}
}

// holdRequest checks that what the server takes is what the document says that it takes.
func (c *contract) holdRequest(what string, o operation, r *http.Request, body []byte) {
	c.t.Helper()
	if o.RequestBody == nil && len(body) > 0 {
		c.t.Errorf("%s: a body was taken that is not documented", what)
	}
	if o.RequestBody != nil && !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		if ref := o.RequestBody.Content["application/json"].Schema.Ref; ref != "" {
			c.validate("the request of "+what, ref, body)
		}
	}
	needsKey := false
	for _, p := range o.Parameters {
		needsKey = needsKey || strings.HasSuffix(p.Ref, "/key")
	}
	if needsKey && r.Header.Get("Idempotency-Key") == "" {
		c.t.Errorf("%s: it was done without the header that the document asks for", what)
	}
	for name := range r.URL.Query() {
		if !slices.ContainsFunc(o.Parameters, func(p struct {
			Ref string `json:"$ref"`
		}) bool {
			return strings.HasSuffix(p.Ref, "/"+name)
		}) {
			c.t.Errorf("%s: the parameter %s is not documented", what, name)
		}
	}
}

func TestTheDocumentHasTheServersRoutesAndNoOthers(t *testing.T) {
	var documented []string
	parameter := regexp.MustCompile(`\{[a-z]+\}`)
	for path, operations := range newContract(t).paths {
		for method := range operations {
			documented = append(documented, strings.ToUpper(method)+" "+parameter.ReplaceAllString(path, "{}"))
		}
	}
	var served []string
	for _, pattern := range api.Patterns() {
		if pattern != "/" {
			served = append(served, parameter.ReplaceAllString(pattern, "{}"))
		}
	}
	slices.Sort(documented)
	slices.Sort(served)
	if diff := cmp.Diff(documented, served); diff != "" {
		t.Errorf("the routes differ (-documented +served):\n%s", diff)
	}
}

func TestEverySchemaOfTheDocumentIsOne(t *testing.T) {
	c := newContract(t)
	components, _ := c.document["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	if len(schemas) == 0 {
		t.Fatal("the document has no schemas")
	}
	for name := range schemas {
		if _, err := c.compiler.Compile(documentURL + "#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	names := map[string]bool{}
	for path, operations := range c.paths {
		for _, o := range operations {
			if names[o.OperationID] || o.OperationID == "" {
				t.Errorf("%s: the operation's name %q is not its own", path, o.OperationID)
			}
			names[o.OperationID] = true
			for _, p := range o.Parameters {
				parameters, _ := components["parameters"].(map[string]any)
				if _, found := parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]; !found {
					t.Errorf("%s: there is no parameter %s", o.OperationID, p.Ref)
				}
			}
			for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
				if ref := o.Responses[status].Ref; ref != "" && ref != "#/components/responses/Problem"+status {
					t.Errorf("%s: the answer %s is %s", o.OperationID, status, ref)
				}
			}
		}
	}
}

// Every operation is asked for something that is not there, which each answers in its own way, as documented.
func TestEveryOperationAnswersAsDocumented(t *testing.T) {
	b := newBench(t)
	parameter := regexp.MustCompile(`\{[a-z]+\}`)
	for path, operations := range b.contract.paths {
		for method, o := range operations {
			body := ""
			if o.RequestBody != nil {
				body = `{"text":"Hello"}`
			}
			status, _ := b.do(strings.ToUpper(method), parameter.ReplaceAllString(path, "9"), "api", "key of "+o.OperationID, body)
			if needsSomething := strings.Contains(path, "{"); needsSomething != (status == http.StatusNotFound) && path != "/v1/webhooks" {
				t.Errorf("%s answers %d", o.OperationID, status)
			}
		}
	}
}
