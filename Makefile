# Everything that is done to this project. `make` alone lists it.
# What is downloaded or built goes into one cache folder (TENURE_CACHE moves it), the rest stays in the checkout.

CACHE := $(or $(TENURE_CACHE),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME)/tenure),$(HOME)/.cache/tenure)
UV_VERSION := 0.13.9
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),$(CACHE)/uv/bin/uv)
BIN := .venv/bin
OLDEST := 3.11

# Each worker has control planes of its own, and a file of tests belongs to one worker. ARGS="-n 0" does without workers.
WORKERS := -n 2 --dist loadfile --no-loadscope-reorder

export UV
export UV_CACHE_DIR ?= $(CACHE)/uv/cache
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help setup control-plane helm demo up down test test-oldest soak mutants mutation image release e2e-node \
	e2e-on-node prepare-node up-node down-node e2e-engines e2e-mail e2e-console e2e-kind check docs docs-serve generate \
	bench clean

help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The image's Python where this machine has it, else any that will do; UV_PYTHON chooses.
setup: | $(UV)
	@python=$${UV_PYTHON:-$$(dev/image-python)}; $${python:+env UV_PYTHON=$$python} $(UV) sync --locked --quiet

$(CACHE)/uv/bin/uv:
	@dev/install-uv $(UV_VERSION) $(CACHE)/uv

control-plane: setup ## Find the control plane's programs, or download or build them once.
	@$(BIN)/python -m tenure_dev control-plane

helm: setup ## Find Helm, promtool and Prometheus' CRDs, or get them once.
	@$(BIN)/python -m tenure_dev helm

demo: setup ## Show on a real control plane which keys a role change revokes.
	@$(BIN)/python -m tenure_dev demo

up: setup ## Start a control plane with Tenure and its console in the background, and print how to use it. MAIL=1 with a mail server.
	@$(BIN)/python -m tenure_dev up $(if $(MAIL),--mail)

down: setup ## Stop what `make up` started.
	@$(BIN)/python -m tenure_dev down

test: control-plane helm ## Run all tests, or those that you choose, for example with ARGS="tests/unit -k validity".
	@dev/install-nginx
	@dev/install-chromium
	$(BIN)/pytest $(WORKERS) --durations=30 $(ARGS)

test-oldest: | $(UV) ## Run the unit tests on the oldest supported Python.
	@UV_PROJECT_ENVIRONMENT=.cache/oldest $(UV) sync --locked --quiet --python $(OLDEST)
	.cache/oldest/bin/pytest --quiet tests/unit

SOAK_MINUTES ?= $(if $(SOAK_HOURS),$(shell echo $$(($(SOAK_HOURS) * 60))),20)
SOAK_KEYS ?= 50000

soak: control-plane helm ## Run the long tests at full size, random edits for SOAK_MINUTES=20, and a day of SOAK_KEYS=50000 keys.
	$(BIN)/pytest --soak --timeout=0 --soak-minutes=$(SOAK_MINUTES) --soak-keys=$(SOAK_KEYS) $(ARGS)

mutants: setup ## Plant faults in a copy, one at a time. A test must catch each. ARGS="stamp lease", --quick or --list.
	@$(BIN)/python -m tenure_dev mutants $(ARGS)

mutation: setup ## Count the changes by mutmut that unit tests catch, in the domain or in ARGS="validity planning".
	@UV_PROJECT_ENVIRONMENT=.cache/mutation-venv nice -n 10 $(UV) run --locked --quiet --group mutation \
		python -m tenure_dev mutation $(ARGS)

image: setup ## Build the image into dist/ with Docker or buildah, and check it.
	@$(BIN)/python -m tenure_dev image

release: helm ## Write all files of a release into dist/, and try them.
	@$(BIN)/python -m tenure_dev generate --check
	@rm -rf dist
	@$(BIN)/python -m tenure_dev release

e2e-node: setup ## Test an installation on one real node, as root on Linux. ARGS="-m short" as in CI, or files.
	@$(BIN)/python -m tenure_dev node-run -- $(BIN)/pytest -p no:cacheprovider $(if $(findstring tests/,$(ARGS)),,tests/node) $(ARGS)

e2e-on-node: setup ## Run tests/e2e on one real node, as root on Linux.
	@$(BIN)/python -m tenure_dev node-run -- dev/e2e-on-cluster $(ARGS)

prepare-node: setup ## Get all packages, programs and images of a real node.
	@$(BIN)/python -m tenure_dev node-prepare

up-node: setup ## Start one real node in the background, and print how to enter it.
	@$(BIN)/python -m tenure_dev node-up

down-node: setup ## Stop what `make up-node` started.
	@$(BIN)/python -m tenure_dev node-down

ENGINES ?= argocd flux

e2e-engines: control-plane helm ## Build the real Argo CD and Flux, and test what they do. ENGINES=flux for one.
	@$(if $(filter argocd,$(ENGINES)),dev/install-redis)
	@$(BIN)/python -m tenure_dev engines $(ENGINES)
	TENURE_ENGINES="$(ENGINES)" $(BIN)/pytest -n 0 tests/engines $(ARGS)

e2e-mail: control-plane ## Build Mailpit, send real letters, and accept in a real browser.
	@CHROMIUM=required dev/install-chromium
	TENURE_POST=yes $(BIN)/pytest -n 0 tests/post $(ARGS)

e2e-console: control-plane ## Change a role in the console by keyboard, in a real browser.
	@CHROMIUM=required dev/install-chromium
	TENURE_BROWSER=yes $(BIN)/pytest -n 0 tests/browser $(ARGS)

e2e-kind: control-plane helm ## Build the image and run tests/e2e on kind, with Docker.
	@dev/e2e-kind

check: setup ## Check format, lint, types, layers, prose, generated files and planted faults, and build the docs.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/python -m tenure_dev prose
	$(BIN)/python -m tenure_dev generate --check
	$(BIN)/pytest --quiet tests/unit/dev/test_mutants.py -k place
	@$(MAKE) --no-print-directory docs

# Read anew each time: what Sphinx remembers of an unchanged page are not its dead links.
docs: setup ## Build the documentation site. A warning, such as a dead link, is an error.
	$(BIN)/sphinx-build --builder html --fresh-env --jobs auto --quiet --fail-on-warning --keep-going docs .cache/docs

docs-serve: docs ## Build the documentation site and show it on http://127.0.0.1:8000.
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory .cache/docs 8000

generate: helm ## Write the generated files: CRDs, reference pages, the chart's files and manifests/install.yaml.
	$(BIN)/python -m tenure_dev generate

bench: setup ## Measure Tenure. The results are in bench/results. ARGS="--scenario scale --keys 100000", or --quick.
	$(BIN)/python -m bench $(ARGS)

clean: ## Remove all files that aren't in Git from the checkout, but keep the cache folder.
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m tenure_dev down; $(BIN)/python -m tenure_dev node-down; fi
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
