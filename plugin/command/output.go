package command

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// output is a command's form of output.
type output struct{ form string }

const (
	formWide = "wide"
	formJSON = "json"
	formYAML = "yaml"
	formName = "name"
)

// outputFlag lets a command be told the form of its output.
func outputFlag(c *cobra.Command, allowed ...string) *output {
	o := &output{}
	c.Flags().StringVarP(&o.form, "output", "o", "", "form of the output: "+strings.Join(allowed, ", ")+"; a table or text if left out")
	oneOf(c, "output", &o.form, allowed...)
	return o
}

// oneOf lets a flag have one of some values, or none.
func oneOf(c *cobra.Command, flag string, value *string, allowed ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if *value != "" && !slices.Contains(allowed, *value) {
			return usage(fmt.Errorf("--%s is one of %s", flag, strings.Join(allowed, ", ")))
		}
		if before != nil {
			return before(c, args)
		}
		return nil
	}
}

// write writes a value as JSON or YAML, names one a line, or what text writes.
func (o *output) write(w io.Writer, value any, names []string, text func() error) error {
	switch o.form {
	case formJSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	case formYAML:
		encoded, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		_, err = w.Write(encoded)
		return err
	case formName:
		for _, name := range names {
			if _, err := fmt.Fprintln(w, name); err != nil {
				return err
			}
		}
		return nil
	}
	return text()
}

func (o *output) wide() bool { return o.form == formWide }
