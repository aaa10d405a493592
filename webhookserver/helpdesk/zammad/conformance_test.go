package zammad_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/conversation"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/helpdesktest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

func TestZammadIsAHelpdesk(t *testing.T) {
	for _, version := range []string{"6.3.1", zammadtest.DefaultVersion} {
		t.Run(version, func(t *testing.T) { conforms(t, version) })
	}
}

func conforms(t *testing.T, version string) {
	t.Helper()
	helpdesktest.Run(t, func(t *testing.T, r helpdesk.Receiver) helpdesktest.Desk {
		t.Helper()
		server := zammadtest.NewServer(zammadtest.WithClock(r.Clock), zammadtest.WithVersion(version))
		t.Cleanup(server.Close)
		group := server.AddGroup("2nd Level")
		emma := server.Agent(server.AddAgent("Emma", "Taylor", group))
		bot := server.AddAgent("WhatsApp", "Bot", group)
		server.MakeAdmin(bot)
		var desk *zammad.Helpdesk
		bell := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { desk.Doorbell().ServeHTTP(w, r) }))
		t.Cleanup(bell.Close)
		desk = zammad.New(zammad.Options{
			URL: server.URL, Token: server.IssueToken(bot, "ticket.agent", "admin.webhook", "admin.trigger"), Secret: hookSecret,
			Group: "2nd Level", Namespace: "helpdesk", Name: "support", Installation: "cluster-1", EventsURL: bell.URL,
			Identity: "zammad " + server.URL, Receiver: r,
		})
		return helpdesktest.Desk{
			Helpdesk: desk,
			See: func(ticket string) helpdesktest.Ticket {
				seen, _ := server.Ticket(number(ticket))
				return shown(seen)
			},
			LoseAnswer: func() func() {
				for _, endpoint := range []zammadtest.Endpoint{zammadtest.PostTickets, zammadtest.PostTicketArticles, zammadtest.PutTicket} {
					server.Fail(zammadtest.Failure{Endpoint: endpoint, Times: 1, CloseConnection: true, AfterEffect: true})
				}
				return server.Heal
			},
			Agent: &helpdesktest.Agent{
				Reply:      func(ticket, text string) { emma.Replies(number(ticket), text) },
				Close:      func(ticket string) { emma.Closes(number(ticket)) },
				SetPending: func(ticket string) { emma.SetsPending(number(ticket)) },
				Reopen:     func(ticket string) { emma.Reopens(number(ticket)) },
				Foreign: func(text string) {
					customer := server.AddCustomer(zammadtest.Customer{Login: "other", Firstname: "Other"})
					emma.Replies(emma.Opens(group, customer, "Another matter"), text)
				},
			},
		}
	})
}

func shown(t zammadtest.Ticket) (seen helpdesktest.Ticket) {
	seen.State = map[string]conversation.TicketState{
		"new": conversation.TicketIsOpen, "open": conversation.TicketIsOpen, "pending reminder": conversation.TicketIsPending,
		"closed": conversation.TicketIsClosed,
	}[t.State]
	for _, a := range t.Articles {
		article := helpdesktest.Article{Text: a.Body}
		for _, f := range a.Files {
			article.Files = append(article.Files, f.Name)
		}
		seen.Articles = append(seen.Articles, article)
	}
	return seen
}
