// Package command is the commands of kubectl whatsapp. Each reads what it needs, asks view what to say of it, and says
// it.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/whatsapp-operator/whatsapp-operator/plugin/cluster"
	"github.com/whatsapp-operator/whatsapp-operator/version"
)

// Exit codes.
const (
	ExitDone = 0
	// ExitFailed means that something went wrong, which was said.
	ExitFailed = 1
	// ExitUsage means that the command was not understood, and nothing was done.
	ExitUsage = 2
	// ExitNotReady means that what was asked for is not so, or was not in time.
	ExitNotReady = 3
	// ExitDenied means that whoever ran the command lacks a right, which was named.
	ExitDenied = 4
)

// Options are what a run has of its surroundings.
type Options struct {
	In       io.Reader
	Out, Err io.Writer
	// Watched tells that a person reads Err: what is waited for is said there.
	Watched bool
	Now     func() time.Time
	// Interval is how often a command that waits looks again.
	Interval time.Duration
	// Dial reaches pods; by port-forward where it is nil.
	Dial cluster.Dial
}

// program is one run.
type program struct {
	Options
	loading   *clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
	timeout   time.Duration
}

// exitError ends a run with a code of its own. Where silent, everything was said already.
type exitError struct {
	code   int
	silent bool
	error
}

func (e *exitError) Unwrap() error { return e.error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: ExitUsage, error: err}
}

func notReady(format string, values ...any) error {
	return &exitError{code: ExitNotReady, error: fmt.Errorf(format, values...)}
}

// Run is a whole run, and returns its exit code.
func Run(ctx context.Context, args []string, o Options) int {
	root := newRoot(o)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var (
		exit   *exitError
		denied *cluster.DeniedError
	)
	switch {
	case err == nil:
		return ExitDone
	case !errors.As(err, &exit) || !exit.silent:
		_, _ = fmt.Fprintln(o.Err, "error:", err)
	}
	switch {
	case exit != nil:
		if exit.code == ExitUsage {
			_, _ = fmt.Fprintln(o.Err, "`kubectl whatsapp --help` and `kubectl whatsapp COMMAND --help` say what is understood.")
		}
		return exit.code
	case errors.As(err, &denied):
		return ExitDenied
	}
	return ExitFailed
}

const rootHelp = `Work with the WhatsApp channels of a cluster: set them up, see how they are, and answer customers.

Everything is done with the rights of your kubeconfig: channels and Secrets are read, and receivers are reached by
port-forward. Who lacks a right is told the rule that is missing.

Exit codes: 0 done, 1 failed, 2 not understood, 3 not ready or not in time, 4 a right is missing.`

func newRoot(o Options) *cobra.Command {
	p := &program{Options: o, loading: clientcmd.NewDefaultClientConfigLoadingRules()}
	root := &cobra.Command{
		Use:           "kubectl-whatsapp",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl whatsapp"},
		Short:         "Work with the WhatsApp channels of a cluster",
		Long:          rootHelp,
		Version:       version.String(),
		SilenceErrors: true, SilenceUsage: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("there is no command %q", args[0]))
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(o.In)
	root.SetOut(o.Out)
	root.SetErr(o.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	p.clusterFlags(root)
	root.AddCommand(
		p.setup(), p.status(), p.sendTest(), p.rotateVerifyToken(),
		p.tickets(), p.show(), p.reply(), p.change("close", "Close a ticket; the customer's next message opens a new one", "close"),
		p.change("reopen", "Open a ticket again", "open"), p.change("pending", "Mark a ticket as waiting for something", "pending"),
		p.deadLetters(), p.replay(), p.quarantine(),
	)
	return root
}

// clusterFlags are those of kubectl. The ones that are rarely needed work without being listed.
func (p *program) clusterFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&p.loading.ExplicitPath, "kubeconfig", "", "path of the kubeconfig file")
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.Timeout = clientcmd.FlagInfo{}
	clientcmd.BindOverrideFlags(&p.overrides, flags, names)
	for _, rare := range []string{
		clientcmd.FlagAuthInfoName, clientcmd.FlagClusterName, clientcmd.FlagAPIServer, clientcmd.FlagTLSServerName, clientcmd.FlagInsecure,
		clientcmd.FlagCertFile, clientcmd.FlagKeyFile, clientcmd.FlagCAFile, clientcmd.FlagBearerToken, clientcmd.FlagImpersonate,
		clientcmd.FlagImpersonateUID, clientcmd.FlagImpersonateGroup, clientcmd.FlagUsername, clientcmd.FlagPassword, clientcmd.FlagProxyURL,
		clientcmd.FlagDisableCompression,
	} {
		if flags.Lookup(rare) != nil {
			_ = flags.MarkHidden(rare)
		}
	}
}

// timeoutFlag bounds a command that waits.
func (p *program) timeoutFlag(c *cobra.Command, otherwise time.Duration) {
	c.Flags().DurationVar(&p.timeout, "timeout", otherwise, "how long to wait, such as 30s or 5m")
}

// connect opens the cluster that the flags and the kubeconfig choose, and says which namespace they choose.
func (p *program) connect() (*cluster.Cluster, string, error) {
	config, namespace, err := p.config()
	if err != nil {
		return nil, "", err
	}
	c, err := cluster.Open(config, p.Dial)
	return c, namespace, err
}

func (p *program) config() (*rest.Config, string, error) {
	chosen := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(p.loading, &p.overrides)
	namespace, _, err := chosen.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("the kubeconfig cannot be used: %w", err)
	}
	config, err := chosen.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("the kubeconfig cannot be used: %w", err)
	}
	config.UserAgent = "kubectl-whatsapp/" + version.String()
	// The API server bounds requests itself, fairly; waiting here would only make a person wait.
	config.QPS = -1
	return config, namespace, nil
}

// say tells something that is not the command's result.
func (p *program) say(format string, values ...any) {
	_, _ = fmt.Fprintf(p.Err, format+"\n", values...)
}

// progress is what a command found when it looked.
type progress struct {
	done bool
	// waits says in a sentence what is waited for.
	waits string
}

// follow looks until what is waited for is there, and says what that is whenever it changes and somebody watches.
// An error of look ends it.
func (p *program) follow(ctx context.Context, look func(context.Context) (progress, error)) error {
	bounded, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	ticker := time.NewTicker(p.Interval)
	defer ticker.Stop()
	said, waits := "", "nothing was found out in this time"
	for {
		found, err := look(bounded)
		switch {
		case bounded.Err() != nil && ctx.Err() == nil:
			return notReady("gave up after %s: %s", p.timeout, waits)
		case ctx.Err() != nil:
			return &exitError{code: ExitNotReady, error: errors.New("interrupted")}
		case err != nil:
			return err
		case found.done:
			return nil
		}
		if waits = found.waits; waits != said && p.Watched {
			p.say("waiting: %s", waits)
		}
		said = waits
		select {
		case <-bounded.Done():
		case <-ticker.C:
		}
	}
}
