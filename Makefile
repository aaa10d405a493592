# Everything a contributor runs. `make` alone prints the list.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

MODULE  := github.com/whatsapp-operator/whatsapp-operator
BIN     := $(CURDIR)/bin
DIST    := $(CURDIR)/dist
CONTRACT := $(CURDIR)/.cache/contract
KUBECTL ?= kubectl
DOCKER  ?= docker

# The release that the binaries say they are: the newest version tag, if there is one.
VERSION       ?= $(or $(patsubst v%,%,$(shell git describe --tags --match 'v[0-9]*' 2>/dev/null)),0.0.0-dev)
REVISION      ?= $(or $(shell git rev-parse HEAD 2>/dev/null),unknown)
IMG           ?= whatsapp-operator/whatsapp-operator:dev
SIMULATOR_IMG ?= whatsapp-operator/cloudapi-simulator:dev
ZAMMAD_IMG    ?= whatsapp-operator/zammad-simulator:dev
GOARCH        ?= $(shell go env GOARCH)

# No VCS stamp: the same sources give the same bytes, here and in the Dockerfile.
GOBUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X $(MODULE)/version.version=$(VERSION)'

# A cache for each work tree: a shared one reports files under the path of the tree that was looked at first, which the
# rules for single directories then do not match.
export GOLANGCI_LINT_CACHE := $(CURDIR)/.cache/golangci-lint

# Real webhooks and Graph answers that some tests read; those tests say so when they skip.
export WHATSAPP_FIXTURES := $(abspath $(or $(WHATSAPP_FIXTURES),../shared/fixtures))
# Slices of Meta's OpenAPI document, which only `make contract` reads.
export WHATSAPP_OPENAPI := $(abspath $(or $(WHATSAPP_OPENAPI),../shared/openapi))

