# `make demo` and `make test` need Python >= 3.10 and the network to PyPI, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install -qq
DEMO := .demo
MELTANO := $(DEMO)/venv/bin/meltano
TAPS := .taps
TAPS_IN_TEST := tap-csv-folder meltanolabs-tap-postgres pipelinewise-tap-postgres
MORE_TAPS := tap-spreadsheets tap-jsonl
TOGETHER := -m "not pipeline and not chaos and not taps" --numprocesses 6 --dist worksteal
FAULTS := -m chaos tests/chaos tests/audiences
SLOW := -m "(chaos or pipeline or taps) and not more_taps" tests/chaos tests/audiences tests/pipeline tests/taps
PIN := $(DEMO)/venv/bin/uv pip compile --quiet --universal --upgrade --python-version 3.10 \
	--no-annotate --no-header

.PHONY: help
help: ## Show the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: python
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "Python 3.10 or newer is needed: try make PYTHON=python3.12"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | python
	@echo "Making the virtual environment $(VENV) (once, about half a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP) --upgrade "pip>=25.1"
	@$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[sandbox,parquet,postgres]' --group dev
	@touch $@

$(DEMO)/.meltano: demo/constraints.txt | python
	@echo "Installing Meltano in $(DEMO)/venv (once, about half a minute) ..."
	@$(PYTHON) -m venv --clear $(DEMO)/venv
	@$(DEMO)/venv/bin/python $(PIP) --upgrade "pip>=25.1"
	@$(DEMO)/venv/bin/python $(PIP) --constraint demo/constraints.txt meltano
	@touch $@

$(DEMO)/.plugins: $(DEMO)/.meltano demo/meltano.yml pyproject.toml constraints.txt
	@echo "Installing tap-postgres and, from this checkout, target-batch (once, about a minute) ..."
	@cd demo && NO_COLOR=1 ../$(MELTANO) install --clean >../$(DEMO)/install.log 2>&1 \
		|| { tail -n 30 ../$(DEMO)/install.log; exit 1; }
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## Make the virtual environment

.PHONY: demo
demo: $(VENV)/.installed $(DEMO)/.plugins ## Load a real database into a local Batch through Meltano
	@$(BIN)/python -m demo

$(TAPS)/%/.installed: tests/taps/pins/%.txt | python
	@echo "Installing $* in $(TAPS)/$* (once, about half a minute) ..."
	@$(PYTHON) -m venv --clear $(TAPS)/$*
	@$(TAPS)/$*/bin/python $(PIP) --upgrade "pip>=25.1"
	@$(TAPS)/$*/bin/python $(PIP) --no-deps --requirement $<
	@touch $@

.PHONY: test
test: lint $(DEMO)/.plugins $(TAPS_IN_TEST:%=$(TAPS)/%/.installed) ## Style, types, direction of imports, and every test
	@echo "Running the tests that may share the machine ..."
	@$(BIN)/python -m pytest $(TOGETHER)
	@echo "Running those that kill, stop and wait, and real pipelines and taps, a file at a time ..."
	@$(BIN)/python -m pytest $(SLOW) --numprocesses 4 --dist loadfile

.PHONY: test-fast
test-fast: install ## The tests without the pipeline and the long fault runs
	@$(BIN)/python -m pytest $(TOGETHER)

EXAMPLES := $(addprefix $(DEMO)/examples-,airflow dagster kubernetes)
$(EXAMPLES): $(DEMO)/examples-%: examples/schedulers/requirements-%.txt | python
	@echo "Installing what the example for $* needs in $@ (once, about a minute) ..."
	@$(PYTHON) -m venv --clear $@
	@$@/bin/python $(PIP) --upgrade "pip>=25.1"
	@$@/bin/python $(PIP) --requirement $<
	@touch $@

.PHONY: test-examples
test-examples: $(EXAMPLES) ## Load the examples for schedulers with Airflow, Dagster and Kubernetes' schemas
	@for name in airflow dagster kubernetes; do \
		AIRFLOW_HOME=$(CURDIR)/$(DEMO)/airflow DAGSTER_HOME= \
			$(DEMO)/examples-$$name/bin/python tools/check_examples.py $$name || exit 1; \
	done

