// Package zammadtest is Zammad for tests and demonstrations, as net/http/httptest is HTTP: groups, users and tokens;
// the calls of the REST API that a bridge to another channel makes, answered as Zammad answers them; triggers and
// webhooks; and agents, whose work rings those.
//
//	sim := zammadtest.NewServer()
//	defer sim.Close()
//	group := sim.AddGroup("2nd Level")
//	agent := sim.AddAgent("Emma", "Taylor", group)
//	token := sim.IssueToken(agent, "ticket.agent", "admin.webhook", "admin.trigger")
//	…
//	sim.Agent(agent).Replies(ticketID, "Hello")
//
// What a call changes is changed whole or not at all, as in the transactions of the original. Everything is in the
// database at once; the search index, which answers free text, follows when a test says so, see [Server.HoldIndex].
//
// Webhooks go out as Zammad's job sends them: five attempts, 10, 20, 30 and 40 seconds of the clock apart, and then
// never again. [Server.Fail] makes calls fail, before or after they had their effect.
//
// Behaviour is Zammad's own, as far as its source and its documentation tell. Comments name the file of
// github.com/zammad/zammad in which it can be read.
package zammadtest
