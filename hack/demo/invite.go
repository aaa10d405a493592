package main

import (
	"fmt"
	"strings"
)

// invite says what to try next, in commands that work as they stand.
func (s *story) invite() {
	fmt.Fprintf(s.console.out, "\nDone after %s. The cluster stays; try it yourself:\n\n", s.console.elapsed())
	for _, paragraph := range []string{
		"# Use the demo's cluster, in this shell alone.\n" +
			"export KUBECONFIG={kubeconfig} NO_PROXY='*'\n" +
			"alias kubectl={kubectl}",
		"# Look at the channel: what is known, what was done, and why.\n" +
			"kubectl describe wac support --namespace helpdesk",
		"# See what blocks when something is wrong, and mend it again.\n" +
			"kubectl label secret {credentials} --namespace helpdesk whatsapp-operator.io/use-\n" +
			"kubectl get wac --namespace helpdesk -o wide\n" +
			"kubectl label secret {credentials} --namespace helpdesk whatsapp-operator.io/use=channel",
		"# Be the customer: write, and read what came back.\n" +
			"kubectl port-forward --namespace meta service/meta 8081 >/dev/null &\n" +
			`curl --retry 9 --retry-connrefused --silent -d '{"name": "Erika Mustermann", "text": "One more question!"}' localhost:8081/customers/12025550143/messages` + "\n" +
			"curl --silent localhost:8081/customers/12025550143/messages",
		"# Be the agent: read the tickets in Zammad, and reply on the newest.\n" +
			"kubectl port-forward --namespace zammad service/zammad 8082:8081 >/dev/null &\n" +
			"curl --retry 9 --retry-connrefused --silent localhost:8082/tickets\n" +
			`curl --silent -d '{"body": "Of course, <b>just ask</b>."}' localhost:8082/tickets/2/articles`,
		"# Ask the channel itself.\n" +
			"alias kubectl-whatsapp='go run -C {repository} ./cmd/kubectl-whatsapp'\n" +
			"kubectl-whatsapp status support --namespace helpdesk",
		"# Remove everything.\n" +
			"make -C {repository} demo-down",
	} {
		text := strings.NewReplacer(
			"{kubeconfig}", s.cluster.Kubeconfig, "{kubectl}", s.cluster.KubectlPath(),
			"{credentials}", credentials, "{repository}", s.machine.repository,
		).Replace(paragraph)
		fmt.Fprintf(s.console.out, "%s\n\n", text)
	}
}