.PHONY: test-taps
test-taps: install $(patsubst %,$(TAPS)/%/.installed,$(TAPS_IN_TEST) $(MORE_TAPS)) ## Real taps into the local Batch, some more than in `make test`
	@$(BIN)/python -m pytest -m taps

.PHONY: test-lowest
test-lowest: $(DEMO)/.meltano ## The tests with the oldest version of every dependency, all at once
	@echo "Installing the lower bounds of pyproject.toml in $(DEMO)/lowest ..."
	@$(PYTHON) -m venv --clear $(DEMO)/lowest
	@$(DEMO)/venv/bin/uv pip install --quiet --python $(DEMO)/lowest/bin/python --resolution lowest-direct \
		--editable '.[sandbox,parquet,postgres]' --group dev
	@$(DEMO)/lowest/bin/python -m pytest $(TOGETHER)

SEEDS ?= 20
.PHONY: test-seeds
test-seeds: install ## The property tests under 20 seeds each (SEEDS=n for another number)
	@for seed in $$(seq $(SEEDS)); do \
		$(BIN)/python -m pytest -q --numprocesses auto --hypothesis-seed=$$((seed * 7919 + $$(date +%s) % 7919)) \
			$$(grep -rl hypothesis tests --include='test_*.py') || exit 1; \
	done

.PHONY: test-wheel
test-wheel: install ## The wheel alone, without extras, in an environment of its own: the pipe example of the README
	@$(BIN)/python tools/try_wheel.py

.PHONY: test-chaos
test-chaos: install ## The fault runs at full length
	@CHAOS=full $(BIN)/python -m pytest $(FAULTS)

.PHONY: lint
lint: install ## Style, types and direction of imports
	@echo "Checking style, types and the direction of imports ..."
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

.PHONY: format
format: install ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

.PHONY: bench
bench: install ## Measure records per second and CPU per record
	@$(BIN)/python benchmarks/run.py
	@echo
	@$(BIN)/python benchmarks/mapping.py

.PHONY: constraints
constraints: $(DEMO)/.meltano ## Pin the newest versions of everything, for Python 3.10 to 3.14
	@{ echo "# The project's environment on Python 3.10 to 3.14. Made by: make constraints"; \
		$(PIN) pyproject.toml --all-extras --group dev; } > $(DEMO)/pins
	@cmp -s $(DEMO)/pins constraints.txt || cp $(DEMO)/pins constraints.txt
	@{ echo "# The demo's Meltano and its tap on Python 3.10 to 3.14. Made by: make constraints"; \
		$(PIN) demo/requirements.txt; } > $(DEMO)/pins
	@cmp -s $(DEMO)/pins demo/constraints.txt || cp $(DEMO)/pins demo/constraints.txt
	@for tap in $(TAPS_IN_TEST) $(MORE_TAPS); do \
		{ echo "# $$tap and all it needs on Python 3.10 to 3.14. Made by: make constraints"; echo $$tap \
			| $(PIN) - --override tests/taps/pins/overrides.in; } > $(DEMO)/pins || exit 1; \
		cmp -s $(DEMO)/pins tests/taps/pins/$$tap.txt || cp $(DEMO)/pins tests/taps/pins/$$tap.txt; \
	done

.PHONY: clean
clean: ## Remove what these commands made
	@rm -rf $(VENV) $(DEMO) $(TAPS) demo/.meltano dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: site
site: install ## Build the documentation as a site, into .demo/site
	@$(BIN)/mkdocs build --quiet --strict
	@echo "The site is in $(DEMO)/site: open $(DEMO)/site/index.html"

.PHONY: pictures
pictures: install ## Take the pictures of README and docs from the local pages (needs Chromium)
	@$(BIN)/python -m tools.pictures

.PHONY: docs
docs: install ## Write from the code what README, docs and Meltano say of it
	@$(BIN)/python tools/generate.py
