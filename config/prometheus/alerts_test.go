// Package prometheus tests the alerts against the metrics that there are.
package prometheus

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	promql "github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// metricName is the label in which Prometheus keeps the name of a metric.
const metricName = "__name__"

// literals are all strings that the code of some packages says.
func literals(t *testing.T, folders ...string) map[string]bool {
	t.Helper()
	said := map[string]bool{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join("..", "..", folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no code, %v", folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := goparser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(node ast.Node) bool {
				if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					if text, err := strconv.Unquote(literal.Value); err == nil {
						said[text] = true
					}
				}
				return true
			})
		}
	}
	return said
}

// Who looks for a metric or an alert finds what it says and what to do, and nothing that there is not.
func TestTheDocsTellOfEveryMetricAndAlert(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring.md"))
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for name := range literals(t, "controllers", "webhookserver") {
		if metric.MatchString(name) {
			there = append(there, name)
		}
	}
	for _, alert := range regexp.MustCompile(`(?m)- alert: (\w+)$`).FindAllStringSubmatch(string(alerts), -1) {
		there = append(there, alert[1])
	}
	var told []string
	for _, entry := range regexp.MustCompile("`(whatsapp_\\w+|WhatsApp\\w+)`").FindAllStringSubmatch(string(page), -1) {
		told = append(told, entry[1])
	}
	slices.Sort(there)
	slices.Sort(told)
	if !slices.Equal(there, told) {
		t.Errorf("there are\n%s\nand docs/monitoring.md tells of\n%s", strings.Join(there, "\n"), strings.Join(told, "\n"))
	}
}

// usedLabel is where the text of an alert names a label.
var usedLabel = regexp.MustCompile(`[$]labels[.](\w+)`)

// metric is the whole name of a metric.
var metric = regexp.MustCompile(`^whatsapp_(channel|graph|receiver)_[a-z_]+$`)

func TestAlertsAreAboutMetricsThatThereAre(t *testing.T) {
	text, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Spec struct {
			Groups []struct {
				Rules []struct {
					Alert       string            `json:"alert"`
					Expr        string            `json:"expr"`
					Labels      map[string]string `json:"labels"`
					Annotations map[string]string `json:"annotations"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	metrics := literals(t, "controllers", "webhookserver")
	values := literals(t, "api/v1alpha1", "webhookserver", "webhookserver/edge", "webhookserver/store")
	// Prometheus itself says whether it could scrape, by the name of the Service.
	var service struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if text, err = os.ReadFile(filepath.Join("..", "manager", "metrics_service.yaml")); err == nil {
		err = yaml.Unmarshal(text, &service)
	}
	if err != nil {
		t.Fatal(err)
	}
	metrics["up"], values[service.Metadata.Name] = true, true
	checked := 0
	for _, group := range rules.Spec.Groups {
		for _, rule := range group.Rules {
			expression, err := promql.NewParser(promql.Options{}).ParseExpr(rule.Expr)
			if err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
				continue
			}
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s says not how bad it is, what it is, or what to do", rule.Alert)
			}
			kept := map[string]bool{}
			promql.Inspect(expression, func(node promql.Node, _ []promql.Node) error {
				if aggregate, ok := node.(*promql.AggregateExpr); ok {
					for _, label := range aggregate.Grouping {
						kept[label] = true
					}
				}
				selector, ok := node.(*promql.VectorSelector)
				if !ok {
					return nil
				}
				checked++
				for _, matcher := range selector.LabelMatchers {
					if matcher.Name == metricName && !metrics[matcher.Value] {
						t.Errorf("%s: there is no metric %s", rule.Alert, matcher.Value)
					}
					if matcher.Name != metricName && !values[matcher.Value] {
						t.Errorf("%s: %s is never %q", rule.Alert, matcher.Name, matcher.Value)
					}
				}
				return nil
			})
			for _, label := range usedLabel.FindAllStringSubmatch(rule.Annotations["summary"]+rule.Annotations["description"], -1) {
				if !kept[label[1]] {
					t.Errorf("%s names the label %s, which its expression does not keep", rule.Alert, label[1])
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no metric was looked at")
	}
}