# Where TEST names packages, only those are tested; TESTFLAGS goes to go test.
TEST      ?= ./...
TESTFLAGS ?=
# The crash suite kills processes by the thousand. The race detector makes that take many times as long, and looks at the
# same code in the packages' own tests.
UNRACED := ./test/crash
RACED    = $(if $(filter ./...,$(TEST)),$$(go list ./... | grep -v '/test/crash$$'),$(TEST))
FUZZTIME  ?= 30s
# The halves of the benchmark, and flags for them, such as -openloop 30s.
BENCH      ?= $(filter receiver operator,$(notdir $(wildcard test/bench/*)))
BENCHFLAGS ?=

# How often `make reliability` cuts the power, for each engine, and lets a receiver crash.
CUTS ?= 20
RUNS ?= 1000

##@ Use it

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show the whole path in a cluster of its own: a channel, a customer's message, a ticket, a reply
	go run ./hack/demo up

.PHONY: demo-down
demo-down: ## Remove the demo and its cluster
	go run ./hack/demo down

##@ Change it

.PHONY: generate
generate: $(BIN)/controller-gen $(BIN)/crd-ref-docs ## Generate code, CRD, RBAC and reference after a change of types or markers
	hack/generate

.PHONY: manifests
manifests: generate ## The same as generate, under kubebuilder's name

.PHONY: docs
docs: generate ## The same as generate, which also writes docs/reference.md

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## Format the code
	$(BIN)/golangci-lint fmt ./...

.PHONY: vet
vet: ## Run go vet, the tests with build tags included
	go vet -tags e2e,contract,bench,reliability ./...

.PHONY: build
build: ## Build the programs into bin/
	$(GOBUILD) -o $(BIN)/ ./cmd/...

##@ Check it

.PHONY: lint
lint: $(BIN)/golangci-lint $(BIN)/controller-gen $(BIN)/crd-ref-docs ## Run the linters, and check that generated files are current
	$(BIN)/golangci-lint run ./...
	hack/generate --check
	@set -e; for module in $(OTHER_MODULES); do echo "$$module: go vet"; (cd $$module && go vet ./...); done

.PHONY: lint-fix
lint-fix: $(BIN)/golangci-lint ## Run the linters and let them repair what they can
	$(BIN)/golangci-lint run --fix ./...

.PHONY: test
test: ## Run unit tests and the tests against a real API server and a real PostgreSQL, with the race detector
	@hack/postgres
	@assets=$$(hack/envtest); set -x; \
	KUBEBUILDER_ASSETS="$$assets" go test -race -timeout 30m $(TESTFLAGS) $(RACED)
	@$(if $(filter ./...,$(TEST)),set -x; go test -timeout 30m $(TESTFLAGS) $(UNRACED),true)
	@$(if $(filter ./...,$(TEST)),set -e; for module in $(OTHER_MODULES); do (cd $$module; set -x; go test $(TESTFLAGS) ./...); done,true)

.PHONY: e2e
e2e: ## Test the product in a real cluster made from this tree (KEEP=1 keeps the cluster)
	hack/e2e

.PHONY: e2e-gateway
e2e-gateway: ## Test HTTPRoute and Ingress behind Traefik in a real cluster (builds Traefik the first time, 12 minutes of processor time)
	hack/e2e gateway

.PHONY: reliability
reliability: ## Take the power CUTS (20) times and let crash RUNS (1000) times: nothing acknowledged may be lost (power cuts need root)
	@hack/postgres
	RELIABILITY_CUTS=$(CUTS) RELIABILITY_RUNS=$(RUNS) go test -tags reliability -count 1 -timeout 3h -v $(TESTFLAGS) ./test/reliability/... ./test/crash/...
	$(MAKE) --no-print-directory reliability-cluster

.PHONY: reliability-cluster
reliability-cluster: ## Let the node, the receivers, the operator, a volume and PostgreSQL fail under load in a real cluster (a part of reliability)
	hack/e2e endurance

.PHONY: contract
contract: $(CONTRACT)/node_modules/.package-lock.json ## Compare with independent implementations (needs Node.js with npm)
	go test -tags contract -count 1 -timeout 10m -v $(TESTFLAGS) ./test/contract/...

.PHONY: bench
bench: ## Measure receiver and operator and print the figures of docs/benchmarks.md (BENCH=receiver or operator runs one half)
	@hack/postgres
	$(GOBUILD) -o $(BIN)/bench/ ./cmd/manager ./cmd/receiver ./test/bench/ceiling
	@set -e; KUBEBUILDER_ASSETS=$$(hack/envtest); export KUBEBUILDER_ASSETS; for half in $(BENCH); do \
		within=(); if [[ $$half == operator ]]; then within=(-exec 'unshare --mount --net --map-root-user'); fi; \
		(set -x; go test -tags bench -count 1 -timeout 1h -v "$${within[@]}" ./test/bench/$$half -args -programs $(BIN)/bench $(BENCHFLAGS)); \
	done
	@$(if $(filter operator,$(BENCH)),go test -count 1 -run '^TestGraphBudget$$' -v ./controllers | sed -n 's/.*\(graph[.].*\)/\1/p',true)

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME (30s)
	@set -e; for file in $$(grep -l '^func Fuzz' $$(go list -f '{{$$dir := .Dir}}{{range .TestGoFiles}}{{$$dir}}/{{.}} {{end}}{{range .XTestGoFiles}}{{$$dir}}/{{.}} {{end}}' ./...)); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			(set -x; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $${file%/*}); \
		done; \
	done

.PHONY: vuln
vuln: $(BIN)/govulncheck ## Look the dependencies up in the Go vulnerability database (needs the network)
	$(BIN)/govulncheck ./...

##@ Ship it

.PHONY: image
image: ## Assemble the images into dist/*.tar, without a container engine
	@mkdir -p $(DIST)/root
	GOOS=linux GOARCH=$(GOARCH) $(GOBUILD) -o $(DIST)/root/ ./cmd/manager ./cmd/receiver ./cmd/cloudapi-simulator ./cmd/zammad-simulator
	@cd hack/image && CGO_ENABLED=0 go build -o $(BIN)/image .
	@$(call pack,$(IMG),whatsapp-operator,/manager,whatsapp-operator,WhatsApp support channels$(comma) declared in Kubernetes) \
		$(DIST)/root/manager $(DIST)/root/receiver
	@$(call pack,$(SIMULATOR_IMG),cloudapi-simulator,/cloudapi-simulator,cloudapi-simulator,Meta's Cloud API$(comma) simulated for tests) \
		$(DIST)/root/cloudapi-simulator
	@$(call pack,$(ZAMMAD_IMG),zammad-simulator,/zammad-simulator,zammad-simulator,Zammad$(comma) simulated for tests) \
		$(DIST)/root/zammad-simulator

.PHONY: docker-build
docker-build: ## Build the operator's image with a container engine
	$(DOCKER) build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --tag $(IMG) .

.PHONY: install
install: $(BIN)/kustomize ## Apply the CRD to the cluster that kubectl points to
	$(BIN)/kustomize build config/crd | $(KUBECTL) apply --server-side -f -

.PHONY: uninstall
uninstall: $(BIN)/kustomize ## Delete the CRD, and with it every channel
	$(BIN)/kustomize build config/crd | $(KUBECTL) delete --ignore-not-found -f -

.PHONY: deploy
deploy: $(BIN)/kustomize ## Apply the CRD and the operator, with the image IMG
	@$(BIN)/kustomize build config/default | sed 's|image: whatsapp-operator/whatsapp-operator:dev|image: $(IMG)|' | \
		$(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: $(BIN)/kustomize ## Delete every channel, then the operator and the CRD
	@# The operator clears the channels' callback URLs at Meta, so it goes last: without it they would wait for ever.
	@if $(KUBECTL) get customresourcedefinition whatsappchannels.whatsapp-operator.io >/dev/null 2>&1; then \
		$(KUBECTL) delete whatsappchannels --all --all-namespaces --timeout=5m || { \
			echo "Channels are still there. Is the operator running? docs/security.md says how to let a channel go without it." >&2; exit 1; }; \
	fi
	$(BIN)/kustomize build config/default | $(KUBECTL) delete --ignore-not-found -f -

.PHONY: clean
clean: ## Remove what was built (the caches of slow builds stay)
	rm -rf $(BIN) $(DIST)

# Modules of their own, so that what they need stays out of the product's go.mod.
OTHER_MODULES := hack/image hack/node

comma := ,

# pack: image name, archive, entrypoint, title, description; the binaries follow.
pack = $(BIN)/image -name $(1) -output $(DIST)/$(2).tar -arch $(GOARCH) -entrypoint $(3) \
	-label "org.opencontainers.image.title=$(4)" \
	-label "org.opencontainers.image.description=$(5)" \
	-label "org.opencontainers.image.source=https://$(MODULE)" \
	-label "org.opencontainers.image.licenses=Apache-2.0" \
	-label "org.opencontainers.image.version=$(VERSION)" \
	-label "org.opencontainers.image.revision=$(REVISION)"

# What test/contract compares with, installed where no Go tool looks.
$(CONTRACT)/node_modules/.package-lock.json: test/contract/package.json test/contract/package-lock.json test/contract/.npmrc
	@mkdir -p $(CONTRACT)
	cp $^ $(CONTRACT)/
	cd $(CONTRACT) && npm ci
	@touch $@

# The tools, built from the versions that hack/tools pins.
tool = cd $(1) && CGO_ENABLED=0 go build -o $(BIN)/ $(2)

$(BIN)/controller-gen: hack/tools/go.mod hack/tools/go.sum
	@$(call tool,hack/tools,sigs.k8s.io/controller-tools/cmd/controller-gen)

$(BIN)/crd-ref-docs: hack/tools/go.mod hack/tools/go.sum
	@$(call tool,hack/tools,github.com/elastic/crd-ref-docs)

$(BIN)/kustomize: hack/tools/go.mod hack/tools/go.sum
	@$(call tool,hack/tools,sigs.k8s.io/kustomize/kustomize/v5)

$(BIN)/govulncheck: hack/tools/go.mod hack/tools/go.sum
	@$(call tool,hack/tools,golang.org/x/vuln/cmd/govulncheck)

$(BIN)/golangci-lint: hack/tools/golangci/go.mod hack/tools/golangci/go.sum hack/tools/golangci/main.go
	@echo "Building golangci-lint and its plugins (some minutes the first time)"
	@$(call tool,hack/tools/golangci,-o $(BIN)/golangci-lint .)
