// Command zammad-simulator serves a simulated Zammad for demonstrations and for tests in a cluster. It is package
// webhookserver/helpdesk/zammad/zammadtest as a program.
//
// It listens twice. --listen serves Zammad's REST API. --control-listen serves the control API, which plays the agents.
// The control API has no authentication and listens on the loopback interface unless told otherwise; in a cluster it is
// reached with kubectl port-forward:
//
//	GET    /healthz                 200 once it serves
//	GET    /tickets                 all tickets with their articles
//	GET    /tickets/{id}            one of them
//	POST   /tickets/{id}/articles   the agent writes: {"body":"Hello","plain":true}; "internal" hides it from customers,
//	                                "type" is note unless told otherwise, "state" is set along with it, and "files" are
//	                                objects of "name", "mimeType" and "content" in base64; answers {"id":7}
//	PUT    /tickets/{id}/state      the agent sets a state: {"state":"closed"}
//	POST   /tickets/{id}/merge      the agent merges it into another: {"into":8}
//	DELETE /tickets/{id}            an administrator deletes it
//	GET    /customers               the customers
//	GET    /hooks                   the webhooks and triggers that were set up
//	GET    /deliveries              the webhooks sent, with every attempt and its status
//	GET    /requests                the calls made to the REST API
//	POST   /tokens                  makes an access token valid: {"value":"…","permissions":["ticket.agent"]}
//	POST   /tokens/revoke           makes one invalid: {"value":"…"}
//	POST   /groups                  adds a group, which the token's user gets access to: {"name":"Sales"}
//	POST   /failures                lets calls fail: {"endpoint":"POST /api/v1/tickets","status":502,"times":1}, or in place
//	                                of "status" one of "hang" and "closeConnection"; without "times" until taken back;
//	                                "afterEffect" lets the call have its effect first
//	POST   /down                    answers nothing any more
//	DELETE /failures                takes all failures back, and answers again
//
// Errors are answered as {"error":"…"}.
//
// There is an agent, and a user of the role Agent and Admin whom --token belongs to. Logs are JSON lines without secrets
// and contents.
package main

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/whatsapp-operator/whatsapp-operator/test/simulator"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/helpdesk/zammad/zammadtest"
)

func main() { simulator.Main("zammad-simulator", run) }

// config is what the flags say.
type config struct {
	simulator.Server
	groups, token, permissions, fqdn string
}

func parseFlags(args []string, output io.Writer) (config, error) {
	var c config
	flags := c.Flags("zammad-simulator", output, "the REST API", "endpoints of webhooks")
	flags.StringVar(&c.groups, "groups", "Users,2nd Level", "comma-separated `names` of the groups that there are")
	flags.StringVar(&c.token, "token", "", "access `token` that is valid from the start")
	flags.StringVar(&c.permissions, "permissions", "ticket.agent,admin.webhook,admin.trigger", "comma-separated `permissions` of --token")
	flags.StringVar(&c.fqdn, "fqdn", "zammad.example.com", "the setting fqdn, which URLs in webhooks are made of")
	err := c.Parse(flags, args, "Serves a simulated Zammad. Control API", (&control{}).routes())
	return c, err
}

// run is the program, a simulator.Run.
func run(ctx context.Context, args []string, output io.Writer, listening func(api, control string)) error {
	c, err := parseFlags(args, output)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(output, nil))
	options := []zammadtest.Option{zammadtest.WithLogger(log), zammadtest.WithFQDN(c.fqdn)}
	roots, err := c.RootCAs()
	if err != nil {
		return err
	}
	if roots != nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
		options = append(options, zammadtest.WithTransport(transport))
	}
	sim := zammadtest.New(options...)
	defer sim.Close()
	staff := newControl(sim, strings.Split(c.groups, ","))
	if c.token != "" {
		sim.SetToken(c.token, staff.bot, strings.Split(c.permissions, ",")...)
	}
	return c.Serve(ctx, sim, simulator.Control(staff.routes()), log, sim.Close, listening)
}
