package zammadtest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// searchTickets is GET and POST /api/v1/tickets/search. With a query it asks the search index; with a condition alone
// it asks the database, which knows everything at once (app/models/concerns/can_search.rb).
// The answer lists tickets, as for every resource (application_controller/renders_models.rb#model_search_render); that of
// versions before 6.5 has their IDs.
func (s *Server) searchTickets(c *call) (int, any, *apiError) {
	if failed := c.need("ticket.agent", "ticket.customer"); failed != nil {
		return 0, nil, failed
	}
	query := text(c.parameters["query"])
	condition, _ := c.parameters["condition"].(map[string]any)
	var found []*ticket
	for _, t := range s.tickets {
		switch {
		case !c.access(t.GroupID):
			continue
		case query != "":
			if !s.indexedTickets[t.ID] || !s.inIndex(t, query) {
				continue
			}
		default:
			fits, failed := s.fits(t, condition, change{})
			if failed != nil {
				return 0, nil, failed
			}
			if !fits {
				continue
			}
		}
		found = append(found, t)
	}
	found, failed := ordered(found, c.parameters)
	if failed != nil {
		return 0, nil, failed
	}
	if c.flag("expand") || !s.olderThan("6.5") {
		list := []any{}
		for _, t := range found {
			body := s.ticketBody(t)
			if c.flag("expand") {
				body["state"] = nameOf(stateNames, t.StateID)
			}
			list = append(list, body)
		}
		return http.StatusOK, list, nil
	}
	ids := []int{}
	bodies := map[string]any{}
	for _, t := range found {
		ids = append(ids, t.ID)
		bodies[strconv.Itoa(t.ID)] = s.ticketBody(t)
	}
	return http.StatusOK, map[string]any{"tickets": ids, "tickets_count": len(ids), "assets": map[string]any{"Ticket": bodies}}, nil
}

// longestPage is how many tickets a search lists at most (tickets_controller.rb#search).
const longestPage = 200

// ordered returns the page of what was found that is asked for, in the order that is asked for (can_paginate/pagination.rb
// and lib/sql_helper.rb). What is equal in that order a database gives in any order, and not in the same for every page.
func ordered(found []*ticket, parameters map[string]any) ([]*ticket, *apiError) {
	page := max(number(parameters["page"]), 1)
	if page%2 == 0 {
		slices.Reverse(found)
	}
	columns := strings.Split(cmp.Or(text(parameters["sort_by"]), "updated_at"), ",")
	directions := strings.Split(cmp.Or(text(parameters["order_by"]), "desc"), ",")
	for _, column := range columns {
		if ticketAttribute(&ticket{}, column) == "" {
			return nil, &apiError{http.StatusInternalServerError, "Found invalid column '" + column + "' for sorting.", true}
		}
	}
	slices.SortStableFunc(found, func(a, b *ticket) int {
		for i, column := range columns[:min(len(columns), len(directions))] {
			by := compareColumn(a, b, column)
			if directions[i] == "desc" {
				by = -by
			}
			if by != 0 {
				return by
			}
		}
		return 0
	})
	size := min(cmp.Or(number(parameters["per_page"]), number(parameters["limit"]), 50), longestPage)
	found = found[min((page-1)*size, len(found)):]
	return found[:min(size, len(found))], nil
}

func compareColumn(a, b *ticket, column string) int {
	switch column {
	case "id":
		return cmp.Compare(a.ID, b.ID)
	case "created_at":
		return a.CreatedAt.Compare(b.CreatedAt)
	case "updated_at":
		return a.UpdatedAt.Compare(b.UpdatedAt)
	}
	return strings.Compare(ticketAttribute(a, column), ticketAttribute(b, column))
}

// inIndex tells whether a ticket has a word of the query in its number, title or articles.
func (s *Server) inIndex(t *ticket, query string) bool {
	query = strings.ToLower(strings.Trim(query, `"`))
	words := []string{t.Number, t.Title}
	for _, a := range s.articlesOf(t.ID) {
		words = append(words, a.Body)
	}
	return strings.Contains(strings.ToLower(strings.Join(words, " ")), query)
}

