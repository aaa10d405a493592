//go:build contract

package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

// A vocabulary is the names of all members and parameters in a document. Prism
// passes optional members that the document does not know, so a misspelt one
// would go unseen.
type vocabulary map[string]bool

func vocabularyOf(t *testing.T, document string) vocabulary {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	// Meta documents it for all calls, in a guide of its own.
	names := vocabulary{"appsecret_proof": true}
	names.learn(root)
	return names
}

func (v vocabulary) learn(node any) {
	switch node := node.(type) {
	case map[string]any:
		if properties, ok := node["properties"].(map[string]any); ok {
			for name := range properties {
				v[name] = true
			}
		}
		if name, ok := node["name"].(string); ok && node["in"] != nil {
			v[name] = true
		}
		for _, child := range node {
			v.learn(child)
		}
	case []any:
		for _, child := range node {
			v.learn(child)
		}
	}
}

// unknown returns the names that the document does not use anywhere.
func (v vocabulary) unknown(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return v[name] })
}

// namesIn returns the names of a request's query parameters, form fields and
// JSON members.
func namesIn(request *http.Request, body []byte) ([]string, error) {
	names := slices.Collect(maps.Keys(request.URL.Query()))
	kind, parameters, _ := mime.ParseMediaType(request.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		var content any
		if err := json.Unmarshal(body, &content); err != nil {
			return nil, err
		}
		return append(names, members(content)...), nil
	case "multipart/form-data":
		parts := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
		for {
			part, err := parts.NextPart()
			if err == io.EOF {
				return names, nil
			}
			if err != nil {
				return nil, err
			}
			names = append(names, part.FormName())
		}
	}
	return names, nil
}

func members(content any) []string {
	var names []string
	switch content := content.(type) {
	case map[string]any:
		for name, value := range content {
			names = append(append(names, name), members(value)...)
		}
	case []any:
		for _, value := range content {
			names = append(names, members(value)...)
		}
	}
	return names
}
