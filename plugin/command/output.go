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
type output struct {
	form    string
	allowed []string
}

const (
	formWide = "wide"
	formJSON = "json"
	formYAML = "yaml"
	formName = "name"
)

// outputFlag lets a command be told the form of its output.
func outputFlag(c *cobra.Command, allowed ...string) *output {
	o := &output{allowed: allowed}
	c.Flags().StringVarP(&o.form, "output", "o", "", "form of the output: "+strings.Join(allowed, ", ")+"; a table or text if left out")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	validate := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if o.form != "" && !slices.Contains(o.allowed, o.form) {
			return usage(fmt.Errorf("there is no output %q here: it is one of %s", o.form, strings.Join(o.allowed, ", ")))
		}
		if validate != nil {
			return validate(c, args)
		}
		return nil
	}
	return o
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
