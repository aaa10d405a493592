// Package contract compares this project with implementations that others
// wrote: webhooks and signatures with @kapso/whatsapp-cloud-api, and the
// requests and answers of the Cloud API client with Meta's own OpenAPI
// document, served by Prism. All run on this machine; nothing is sent to Meta.
//
// `make contract` installs both and runs the tests, which have the build tag
// contract. What is checked and which differences are known is told in
// docs/contract.md.
package contract
