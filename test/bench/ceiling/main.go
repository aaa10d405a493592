// Command ceiling is a receiver that keeps nothing: it checks a webhook's signature, parses it, and answers 200. What it
// can do on a machine is what durable acknowledgements are compared with.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"sync"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi/webhook"
	"github.com/whatsapp-operator/whatsapp-operator/webhookserver/edge"
)

// ids is what the receiver's promises need to know of a webhook.
type ids struct {
	Entry []struct {
		Changes []struct {
			Value struct {
				Messages, Statuses []struct {
					ID string `json:"id"`
				}
			} `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	secret := flag.String("secret", "", "the app secret that webhooks are signed with")
	flag.Parse()
	server := &http.Server{
		Addr: *address, Handler: handler([]byte(*secret)),
		ReadHeaderTimeout: edge.ReadHeaderTimeout, ReadTimeout: edge.ReadTimeout, WriteTimeout: edge.WriteTimeout,
		IdleTimeout: edge.IdleTimeout, MaxHeaderBytes: edge.MaxHeaderBytes,
	}
	log.Fatal(server.ListenAndServe())
}

func handler(secret []byte) http.HandlerFunc {
	buffers := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	return func(w http.ResponseWriter, r *http.Request) {
		body := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(body)
		body.Reset()
		_, err := io.Copy(body, io.LimitReader(r.Body, edge.MaxBody))
		var found ids
		switch {
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		case !webhook.VerifySignature(r.Header.Get(webhook.SignatureHeader), body.Bytes(), secret):
			w.WriteHeader(http.StatusUnauthorized)
		case json.Unmarshal(body.Bytes(), &found) != nil:
			w.WriteHeader(http.StatusBadRequest)
		default:
			w.WriteHeader(http.StatusOK)
		}
	}
}
