// Command cloudapi-simulator serves a simulated WhatsApp Cloud API for
// demonstrations and for tests in a cluster. It is package
// cloudapi/cloudapitest as a program.
//
// It listens twice. --listen serves the Graph API, which the operator and the
// receivers call instead of https://graph.facebook.com. --control-listen serves
// the control API, which plays the customers and Meta's staff. The control API
// has no authentication and listens on the loopback interface unless told
// otherwise; in a cluster it is reached with kubectl port-forward:
//
//	GET    /healthz                          200 once it serves
//	GET    /phone-numbers                    the business phone numbers
//	POST   /customers/{phone}/messages       a customer writes:
//	                                         {"name":"Erika","text":"Hello"}, or "message" in place of "text" with a
//	                                         message in the form of webhooks; "to" is the phone number ID and may be
//	                                         left out where there is only one; answers {"id":"wamid…"}
//	                                         or sends a file, its content in base64:
//	                                         {"file":{"kind":"image","mimeType":"image/png","content":"…"}}
//	GET    /customers/{phone}/messages       what businesses sent to the customer
//	GET    /media/{id}                       a file that a customer sent or a business uploaded
//	GET    /deliveries                       the webhooks with every attempt and its status
//	POST   /phone-numbers/{id}/webhooks      signs the request's body and posts it once to the callback URL in force;
//	                                         answers {"status":200}
//	POST   /messages/{id}/statuses           reports the status of a sent message: {"status":"read"}, or {"code":131026}
//	POST   /failures                         lets calls fail:
//	                                         {"endpoint":"POST /{phone-number}/messages","code":131047,"times":1}, or in
//	                                         place of "code" one of "httpStatus", "hang" and "closeConnection"; without
//	                                         "times" until taken back; "afterEffect" lets the call have its effect first
//	DELETE /failures                         takes all failures back
//	POST   /tokens                           makes an access token valid: {"value":"EAA…","appID":"…"}
//	POST   /tokens/revoke                    makes one invalid: {"value":"EAA…"}
//	PUT    /apps/{id}/secret                 resets an app's secret: {"secret":"…"}
//	PUT    /phone-numbers/{id}/override      sets a callback URL as somebody else would: {"appID":"…","url":"https://…"}
//	PUT    /delivery-mode                    how webhooks are delivered: {"duplicates":1,"batchSize":10}
//	POST   /updates/hold, /updates/release   keeps updates back and delivers them, in batches
//	GET    /requests                         the calls made to the Graph API, without secrets; ?endpoint= selects
//
// Errors are answered as {"error":"…"}.
//
// --seed names a YAML or JSON file with what exists from the start. Ids are
// strings, so quote them:
//
//	apps:
//	- {id: "670843887433847", name: Demo, secret: 0123456789abcdef, callbackURL: https://elsewhere.example/, fields: [messages]}
//	businessAccounts:
//	- {id: "102290129340398", name: Demo account, subscribedApps: ["670843887433847"]}
//	phoneNumbers:
//	- {id: "106540352242922", businessAccountID: "102290129340398", displayPhoneNumber: "+1 631-555-1111", verifiedName: Demo}
//	tokens:
//	- {value: EAAdemo, appID: "670843887433847"}
//
// Logs are JSON lines without secrets, phone numbers and contents.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/test/simulator"
)

func main() { simulator.Main("cloudapi-simulator", run) }

// config is what the flags say.
type config struct {
	simulator.Server
	seed          string
	connectTo     connections
	retries       durations
	enforceWindow bool
	httpCallbacks bool
}

func parseFlags(args []string, output io.Writer) (config, error) {
	var c config
	flags := c.Flags("cloudapi-simulator", output, "the Graph API", "callback URLs")
	flags.StringVar(&c.seed, "seed", "", "YAML or JSON `file` with the apps, accounts, phone numbers and tokens that exist from the start")
	flags.Var(&c.connectTo, "connect-to", "`from=to`, each a host:port: connect to the second for callback URLs that name the first; may be repeated")
	flags.Var(&c.retries, "retries", "comma-separated `pauses` before each further delivery of a webhook, such as 1s,5s,1m; Meta's seven days unless told")
	flags.BoolVar(&c.enforceWindow, "enforce-window", true, "refuse messages outside the customer service window of 24 hours with error 131047")
	flags.BoolVar(&c.httpCallbacks, "http-callbacks", false, "accept callback URLs without TLS, which Meta does not")
	err := c.Parse(flags, args, "Serves a simulated WhatsApp Cloud API. Control API and seed file", (&control{}).routes())
	return c, err
}

// run is the program, a simulator.Run.
func run(ctx context.Context, args []string, output io.Writer, listening func(graph, control string)) error {
	c, err := parseFlags(args, output)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewJSONHandler(output, nil))
	options, err := c.options(logger)
	if err != nil {
		return err
	}
	sim := cloudapitest.New(options...)
	defer sim.Close()
	sim.EnforceWindow(c.enforceWindow)
	if c.seed != "" {
		if err := loadSeed(c.seed, sim); err != nil {
			return err
		}
	}
	// Calls that hang on purpose end with the simulator.
	return c.Serve(ctx, sim, simulator.Control((&control{sim}).routes()), logger, sim.Close, listening)
}

func (c config) options(logger *slog.Logger) ([]cloudapitest.Option, error) {
	options := []cloudapitest.Option{cloudapitest.WithLogger(logger)}
	roots, err := c.RootCAs()
	if err != nil {
		return nil, err
	}
	if roots != nil {
		options = append(options, cloudapitest.WithRootCAs(roots))
	}
	if len(c.connectTo) > 0 {
		dialer := &net.Dialer{Timeout: 10 * time.Second}
		options = append(options, cloudapitest.WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			if other, ok := c.connectTo[address]; ok {
				address = other
			}
			return dialer.DialContext(ctx, network, address)
		}))
	}
	if c.retries != nil {
		options = append(options, cloudapitest.WithRetrySchedule(c.retries...))
	}
	if c.httpCallbacks {
		options = append(options, cloudapitest.WithHTTPCallbacks())
	}
	return options, nil
}

// connections is the value of --connect-to.
type connections map[string]string

func (c *connections) String() string { return "" }

func (c *connections) Set(text string) error {
	from, to, ok := strings.Cut(text, "=")
	for _, address := range []string{from, to} {
		if _, _, err := net.SplitHostPort(address); err != nil || !ok {
			return errors.New("must have the form host:port=host:port")
		}
	}
	if *c == nil {
		*c = connections{}
	}
	(*c)[from] = to
	return nil
}

// durations is the value of --retries.
type durations []time.Duration

func (d *durations) String() string { return "" }

func (d *durations) Set(text string) error {
	*d = durations{}
	for part := range strings.SplitSeq(text, ",") {
		pause, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil || pause < 0 {
			return fmt.Errorf("%q is not a duration such as 30s", part)
		}
		*d = append(*d, pause)
	}
	return nil
}
