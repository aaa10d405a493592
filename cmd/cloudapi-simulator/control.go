package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest"
	"github.com/whatsapp-operator/whatsapp-operator/test/simulator"
)

// control is the control API of a simulator.
type control struct{ sim *cloudapitest.Server }

func (c *control) routes() []simulator.Route {
	return []simulator.Route{
		{Pattern: "GET /phone-numbers", Summary: "the business phone numbers", Handle: c.phoneNumbers},
		{Pattern: "POST /customers/{phone}/messages", Summary: `a customer writes: {"name":"Erika","text":"Hello"}, or sends a "file"`, Handle: c.customerWrites},
		{Pattern: "GET /customers/{phone}/messages", Summary: "what businesses sent to the customer", Handle: c.customerReceived},
		{Pattern: "GET /media/{id}", Summary: "a file that a customer sent or a business uploaded", Handle: c.media},
		{Pattern: "GET /deliveries", Summary: "the webhooks with every attempt", Handle: c.deliveries},
		{Pattern: "POST /phone-numbers/{id}/webhooks", Summary: "signs the body and posts it to the callback URL", Handle: c.postWebhook},
		{Pattern: "PUT /phone-numbers/{id}/override", Summary: `sets a callback URL: {"appID":"…","url":"https://…"}`, Handle: c.setOverride},
		{Pattern: "POST /messages/{id}/statuses", Summary: `reports a status: {"status":"read"} or {"code":131026}`, Handle: c.reportStatus},
		{Pattern: "POST /failures", Summary: `lets calls fail: {"endpoint":"…","code":4,"times":1}`, Handle: c.fail},
		{Pattern: "DELETE /failures", Summary: "takes all failures back", Handle: c.heal},
		{Pattern: "POST /tokens", Summary: `makes an access token valid: {"value":"…","appID":"…"}`, Handle: c.issueToken},
		{Pattern: "POST /tokens/revoke", Summary: `makes an access token invalid: {"value":"…"}`, Handle: c.revokeToken},
		{Pattern: "PUT /apps/{id}/secret", Summary: `resets an app's secret: {"secret":"…"}`, Handle: c.resetAppSecret},
		{Pattern: "PUT /delivery-mode", Summary: `how webhooks are delivered: {"duplicates":1,"batchSize":10}`, Handle: c.setDeliveryMode},
		{Pattern: "POST /updates/hold", Summary: "keeps updates back", Handle: c.hold},
		{Pattern: "POST /updates/release", Summary: "delivers them in batches", Handle: c.release},
		{Pattern: "GET /requests", Summary: "the calls made to the Graph API", Handle: c.requests},
	}
}

type phoneNumber struct {
	ID                 string `json:"id"`
	BusinessAccountID  string `json:"businessAccountID"`
	DisplayPhoneNumber string `json:"displayPhoneNumber"`
	VerifiedName       string `json:"verifiedName"`
	Status             string `json:"status"`
}

func (c *control) phoneNumbers(*http.Request) (any, error) {
	list := []phoneNumber{}
	for _, n := range c.sim.PhoneNumbers() {
		list = append(list, phoneNumber{n.ID, n.BusinessAccountID, n.DisplayPhoneNumber, n.VerifiedName, n.Status})
	}
	return list, nil
}

// number checks a phone number ID, or chooses the only one there is.
func (c *control) number(id string) (string, error) {
	numbers := c.sim.PhoneNumbers()
	if id == "" {
		if len(numbers) != 1 {
			return "", fmt.Errorf(`there are %d phone numbers: say which one in "to"`, len(numbers))
		}
		return numbers[0].ID, nil
	}
	if !slices.ContainsFunc(numbers, func(n cloudapitest.PhoneNumber) bool { return n.ID == id }) {
		return "", simulator.NotFoundError{What: fmt.Sprintf("phone number %q", id)}
	}
	return id, nil
}

