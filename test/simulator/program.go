package simulator

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Run is a simulator's program. It serves until ctx is done, and tells listening where, once it does.
type Run func(ctx context.Context, args []string, output io.Writer, listening func(service, control string)) error

// Main runs a program until it is told to end.
func Main(name string, run Run) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr, nil)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// Flags returns the flags of a program that serves a service and calls others.
func (s *Server) Flags(program string, output io.Writer, service, others string) *flag.FlagSet {
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&s.Listen, "listen", "127.0.0.1:8080", "`address` of "+service)
	flags.StringVar(&s.ControlListen, "control-listen", "127.0.0.1:8081", "`address` of the control API, which has no authentication")
	flags.StringVar(&s.TLSCert, "tls-cert-file", "", "PEM `file` with the certificate to serve "+service+" with; without it there is no TLS")
	flags.StringVar(&s.TLSKey, "tls-key-file", "", "PEM `file` with the private key of --tls-cert-file")
	flags.StringVar(&s.CAFile, "ca-file", "", "PEM `file` with the certificate authorities that "+others+" must be signed by, instead of the system's")
	return flags
}

// Parse reads a program's flags, and says what is wrong with them. about is what --help says before it lists them.
func (s *Server) Parse(flags *flag.FlagSet, args []string, about string, routes []Route) error {
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), about+":\nhttps://pkg.go.dev/github.com/whatsapp-operator/whatsapp-operator/cmd/"+flags.Name()+"\n\nFlags:\n")
		flags.PrintDefaults()
		usage(flags.Output(), routes)
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return errors.New("--tls-cert-file and --tls-key-file belong together")
	}
	return nil
}

// RootCAs are the authorities of CAFile, nil where it names none.
func (s *Server) RootCAs() (*x509.CertPool, error) {
	if s.CAFile == "" {
		return nil, nil
	}
	content, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("--ca-file: there is no certificate in %s", s.CAFile)
	}
	return roots, nil
}
