package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// control is the control API of a simulator, which plays the people behind a service.
type control struct {
	client *http.Client
	url    string
}

func (c *control) call(ctx context.Context, method, path string, request, answer any) error {
	var body bytes.Buffer
	if request != nil {
		if err := json.NewEncoder(&body).Encode(request); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, &body)
	if err != nil {
		return err
	}
	if err := do(c.client, r, answer); err != nil {
		return fmt.Errorf("the simulator's control API: %w", err)
	}
	return nil
}
