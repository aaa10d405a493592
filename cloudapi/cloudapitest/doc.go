// Package cloudapitest is Meta's WhatsApp Cloud API for tests and
// demonstrations, as net/http/httptest is HTTP: apps, business accounts, phone
// numbers and tokens; the calls that package cloudapi makes, answered as Meta
// answers them; and customers, whose messages are delivered as signed webhooks
// to the callback URL in force.
//
//	sim := cloudapitest.NewServer()
//	defer sim.Close()
//	app := sim.AddApp(cloudapitest.App{})
//	account := sim.AddBusinessAccount(cloudapitest.BusinessAccount{})
//	number := sim.AddPhoneNumber(cloudapitest.PhoneNumber{BusinessAccountID: account.ID, DisplayPhoneNumber: "+1 631-555-1111"})
//	token := sim.IssueToken(cloudapitest.Token{AppID: app.ID})
//	…
//	sim.Customer("+49 151 23456789", "Erika").Says(number.ID, "Hello")
//
// A callback URL is verified with a real handshake before it is accepted.
// Webhooks that are not answered with status 200 are delivered again, less and
// less often, for seven days of the clock given with [WithClock].
//
// [Server.Fail] makes calls fail: with any of Meta's errors, or with none at all
// because the connection breaks. [Server.Requests] lists the calls made, without
// their secrets.
package cloudapitest
