package v1alpha1_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/whatsapp-operator/whatsapp-operator/api/v1alpha1"
)

// yamlBlock is an example, which may be indented as a part of a list.
var yamlBlock = regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)\n *```$")

// examples are the YAML examples of the pages for users, by where they are.
func examples(g Gomega) map[string]map[string]any {
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string]map[string]any{}
	for _, page := range append(pages, filepath.Join("..", "..", "README.md")) {
		content, err := os.ReadFile(page)
		g.Expect(err).NotTo(HaveOccurred())
		for i, block := range yamlBlock.FindAllStringSubmatch(string(content), -1) {
			where := fmt.Sprintf("example %d of %s", i+1, filepath.Base(page))
			text := strings.ReplaceAll("\n"+block[2], "\n"+block[1], "\n")
			var example map[string]any
			g.Expect(yaml.Unmarshal([]byte(text), &example)).To(Succeed(), where)
			found[where] = example
		}
	}
	return found
}

// Who copies an example gets what an API server takes, all of it.
func TestTheExamplesOfTheDocsAreValid(t *testing.T) {
	g := NewWithT(t)
	strict := client.WithFieldValidation(api, metav1.FieldValidationStrict)
	channels := 0
	for where, example := range examples(g) {
		object := &unstructured.Unstructured{Object: example}
		switch object.GetKind() {
		case "Gateway":
			// Of an API that this API server does not have.
			continue
		case "":
			// A part of a channel's spec, or of what is below it.
			spec, whole := example["spec"].(map[string]any)
			if !whole {
				spec = example
			}
			for name, value := range map[string]any{
				"businessAccountID": "102290129340398", "targetGroup": "2nd Level",
				"accessTokenSecretRef": map[string]any{"name": "whatsapp-support", "key": "access-token"},
				"appSecretSecretRef":   map[string]any{"name": "whatsapp-support", "key": "app-secret"},
			} {
				if spec[name] == nil {
					spec[name] = value
				}
			}
			object.Object = map[string]any{"spec": spec}
			object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("WhatsAppChannel"))
			object.SetName("example")
			channels++
		}
		object.SetNamespace(metav1.NamespaceDefault)
		g.Expect(strict.Create(context.Background(), object, client.DryRunAll)).To(Succeed(), where)
	}
	g.Expect(channels).To(BeNumerically(">", 5))
}

// explained are the reasons that the page about conditions has in its tables, and the conditions that it has in its headings.
var (
	explainedRow  = regexp.MustCompile("(?m)^[|] (`[A-Z][^|]*) [|]")
	explainedWord = regexp.MustCompile("`([A-Z][A-Za-z]+)`")
	heading       = regexp.MustCompile("(?m)^## ([A-Z][A-Za-z]+)$")
)

// constants are the values of the constants of a file whose names have a prefix.
func constants(g Gomega, file, prefix string) (values []string) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	g.Expect(err).NotTo(HaveOccurred())
	ast.Inspect(parsed, func(node ast.Node) bool {
		if constant, ok := node.(*ast.ValueSpec); ok && strings.HasPrefix(constant.Names[0].Name, prefix) && len(constant.Values) == 1 {
			if literal, ok := constant.Values[0].(*ast.BasicLit); ok {
				value, err := strconv.Unquote(literal.Value)
				g.Expect(err).NotTo(HaveOccurred())
				values = append(values, value)
			}
		}
		return true
	})
	return values
}

// A reason or condition that a channel shows is found on the page that explains them, and the page has no others.
func TestTheDocsExplainEveryReason(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "conditions.md"))
	g.Expect(err).NotTo(HaveOccurred())
	reasons := append(constants(g, "reasons.go", "Reason"), constants(g, filepath.Join("..", "..", "webhookserver", "helpdesk", "errors.go"), "Reason")...)
	for _, reason := range reasons {
		named := strings.Contains(string(page), "`"+reason+"`")
		// One entry is for all that wait for another condition, and a ticket that is gone is no condition's reason.
		if !named && !strings.HasPrefix(reason, "WaitingFor") && reason != "TicketGone" {
			t.Errorf("docs/conditions.md does not explain the reason %s", reason)
		}
	}
	for _, row := range explainedRow.FindAllStringSubmatch(string(page), -1) {
		for _, word := range explainedWord.FindAllStringSubmatch(row[1], -1) {
			if !slices.Contains(reasons, word[1]) {
				t.Errorf("docs/conditions.md explains %s, which is no reason", word[1])
			}
		}
	}
	conditions := constants(g, "conditions.go", "Condition")
	for _, condition := range conditions {
		if !strings.Contains(string(page), "`"+condition+"`") && !strings.Contains(string(page), "\n## "+condition+"\n") {
			t.Errorf("docs/conditions.md does not explain the condition %s", condition)
		}
	}
	for _, title := range heading.FindAllStringSubmatch(string(page), -1) {
		if !slices.Contains(conditions, title[1]) {
			t.Errorf("docs/conditions.md explains the condition %s, which there is not", title[1])
		}
	}
}
