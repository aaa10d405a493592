package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/whatsapp-operator/whatsapp-operator/test/simulator"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

// control is the control API of a simulator.
type control struct {
	sim *zammadtest.Server
	// agent is the agent whom it plays, and bot the user whom tokens belong to.
	agent  zammadtest.Agent
	bot    int
	groups []int
}

func newControl(sim *zammadtest.Server, groups []string) *control {
	c := &control{sim: sim}
	for _, name := range groups {
		c.groups = append(c.groups, sim.AddGroup(name))
	}
	c.agent = sim.Agent(sim.AddAgent("Emma", "Taylor", c.groups...))
	c.bot = sim.AddAgent("WhatsApp", "Channel", c.groups...)
	sim.MakeAdmin(c.bot)
	return c
}

func (c *control) routes() []simulator.Route {
	return []simulator.Route{
		{Pattern: "GET /tickets", Summary: "all tickets with their articles", Handle: c.tickets},
		{Pattern: "GET /tickets/{id}", Summary: "one of them", Handle: c.ticket},
		{Pattern: "POST /tickets/{id}/articles", Summary: `the agent writes: {"body":"Hello","plain":true}`, Handle: c.write},
		{Pattern: "PUT /tickets/{id}/state", Summary: `the agent sets a state: {"state":"closed"}`, Handle: c.setState},
		{Pattern: "POST /tickets/{id}/merge", Summary: `the agent merges it into another: {"into":8}`, Handle: c.merge},
		{Pattern: "DELETE /tickets/{id}", Summary: "an administrator deletes it", Handle: c.deleteTicket},
		{Pattern: "GET /customers", Summary: "the customers", Handle: c.customers},
		{Pattern: "GET /hooks", Summary: "the webhooks and triggers that were set up", Handle: c.hooks},
		{Pattern: "GET /deliveries", Summary: "the webhooks sent, with every attempt", Handle: c.deliveries},
		{Pattern: "GET /requests", Summary: "the calls made to the REST API", Handle: c.requests},
		{Pattern: "POST /tokens", Summary: `makes an access token valid: {"value":"…","permissions":[…]}`, Handle: c.setToken},
		{Pattern: "POST /tokens/revoke", Summary: `makes one invalid: {"value":"…"}`, Handle: c.revokeToken},
		{Pattern: "POST /groups", Summary: `adds a group: {"name":"Sales"}`, Handle: c.addGroup},
		{Pattern: "POST /failures", Summary: `lets calls fail: {"endpoint":"…","status":502,"times":1}`, Handle: c.fail},
		{Pattern: "POST /down", Summary: "answers nothing any more", Handle: c.goDown},
		{Pattern: "DELETE /failures", Summary: "takes all failures back, and answers again", Handle: c.heal},
	}
}

// ticketOf finds the ticket that a call names.
func (c *control) ticketOf(r *http.Request) (zammadtest.Ticket, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return zammadtest.Ticket{}, errors.New("the ticket's ID must be a number")
	}
	t, found := c.sim.Ticket(id)
	if !found {
		return t, simulator.NotFoundError{What: fmt.Sprintf("ticket %d", id)}
	}
	return t, nil
}

func (c *control) tickets(*http.Request) (any, error) {
	return simulator.OrEmpty(c.sim.Tickets()), nil
}

func (c *control) ticket(r *http.Request) (any, error) { return c.ticketOf(r) }

func (c *control) write(r *http.Request) (any, error) {
	t, err := c.ticketOf(r)
	if err != nil {
		return nil, err
	}
	var note zammadtest.Note
	if err := simulator.Decode(r, &note); err != nil {
		return nil, err
	}
	if note.Body == "" && len(note.Files) == 0 {
		return nil, errors.New(`"body" or "files" is needed`)
	}
	return map[string]int{"id": c.agent.Writes(t.ID, note)}, nil
}

func (c *control) setState(r *http.Request) (any, error) {
	t, err := c.ticketOf(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		State string `json:"state"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if !c.agent.Sets(t.ID, in.State) {
		return nil, fmt.Errorf("there is no state %q", in.State)
	}
	return simulator.Done, nil
}

func (c *control) merge(r *http.Request) (any, error) {
	t, err := c.ticketOf(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Into int `json:"into"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if _, found := c.sim.Ticket(in.Into); !found {
		return nil, simulator.NotFoundError{What: fmt.Sprintf("ticket %d", in.Into)}
	}
	c.agent.Merges(t.ID, in.Into)
	return simulator.Done, nil
}

func (c *control) deleteTicket(r *http.Request) (any, error) {
	t, err := c.ticketOf(r)
	if err != nil {
		return nil, err
	}
	c.agent.Deletes(t.ID)
	return simulator.Done, nil
}

func (c *control) customers(*http.Request) (any, error) {
	return simulator.OrEmpty(c.sim.Customers()), nil
}

func (c *control) hooks(*http.Request) (any, error) {
	return map[string]any{
		"webhooks": simulator.OrEmpty(c.sim.Webhooks()), "triggers": simulator.OrEmpty(c.sim.Triggers()),
	}, nil
}

func (c *control) deliveries(*http.Request) (any, error) {
	return simulator.OrEmpty(c.sim.Deliveries()), nil
}

func (c *control) requests(*http.Request) (any, error) {
	return simulator.OrEmpty(c.sim.Requests()), nil
}

func (c *control) setToken(r *http.Request) (any, error) {
	var in struct {
		Value       string   `json:"value"`
		Permissions []string `json:"permissions"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if in.Value == "" {
		return nil, errors.New(`"value" is needed`)
	}
	c.sim.SetToken(in.Value, c.bot, in.Permissions...)
	return simulator.Done, nil
}

func (c *control) revokeToken(r *http.Request) (any, error) {
	var in struct {
		Value string `json:"value"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	c.sim.RevokeToken(in.Value)
	return simulator.Done, nil
}

func (c *control) addGroup(r *http.Request) (any, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, errors.New(`"name" is needed`)
	}
	c.groups = append(c.groups, c.sim.AddGroup(in.Name))
	c.sim.SetGroups(c.bot, c.groups...)
	return simulator.Done, nil
}

func (c *control) fail(r *http.Request) (any, error) {
	var in struct {
		Endpoint        zammadtest.Endpoint `json:"endpoint"`
		Times           int                 `json:"times"`
		Status          int                 `json:"status"`
		Hang            bool                `json:"hang"`
		CloseConnection bool                `json:"closeConnection"`
		AfterEffect     bool                `json:"afterEffect"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if !in.Hang && !in.CloseConnection && (in.Status < 300 || in.Status > 599) {
		return nil, errors.New(`one of "status", from 300 to 599, "hang" and "closeConnection" is needed`)
	}
	c.sim.Fail(zammadtest.Failure{
		Endpoint: in.Endpoint, Times: in.Times, Status: in.Status, Hang: in.Hang, CloseConnection: in.CloseConnection, AfterEffect: in.AfterEffect,
	})
	return simulator.Done, nil
}

func (c *control) goDown(*http.Request) (any, error) {
	c.sim.GoDown()
	return simulator.Done, nil
}

func (c *control) heal(*http.Request) (any, error) {
	c.sim.Heal()
	return simulator.Done, nil
}
