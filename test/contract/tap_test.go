//go:build contract

package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// A tap sits between the client and Prism: it says which answer Prism is to
// give, and keeps what Prism thinks of the request.
type tap struct {
	// Prefer chooses Prism's answer, as in "code=429".
	Prefer string
	// Repair changes the request's JSON body on its way.
	Repair func(body map[string]any)
	// Requests counts the requests.
	Requests int
	// Violations are the places where the last request breaks the document.
	Violations []string
	// Answer is the body of the last answer.
	Answer []byte
}

// RoundTrip implements [http.RoundTripper].
func (p *tap) RoundTrip(request *http.Request) (*http.Response, error) {
	p.Requests++
	request = request.Clone(request.Context())
	if p.Prefer != "" {
		request.Header.Set("Prefer", p.Prefer)
	}
	if p.Repair != nil {
		if err := repair(request, p.Repair); err != nil {
			return nil, err
		}
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	p.Answer, err = io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(p.Answer))
	p.Violations, err = violations(response, p.Answer)
	return response, err
}

func repair(request *http.Request, change func(map[string]any)) error {
	var body map[string]any
	if err := json.NewDecoder(request.Body).Decode(&body); err != nil {
		return fmt.Errorf("the request has no JSON body to repair: %w", err)
	}
	change(body)
	changed, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request.Body = io.NopCloser(bytes.NewReader(changed))
	request.ContentLength = int64(len(changed))
	return nil
}

type violation struct {
	Location []string `json:"location"`
	Message  string   `json:"message"`
}

// violations are told in a header where the document has an answer to invalid
// requests, else in a body of Prism's own. Those of the answer are left out:
// some of the document's own examples break it.
func violations(response *http.Response, body []byte) ([]string, error) {
	var all []violation
	if header := response.Header.Get("Sl-Violations"); header != "" {
		if err := json.Unmarshal([]byte(header), &all); err != nil {
			return nil, fmt.Errorf("the violations cannot be read: %w", err)
		}
	}
	ofPrism := strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json")
	if ofPrism {
		var problem struct {
			Title      string      `json:"title"`
			Detail     string      `json:"detail"`
			Validation []violation `json:"validation"`
		}
		if err := json.Unmarshal(body, &problem); err != nil {
			return nil, fmt.Errorf("the problem cannot be read: %w", err)
		}
		all = append(all, problem.Validation...)
		if len(problem.Validation) == 0 {
			all = append(all, violation{Message: problem.Title + ": " + problem.Detail})
		}
	}
	var found []string
	for _, v := range all {
		if len(v.Location) > 0 && v.Location[0] == "response" {
			continue
		}
		found = append(found, v.Message)
	}
	return found, nil
}
