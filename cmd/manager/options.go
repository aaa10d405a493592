package main

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/whatsapp-operator/whatsapp-operator/cloudapi"
)

// Environment variables that name the operator's own pod, whose image receivers run unless told.
const (
	podNameVariable      = "POD_NAME"
	podNamespaceVariable = "POD_NAMESPACE"
)

// options are what the flags say.
type options struct {
	graphBaseURL              string
	graphVersion              string
	receiverImage             string
	callbackHostname          string
	installation              string
	ca                        string
	rootCAs                   *x509.CertPool
	allowedAnnotationPrefixes []string
	watchNamespaces           []string
	networkPolicies           bool
	metricsBindAddress        string
	healthProbeBindAddress    string
	leaderElect               bool
	leaderElectionNamespace   string
	logLevel                  slog.Level
	// podName and podNamespace name the operator's own pod. They are empty outside a cluster.
	podName      string
	podNamespace string
	// proxyEnvironment are the proxy variables of the operator, which its receivers get as well.
	proxyEnvironment map[string]string
}

// list is a flag with a list of values, separated by commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(text string) error {
	*l = nil
	for value := range strings.SplitSeq(text, ",") {
		if value = strings.TrimSpace(value); value != "" {
			*l = append(*l, value)
		}
	}
	return nil
}

// parse reads the flags. What is wrong with them is written to stderr, with their usage.
func parse(args, environment []string, stderr io.Writer) (options, error) {
	o := options{proxyEnvironment: map[string]string{}}
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case podNameVariable:
			o.podName = value
		case podNamespaceVariable:
			o.podNamespace = value
		case "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY":
			if value != "" {
				o.proxyEnvironment[name] = value
			}
		}
	}
	var caFile string
	var prefixes, namespaces list
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.graphBaseURL, "graph-base-url", cloudapi.DefaultBaseURL, "base URL of the Graph API, for the operator and its receivers")
	flags.StringVar(&o.graphVersion, "graph-version", cloudapi.DefaultVersion, "version of the Graph API")
	flags.StringVar(&o.receiverImage, "receiver-image", "", "image that receivers run; that of the operator's own pod unless told")
	flags.StringVar(&o.callbackHostname, "callback-hostname", "", "public DNS name of the callback URLs of channels that name none")
	flags.StringVar(&o.installation, "installation", "", "name of this installation in helpdesks that several clusters share; the hostname of a channel's callback URL unless told")
	flags.StringVar(&caFile, "ca-file", "", "file with PEM certificates that operator and receivers trust besides the system's")
	flags.Var(&prefixes, "allowed-annotation-prefixes", "comma-separated prefixes of the annotations that channels may put on Services and Ingresses; none unless told")
	flags.BoolVar(&o.networkPolicies, "network-policies", false, "give each receiver a NetworkPolicy that opens only the ways it needs")
	flags.Var(&namespaces, "watch-namespaces", "comma-separated namespaces to serve; all unless told")
	flags.StringVar(&o.metricsBindAddress, "metrics-bind-address", ":8443", "address of the metrics, served by HTTPS to authorized callers; 0 turns them off")
	flags.StringVar(&o.healthProbeBindAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "let only one of several operators act at a time")
	flags.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the Lease of the leader election; the operator's own unless told")
	flags.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "least level of log lines: debug, info, warn or error")
	config.RegisterFlags(flags)
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	o.allowedAnnotationPrefixes, o.watchNamespaces = prefixes, namespaces
	if err := o.check(flags.Args(), caFile); err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return options{}, err
	}
	return o, nil
}

func (o *options) check(rest []string, caFile string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.receiverImage == "" && (o.podName == "" || o.podNamespace == ""):
		return fmt.Errorf("--receiver-image must name the image that receivers run, because $%s and $%s do not name the operator's own pod",
			podNameVariable, podNamespaceVariable)
	case o.logLevel < slog.LevelDebug:
		// Below it, the Kubernetes client logs the bodies of requests, and with them Secrets.
		return errors.New("--log-level must be debug, info, warn or error")
	case len(validation.IsDNS1123Subdomain(o.installation)) > 0 && o.installation != "":
		return errors.New("--installation must be lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit")
	case o.callbackHostname != "" && (len(o.callbackHostname) > maxHostname || !hostname.MatchString(o.callbackHostname)):
		return fmt.Errorf("--callback-hostname must be a fully qualified DNS name in lower case, of at most %d characters, without scheme, port or path", maxHostname)
	}
	for _, namespace := range o.watchNamespaces {
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			return fmt.Errorf("--watch-namespaces has %q, which is not the name of a namespace", namespace)
		}
	}
	if _, err := cloudapi.NewClient(cloudapi.Options{BaseURL: o.graphBaseURL, Version: o.graphVersion}); err != nil {
		return err
	}
	return o.trust(caFile)
}

const maxHostname = 79

var hostname = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$`)

// trust reads the certificates to trust besides the system's.
func (o *options) trust(caFile string) error {
	if caFile == "" {
		return nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return fmt.Errorf("--ca-file: %w", err)
	}
	// Where the system has no certificates, those of the file are all there are.
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("--ca-file holds no PEM certificate")
	}
	o.ca, o.rootCAs = string(pem), roots
	return nil
}