// fits tells whether a ticket meets a condition of names, operators and values, all of them. What changes tells what a
// trigger looks at; a search has none.
func (s *Server) fits(t *ticket, condition map[string]any, changed change) (bool, *apiError) {
	articles := s.articlesOf(t.ID)
	if changed.kind != "" {
		// lib/selector/sql.rb: a trigger's conditions on articles are about the new one, and without one never met.
		articles = nil
		if changed.article != nil {
			articles = []*article{changed.article}
		}
	}
	var ofArticle []func(*article) bool
	for name, value := range condition {
		given, ok := value.(map[string]any)
		if !ok {
			return false, unprocessable("Invalid condition %q", name)
		}
		table, attribute, _ := strings.Cut(name, ".")
		met := true
		switch {
		case name == "ticket.action":
			met = (changed.kind == text(given["value"])) == (given["operator"] == "is")
		case name == "article.action":
			met = (changed.article != nil) == (given["operator"] == "is")
		case given["operator"] == "has changed":
			met = slices.Contains(changed.attributes, attribute)
		case name == "ticket.tags":
			met = hasTags(t, given)
		case table == "article":
			ofArticle = append(ofArticle, func(a *article) bool { return compare(articleAttribute(a, attribute), given, s.clock.Now()) })
		case table == "ticket":
			met = compare(ticketAttribute(t, attribute), given, s.clock.Now())
		case table == "customer":
			met = compare(s.customerAttribute(t, attribute), given, s.clock.Now())
		default:
			return false, unprocessable("invalid selector %s, %s", table, attribute)
		}
		if !met {
			return false, nil
		}
	}
	// One join serves all conditions on articles: one article has to meet all.
	return len(ofArticle) == 0 || slices.ContainsFunc(articles, func(a *article) bool {
		return !slices.ContainsFunc(ofArticle, func(met func(*article) bool) bool { return !met(a) })
	}), nil
}

func hasTags(t *ticket, given map[string]any) bool {
	has := func(tag string) bool { return slices.Contains(t.Tags, strings.TrimSpace(tag)) }
	wanted := strings.Split(text(given["value"]), ",")
	switch given["operator"] {
	case "contains all":
		return !slices.ContainsFunc(wanted, func(tag string) bool { return !has(tag) })
	case "contains one":
		return slices.ContainsFunc(wanted, has)
	}
	return false
}

func articleAttribute(a *article, attribute string) string {
	return map[string]string{
		"message_id": a.MessageID, "message_id_md5": md5Of(a.MessageID), "in_reply_to": a.InReplyTo, "body": a.Body, "subject": a.Subject,
		"sender_id": strconv.Itoa(a.SenderID), "type_id": strconv.Itoa(a.TypeID), "internal": strconv.FormatBool(a.Internal),
		"created_by_id": strconv.Itoa(a.CreatedByID), "created_at": a.CreatedAt.Format(time.RFC3339Nano), "id": strconv.Itoa(a.ID),
	}[attribute]
}

func ticketAttribute(t *ticket, attribute string) string {
	return map[string]string{
		"id": strconv.Itoa(t.ID), "number": t.Number, "title": t.Title, "group_id": strconv.Itoa(t.GroupID),
		"state_id": strconv.Itoa(t.StateID), "customer_id": strconv.Itoa(t.CustomerID), "owner_id": strconv.Itoa(t.OwnerID),
		"created_at": t.CreatedAt.Format(time.RFC3339Nano), "updated_at": t.UpdatedAt.Format(time.RFC3339Nano),
	}[attribute]
}

func (s *Server) customerAttribute(t *ticket, attribute string) string {
	u := s.user(t.CustomerID)
	return map[string]string{"id": strconv.Itoa(u.ID), "login": u.Login, "mobile": u.Mobile, "phone": u.Phone, "email": u.Email}[attribute]
}

// relativeRanges are the units of relative times (lib/selector/sql.rb).
var relativeRanges = map[string]time.Duration{
	"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour,
}

// compare applies an operator. Values are texts or lists of texts.
func compare(actual string, given map[string]any, now time.Time) bool {
	var values []string
	if list, ok := given["value"].([]any); ok {
		for _, v := range list {
			values = append(values, literal(v))
		}
	} else {
		values = []string{literal(given["value"])}
	}
	switch given["operator"] {
	case "is", "is any of":
		return slices.Contains(values, actual)
	case "is not", "is none of":
		return !slices.Contains(values, actual)
	case "contains":
		return strings.Contains(strings.ToLower(actual), strings.ToLower(values[0]))
	case "starts with":
		return strings.HasPrefix(strings.ToLower(actual), strings.ToLower(values[0]))
	case "after (absolute)", "before (absolute)":
		at, err1 := time.Parse(time.RFC3339Nano, actual)
		limit, err2 := time.Parse(time.RFC3339, values[0])
		// Both include the time itself.
		side := at.Compare(limit)
		return err1 == nil && err2 == nil && (side == 0 || (side > 0) == (given["operator"] == "after (absolute)"))
	case "within last (relative)":
		at, err := time.Parse(time.RFC3339Nano, actual)
		count, _ := strconv.Atoi(values[0])
		return err == nil && !at.Before(now.Add(-time.Duration(count)*relativeRanges[text(given["range"])]))
	}
	return false
}

func literal(value any) string {
	if b, ok := value.(bool); ok {
		return strconv.FormatBool(b)
	}
	return text(value)
}