func (c *control) customer(r *http.Request, name string) (*cloudapitest.Customer, error) {
	phone := r.PathValue("phone")
	if digits := cloudapi.Digits(phone); len(digits) < 7 || len(digits) > 15 {
		return nil, errors.New("the customer's phone number must have 7 to 15 digits, country code included")
	}
	return c.sim.Customer(phone, name), nil
}

func (c *control) customerWrites(r *http.Request) (any, error) {
	var in struct {
		To      string         `json:"to"`
		Name    string         `json:"name"`
		Text    string         `json:"text"`
		Message map[string]any `json:"message"`
		// File has the members of cloudapitest.File; its content is in base64.
		File *cloudapitest.File `json:"file"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	contents := 0
	for _, given := range []bool{in.Text != "", in.Message != nil, in.File != nil} {
		if given {
			contents++
		}
	}
	if contents != 1 {
		return nil, errors.New(`exactly one of "text", "message" and "file" is needed`)
	}
	to, err := c.number(in.To)
	if err != nil {
		return nil, err
	}
	customer, err := c.customer(r, in.Name)
	if err != nil {
		return nil, err
	}
	if in.File != nil {
		id, media := customer.SendsFile(to, *in.File)
		return map[string]string{"id": id, "mediaID": media}, nil
	}
	if in.Message == nil {
		return map[string]string{"id": customer.Says(to, in.Text)}, nil
	}
	return map[string]string{"id": customer.Sends(to, in.Message)}, nil
}

func (c *control) customerReceived(r *http.Request) (any, error) {
	customer, err := c.customer(r, "")
	if err != nil {
		return nil, err
	}
	return simulator.OrEmpty(customer.Received()), nil
}

func (c *control) media(r *http.Request) (any, error) {
	file, ok := c.sim.Media(r.PathValue("id"))
	if !ok {
		return nil, simulator.NotFoundError{What: "file with this media ID"}
	}
	return file, nil
}

func (c *control) deliveries(*http.Request) (any, error) {
	return simulator.OrEmpty(c.sim.Deliveries()), nil
}

func (c *control) postWebhook(r *http.Request) (any, error) {
	id, err := c.number(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("the body cannot be read or is larger than %d bytes", simulator.MaxControlBody)
	}
	status, err := c.sim.Post(r.Context(), id, body)
	if err != nil {
		return nil, err
	}
	return map[string]int{"status": status}, nil
}

func (c *control) setOverride(r *http.Request) (any, error) {
	var in struct {
		AppID string `json:"appID"`
		URL   string `json:"url"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	id, err := c.number(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if in.AppID == "" {
		return nil, errors.New(`"appID" is needed`)
	}
	c.sim.SetOverride(id, in.AppID, in.URL)
	return simulator.Done, nil
}

func (c *control) reportStatus(r *http.Request) (any, error) {
	var in struct {
		Status string `json:"status"`
		Code   int    `json:"code"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if (in.Status == "") == (in.Code == 0) {
		return nil, errors.New(`exactly one of "status" and "code" is needed`)
	}
	id := r.PathValue("id")
	if !slices.ContainsFunc(c.sim.Sent(), func(m cloudapitest.SentMessage) bool { return m.ID == id }) {
		return nil, simulator.NotFoundError{What: "sent message with this id"}
	}
	if in.Code != 0 {
		c.sim.ReportFailure(id, in.Code)
	} else {
		c.sim.ReportStatus(id, in.Status)
	}
	return simulator.Done, nil
}

func (c *control) fail(r *http.Request) (any, error) {
	var in struct {
		Endpoint          cloudapitest.Endpoint `json:"endpoint"`
		Object            string                `json:"object"`
		Times             int                   `json:"times"`
		Code              int                   `json:"code"`
		Message           string                `json:"message"`
		RetryAfterSeconds int                   `json:"retryAfterSeconds"`
		HTTPStatus        int                   `json:"httpStatus"`
		Hang              bool                  `json:"hang"`
		CloseConnection   bool                  `json:"closeConnection"`
		AfterEffect       bool                  `json:"afterEffect"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if in.Endpoint != "" && !slices.Contains(cloudapitest.Endpoints(), in.Endpoint) {
		return nil, fmt.Errorf("there is no endpoint %q; there are %q", in.Endpoint, cloudapitest.Endpoints())
	}
	if in.Code == 0 && in.HTTPStatus == 0 && !in.Hang && !in.CloseConnection {
		return nil, errors.New(`one of "code", "httpStatus", "hang" and "closeConnection" is needed`)
	}
	if in.HTTPStatus != 0 && (in.HTTPStatus < 200 || in.HTTPStatus > 599) {
		return nil, errors.New(`"httpStatus" must be between 200 and 599`)
	}
	c.sim.Fail(cloudapitest.Failure{
		Endpoint: in.Endpoint, Object: in.Object, Times: in.Times, Code: in.Code, Message: in.Message,
		RetryAfter: time.Duration(in.RetryAfterSeconds) * time.Second, HTTPStatus: in.HTTPStatus,
		Hang: in.Hang, CloseConnection: in.CloseConnection, AfterEffect: in.AfterEffect,
	})
	return simulator.Done, nil
}

func (c *control) heal(*http.Request) (any, error) {
	c.sim.Heal()
	return simulator.Done, nil
}

func (c *control) issueToken(r *http.Request) (any, error) {
	var in seedToken
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if !c.sim.HasApp(in.AppID) {
		return nil, simulator.NotFoundError{What: fmt.Sprintf("app %q", in.AppID)}
	}
	return map[string]string{"value": c.sim.IssueToken(in.token())}, nil
}

func (c *control) revokeToken(r *http.Request) (any, error) {
	var in struct {
		Value string `json:"value"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if !c.sim.RevokeToken(in.Value) {
		return nil, simulator.NotFoundError{What: "such token"}
	}
	return simulator.Done, nil
}

func (c *control) resetAppSecret(r *http.Request) (any, error) {
	var in struct {
		Secret string `json:"secret"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if in.Secret == "" {
		return nil, errors.New(`"secret" is needed`)
	}
	id := r.PathValue("id")
	if !c.sim.ResetAppSecret(id, in.Secret) {
		return nil, simulator.NotFoundError{What: fmt.Sprintf("app %q", id)}
	}
	return simulator.Done, nil
}

func (c *control) setDeliveryMode(r *http.Request) (any, error) {
	var in struct {
		BatchSize  int  `json:"batchSize"`
		Duplicates int  `json:"duplicates"`
		Reverse    bool `json:"reverse"`
	}
	if err := simulator.Decode(r, &in); err != nil {
		return nil, err
	}
	if in.BatchSize < 0 || in.BatchSize > 1000 || in.Duplicates < 0 || in.Duplicates > 100 {
		return nil, errors.New(`"batchSize" must be at most 1000, "duplicates" at most 100`)
	}
	mode := cloudapitest.DeliveryMode{BatchSize: in.BatchSize, Duplicates: in.Duplicates}
	if in.Reverse {
		mode.Order = cloudapitest.Reverse
	}
	c.sim.SetDeliveryMode(mode)
	return simulator.Done, nil
}

func (c *control) hold(*http.Request) (any, error) {
	c.sim.Hold()
	return simulator.Done, nil
}

func (c *control) release(*http.Request) (any, error) {
	c.sim.Release()
	return simulator.Done, nil
}

func (c *control) requests(r *http.Request) (any, error) {
	requests := c.sim.Requests()
	if endpoint := cloudapitest.Endpoint(r.URL.Query().Get("endpoint")); endpoint != "" {
		requests = slices.DeleteFunc(requests, func(made cloudapitest.Request) bool { return made.Endpoint != endpoint })
	}
	return simulator.OrEmpty(requests), nil
}
