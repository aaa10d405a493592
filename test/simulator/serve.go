// Package simulator is what programs have in common that simulate somebody else's service: one port for the service,
// and one for the control API that plays the people behind it.
package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Server serves a simulated service and its control API.
type Server struct {
	// Listen and ControlListen are addresses in the form of net.Listen.
	Listen, ControlListen string
	// TLSCert and TLSKey name PEM files to serve the service with; without them there is no TLS.
	TLSCert, TLSKey string
	// CAFile names a PEM file with the authorities that those who are called must be signed by, instead of the system's.
	CAFile string
}

const shutdownTimeout = 10 * time.Second

// Serve serves until ctx is done. It tells listening where, once it does. Calls that hang on purpose end with end, which
// is called first.
func (s *Server) Serve(ctx context.Context, service, control http.Handler, log *slog.Logger, end func(), listening func(service, control string)) error {
	serviceListener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if s.TLSCert != "" {
		certificate, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
		if err != nil {
			_ = serviceListener.Close()
			return fmt.Errorf("--tls-cert-file: %w", err)
		}
		serviceListener = tls.NewListener(serviceListener, &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"},
		})
	}
	controlListener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.ControlListen)
	if err != nil {
		_ = serviceListener.Close()
		return fmt.Errorf("--control-listen: %w", err)
	}
	serving, controlling := newHTTPServer(service, log), newHTTPServer(control, log)
	failed := make(chan error, 2)
	go func() { failed <- serving.Serve(serviceListener) }()
	go func() { failed <- controlling.Serve(controlListener) }()
	log.Info("Listening.", "service", serviceListener.Addr().String(), "control", controlListener.Addr().String())
	if listening != nil {
		listening(serviceListener.Addr().String(), controlListener.Addr().String())
	}

	running := 2
	select {
	case <-ctx.Done():
		log.Info("Shutting down.")
	case err = <-failed:
		running--
	}
	end()
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = errors.Join(err, serving.Shutdown(shutdown), controlling.Shutdown(shutdown))
	for range running {
		<-failed
	}
	return err
}

func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
