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
	// Names are the members and parameters of the last request.
	Names []string
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
	body, err := readBody(request)
	if err != nil {
		return nil, err
	}
	if p.Repair != nil {
		if body, err = repair(body, p.Repair); err != nil {
			return nil, err
		}
	}
	if p.Names, err = namesIn(request, body); err != nil {
		return nil, err
	}
	request.Body, request.ContentLength = http.NoBody, 0
	if len(body) > 0 {
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
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

func readBody(request *http.Request) ([]byte, error) {
	if request.Body == nil {
		return nil, nil
	}
	defer func() { _ = request.Body.Close() }()
	return io.ReadAll(request.Body)
}

func repair(body []byte, change func(map[string]any)) ([]byte, error) {
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, fmt.Errorf("the request has no JSON body to repair: %w", err)
	}
	change(members)
	return json.Marshal(members)
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
