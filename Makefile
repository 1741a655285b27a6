# Every target is run from a fresh clone with git, make and Python 3.11 or newer; set-up does the rest.
# PYTHON=/path/to/python3 chooses the interpreter; PYTEST_ARGS, BENCH_ARGS
# and PROVE_ARGS are handed on.

BIN := .venv/bin
PYTEST_ARGS ?=
BENCH_ARGS ?=
PROVE_ARGS ?=
SEED ?= 1
MINUTES ?= 5
FUZZ_ARGS ?=
KUBERNETES := $(CURDIR)/build/kubernetes/servers
KUBERNETES_VERSION := $(addprefix -X k8s.io/component-base/version.,gitVersion=v1.36.3 gitMajor=1 gitMinor=36)
# Not set-up's .venv alone: that cannot be made while the lock does not fit pyproject.toml.
LOCK_PYTHON ?= $(or $(PYTHON),$(firstword $(wildcard $(BIN)/python)),python3)

# Every probe is a new Python: compiling the project anew each time costs more than the probe does.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo check quick-tests test coverage laws setup gates lint-fix lock schema pictures catalogue templates fleet kubernetes accuracy fuzz soak bench clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: setup ## build the lab, verify its brokers through PrivateLink, write a report
	$(BIN)/pytest scenarios -m privatelink $(PYTEST_ARGS)

check: setup ## all gates, and every quick test: none of lab, browser, installed use, or seconds of the processor
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target gates quick-tests

# Half of what a quick test takes is waiting: four workers keep two processors busy.
quick-tests: setup ## every quick test, without the gates
	$(BIN)/pytest tests -n 4 -m "not lab and not browser and not installed and not slow" -q $(PYTEST_ARGS)

# A lab waits more than it computes: the tests that need none go beside, with what it leaves of the processors.
test: gates ## all gates, then every test
	@tools/setup.sh --test
	$(BIN)/python -m tools.run_tests -n 2 -m "lab or browser" $(PYTEST_ARGS) \
	  --beside tests -n 3 -m "not lab and not browser" $(PYTEST_ARGS)

# Of the tests' own process: in probes, commands and labs coverage costs more time than it tells. It doubles the work.
coverage: setup ## the tests that need no lab again, with branch coverage
	$(BIN)/python -m tools.run_tests tests -n 2 -m "not lab and not browser and not installed" -q \
	  --cov --cov-report=term $(PYTEST_ARGS)

laws: setup ## the tests that need no lab again, laws with all their examples
	BROKERPROOF_ALL_EXAMPLES=1 $(BIN)/pytest tests -n 2 -m "not lab and not browser and not installed" -q $(PYTEST_ARGS)

setup: ## install what is missing: Debian packages, .venv, Kafka
	@tools/setup.sh

gates: setup ## ruff, mypy, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-fix: setup ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: ## pin every Python package, also indirect ones, with hashes, for pyproject.toml as it is now
	$(LOCK_PYTHON) -m venv --clear build/lock
	build/lock/bin/pip --disable-pip-version-check install --quiet uv==0.13.9
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --group dev --generate-hashes \
	  --no-annotate --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

schema: setup ## write the JSON Schemas of topology files, result documents and confusion matrices
	$(BIN)/python -m tools.schemas

pictures: setup ## draw the patterns for docs/patterns, and write what there follows from the code
	$(BIN)/python -m tools.pattern_pages

catalogue: setup ## write docs/catalogue.md and the least permissions, which follow from the code
	$(BIN)/python -m tools.catalogue_page
	$(BIN)/python -m tools.least_policy

templates: setup ## write the CloudFormation templates of a fleet, and the state machine for Terraform
	$(BIN)/python -m tools.fleet_templates

fleet: setup ## a fleet without an account: through ministack: the lab's clients, a schedule, 1,000 clients
	$(BIN)/python -m tests.fleet.offline lab privatelink_multi_nlb endpoint-security-group-closed
	$(BIN)/python -m tests.fleet.offline ssm privatelink_multi_nlb endpoint-security-group-closed
	$(BIN)/python -m tests.fleet.offline schedule
	$(BIN)/python -m tests.fleet.offline regions
	$(BIN)/python -m tests.fleet.offline scale 1000

# Needs Go 1.26. The servers are Kubernetes' own, at the version of servers/go.mod, which the linker has to be told.
kubernetes: setup ## build Kubernetes' own servers (the first time half an hour), and try the vantage and the chart with them
	@command -v go >/dev/null || { echo "make kubernetes: needs Go 1.26 on PATH" >&2; exit 1; }
	cd tests/kubernetes/servers && go build -ldflags "-s -w $(KUBERNETES_VERSION)" -o $(KUBERNETES) .
	BROKERPROOF_KUBERNETES=$(KUBERNETES) $(BIN)/pytest -q tests/kubernetes tests/fleet/test_helm.py $(PYTEST_ARGS)

accuracy: setup ## prove the diagnosis with every fault, and write docs/accuracy.md; PROVE_ARGS are handed on
	$(BIN)/brokerproof lab prove --clean 200 --busy 200 --together 3 --draws 100 --page docs/accuracy.md $(PROVE_ARGS)

# Its wheels are for x86-64 and some Pythons alone: where there is none, parsers are fuzzed by seeds in the tests.
fuzz: setup ## hostile peers of a seed, then parsers by coverage; SEED=1 MINUTES=5 FUZZ_ARGS; failing inputs kept
	@$(BIN)/python -c "import atheris" 2>/dev/null || \
	  $(BIN)/pip --disable-pip-version-check --quiet install --only-binary :all: atheris==3.0.0 || true
	$(BIN)/python -m tests.hostile --seed $(SEED) --minutes $(MINUTES) $(FUZZ_ARGS)

soak: setup ## one probe serves 10,000 plans; memory and descriptors must stay flat
	$(BIN)/python -m tests.hostile.soak

bench: ## compare with commands by hand, Kafka's own tools, iperf3, sslyze and others; figures to docs/benchmarks.md
	@tools/setup.sh --bench
	$(BIN)/python -m benchmarks.everything $(BENCH_ARGS)

clean: ## remove what set-up, gates and tests made here; reports and the Kafka cache stay
	rm -rf .venv build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
