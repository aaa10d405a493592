// Package cloudapi is a client for Meta's WhatsApp Cloud API, as far as a
// channel needs it: checking credentials, finding the phone number, setting up
// the webhook, and sending messages.
//
// Every method takes the token it acts with, so one [Client] serves any number
// of accounts. Tokens travel in the Authorization header, never in a URL, with
// the one exception that Meta prescribes (see [Client.DebugToken]), and never
// appear in an error.
//
// Errors are decided by [ClassOf], which follows the error codes of Meta's
// tables rather than HTTP statuses or texts. Meta's enumerations are open
// strings: its own documents disagree about their values.
//
// Package [github.com/whatsapp-operator/whatsapp-operator/cloudapi/cloudapitest]
// holds a simulator of the API for tests.
package cloudapi
