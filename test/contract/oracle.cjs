// Tells what @kapso/whatsapp-cloud-api makes of webhooks and signatures. Reads
//   {"webhooks": [{"name", "body"}], "signatures": [{"name", "secret", "header", "body"}]}
// from standard input, with bodies in base64 so that they stay the same bytes, and writes
//   {"webhooks": {name: {"messages", "statuses", "contacts", "problem"}}, "signatures": {name: valid}}
// to standard output, everything else as the package gives it.
"use strict";
const { readFileSync } = require("node:fs");
const { normalizeWebhook, verifySignature } = require("@kapso/whatsapp-cloud-api/server");

const asked = JSON.parse(readFileSync(0, "utf8"));
const answer = { webhooks: {}, signatures: {} };

for (const { name, body } of asked.webhooks ?? []) {
  try {
    const payload = JSON.parse(Buffer.from(body, "base64").toString("utf8"));
    const { messages, statuses, contacts } = normalizeWebhook(payload);
    answer.webhooks[name] = { messages, statuses, contacts };
  } catch (problem) {
    answer.webhooks[name] = { problem: String(problem) };
  }
}
for (const { name, secret, header, body } of asked.signatures ?? []) {
  answer.signatures[name] = verifySignature({
    appSecret: secret,
    rawBody: Buffer.from(body, "base64"),
    signatureHeader: header,
  });
}
process.stdout.write(JSON.stringify(answer));
