// Package webhook reads what the WhatsApp Cloud API posts to a callback URL.
//
// It does no I/O. [Parse] decodes a body element by element: a message that
// cannot be read is reported in [Payload.Broken] and never costs its
// neighbours. Types, statuses and other enumerations are open strings, because
// Meta adds values without notice; what is not known here stays available as
// raw JSON.
//
// [VerifySignature] checks the X-Hub-Signature-256 header over the raw bytes of
// a body. Verify before parsing, and never over a body that was re-encoded.
package webhook
