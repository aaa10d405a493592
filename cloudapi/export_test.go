package cloudapi

import "time"

// WithStall returns a client that gives up transfers which stand still for so long.
func (c *Client) WithStall(after time.Duration) *Client {
	impatient := *c
	impatient.stall = after
	return &impatient
}
