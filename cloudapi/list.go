package cloudapi

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"strconv"
)

const (
	pageSize = 100
	// maxPages ends a listing that never ends by itself.
	maxPages = 50
)

// ErrTooManyPages means that a listing did not come to an end, because it is
// implausibly long or because its cursors go round in a circle.
var ErrTooManyPages = errors.New("the listing does not come to an end")

// list reads all pages of an edge. It follows cursors and not the "next" URL,
// which holds the access token and could point anywhere.
func list[T any](ctx context.Context, c *Client, in call) ([]T, error) {
	var all []T
	seen := map[string]bool{}
	query := url.Values{}
	maps.Copy(query, in.query)
	query.Set("limit", strconv.Itoa(pageSize))
	in.query = query
	for range maxPages {
		var page struct {
			Data   []T `json:"data"`
			Paging struct {
				Cursors struct {
					After string `json:"after"`
				} `json:"cursors"`
				Next string `json:"next"`
			} `json:"paging"`
		}
		if err := c.do(ctx, in, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		after := page.Paging.Cursors.After
		// The last page has a cursor too, but no "next"; some answers leave
		// "next" out of full pages as well.
		last := page.Paging.Next == "" && len(page.Data) < pageSize
		if after == "" || len(page.Data) == 0 || last {
			return all, nil
		}
		if seen[after] {
			return nil, ErrTooManyPages
		}
		seen[after] = true
		query.Set("after", after)
	}
	return nil, ErrTooManyPages
}
