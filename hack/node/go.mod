// The single-node cluster for development and tests. It needs the standard library alone,
// so that starting it never waits for a download.
module github.com/whatsapp-operator/whatsapp-operator/hack/node

go 1.26.0
