// Package crash kills the receiver wherever it can die, and checks that nobody notices.
//
// A run plays one story against a receiver that works on a real store, with a clock that the run turns: a customer
// writes and sends a picture, an agent replies and sends files, time passes until the reminder, the agent closes the
// ticket, the customer writes again and gets an answer. What is outside is patient, as it is in life: Meta posts a
// webhook until it is taken, and now and then once more; the agent replies until the reply is taken. What is inside is
// not spared. At the points that Faults names a process dies: before or after a commit, before or after a remote call.
// Answers of remote calls get lost, and WhatsApp keeps statuses to itself. Each time the receiver is started again, and
// in the end Check says what a person would find wrong:
//
//   - every message of the customer, every file and every reply is there, and in its order;
//   - each ticket and each article is there once, whatever was repeated;
//   - a courtesy text reached the customer at most once;
//   - a reply reached the customer twice only where its status never came, and then the ticket says so.
//
// A seed fixes the faults and not how goroutines take turns, so a run that failed may need a few repetitions to fail
// again.
//
// # Another helpdesk
//
// The helpdesk behind the receiver is a parameter. To put one through this, implement Helpdesk and hand it to Exhaust
// and Random as World.Helpdesk:
//
//	crash.Exhaust(t, crash.World{Engine: crash.SQLite, Helpdesk: newMyHelpdesk})
//	crash.Random(t, 100, crash.World{Engine: crash.SQLite, Helpdesk: newMyHelpdesk})
//
// Attach is called for each process that starts, and returns what the process calls and runs, and what tells
// Process.Agents of agents. The Helpdesk itself lives on: it is the server at the other end. Each call that the receiver
// makes to it is a point at which it can die, and an answer that can get lost; a helpdesk whose client makes several
// requests for one call should count them itself, with Process.Point. Ledger is an example: a helpdesk that does
// everything twice that it is asked twice, so that only the markers keep it from being seen. Zammad is a simulated one,
// behind its REST API, with an agent who works there.
//
// A suite that cannot fail proves nothing. Blind takes the markers away: with it, Exhaust has to find something wrong.
package crash
