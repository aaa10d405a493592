package webhookserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/whatsapp-operator/whatsapp-operator/test/postgrestest"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/config"
)

// A receiver whose database can be read and not written has to stay ready, so that the operator can ask it why.
func TestADatabaseThatTakesNoWritesIsToldOfAndOutlasted(t *testing.T) {
	database := postgrestest.Start(t, postgrestest.Options{})
	dsn := func() (string, error) { return database.DSN(), nil }
	for _, tc := range []struct {
		name, says  string
		spoil, mend func()
	}{
		{"a standby", "its server is a standby", database.Demote, func() { database.Exec(`SELECT pg_promote()`) }},
		{
			"a full disk", "its disk is full",
			func() {
				database.Exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = 'disk_full'; END $$`,
					`CREATE TRIGGER refuse BEFORE INSERT ON channel.inbox FOR EACH ROW EXECUTE FUNCTION refuse()`)
			},
			func() { database.Exec(`DROP FUNCTION refuse CASCADE`) },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			database.Exec(`DROP SCHEMA IF EXISTS channel CASCADE`)
			r := newReceiver(t)
			defer http.DefaultClient.CloseIdleConnections()
			one := r.replica(dsn)
			defer one.stop()
			r.server = one.server
			r.inFront(one)
			if s := r.status(); s.TurningAway != "" {
				t.Errorf("before: %s", s.TurningAway)
			}
			body := []byte(`{"object":"whatsapp_business_account","entry":[]}`)
			tc.spoil()
			r.eventually("a webhook is refused", func() bool { return r.post(body) == http.StatusServiceUnavailable })
			r.eventually("the status says why", func() bool {
				// Until it is known, there is no status where the database cannot be counted in either.
				var s config.Status
				return r.api(http.MethodGet, config.StatusPath, "", "", &s) == http.StatusOK && strings.Contains(s.TurningAway, tc.says)
			})
			if got := r.metric("whatsapp_receiver_turning_away"); got != "1" {
				t.Errorf("the metric is %q", got)
			}
			if status, _, why := r.do(http.MethodGet, "http://"+r.server.HealthAddr().String()+"/readyz", nil, nil); status != http.StatusOK {
				t.Errorf("nobody can ask it why: %d, %s", status, why)
			}
			tc.mend()
			r.eventually("the status says nothing", func() bool {
				var s config.Status
				return r.api(http.MethodGet, config.StatusPath, "", "", &s) == http.StatusOK && s.TurningAway == ""
			})
			customer := r.meta.Customer(customerPhone, customerName)
			customer.Says(r.number.ID, customerText)
			r.eventually("the welcome", func() bool { return len(customer.Received()) == 1 })
			for _, line := range []string{"webhooks cannot be stored", "the database takes writes again"} {
				if strings.Count(r.log.String(), line) != 1 {
					t.Errorf("the log does not say once: %s\n%s", line, r.log)
				}
			}
		})
	}
}
