# Every target works on a bare machine with Python 3.11 or later and make: it makes its own .venv.
# PYTHON=python3.12 chooses the Python that .venv is made of.

BIN := .venv/bin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check lint types lowest clients bench bench-fleet crash-walk chaos chaos-check fleet-walk fuzz soak systemd recipes docs docs-fit audit clean compiled venv-runtime venv-bench venv-suite venv-dev

help:
	@echo "make demo    see the whole story in a minute"
	@echo "make test    run the tests"
	@echo "make check   style, types, layers, docs and tests: all that must hold"
	@echo "make clients try the simulators with programs that others wrote"
	@echo "make bench   measure, side by side; ROW=idle measures one row"
	@echo "make bench-fleet   measure a fleet on a PostgreSQL of its own (10 minutes)"
	@echo "make fuzz    a million spoilt documents, 40,000 answers, 100,000 requests (half an hour)"
	@echo "make crash-walk   die at every boundary of every story (10 minutes)"
	@echo "make chaos   kill, freeze and stop the agent, KILLS=1000 times"
	@echo "make fleet-walk   kill, freeze and cut off a fleet, its watchers, workers and database, FAULTS=1000 times"
	@echo "make chaos-check   put known faults back, one at a time: is each found? (an hour)"
	@echo "make systemd   run the service under a real systemd, to the machine's shutdown (a minute, as root)"
	@echo "make soak    a year of a manual clock, then a real hour, each on Azure and Alibaba Cloud"
	@echo "make recipes play the recipes with the real servers, and write their figures (4 minutes)"
	@echo "make docs    build the documentation into docs/_build/html"
	@echo "make docs-fit   does every page fit a phone and a laptop? (looks at them in Chromium)"
	@echo "make audit   look what would be installed up in the public advisories"
	@echo "make clean   remove .venv and whatever was built"

demo: venv-runtime
	@$(BIN)/stormcone demo

test: compiled
	@$(BIN)/python -m pytest --numprocesses auto --dist worksteal

check:
	@PYTHON="$(PYTHON)" .ci/check

# Once, and not at each start of a program of ours where the environment forbids Python to write bytecode.
compiled: venv-suite
	@$(BIN)/python -m compileall -q -j 0 core providers simulators

lint: venv-dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python .ci/licences.py

types: venv-dev
	@$(BIN)/mypy

docs: venv-dev
	@$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --quiet docs docs/_build/html
	@echo "The documentation is in docs/_build/html/index.html."

docs-fit: docs
	@$(BIN)/python .ci/fits

# What depends on a dependency once more, with the lowest versions that are allowed.
lowest:
	@$(or $(PYTHON),python3) .ci/lowest

# Programs that others wrote, unchanged, at the clouds' own addresses in a network of their own.
clients: compiled
	@$(or $(PYTHON),python3) .ci/clients

bench: venv-bench
	@$(BIN)/python benchmarks/bench.py performance $(ROW)

bench-fleet: venv-bench
	@$(BIN)/python benchmarks/bench.py fleet $(ROW)

audit:
	@PYTHON="$(PYTHON)" .ci/audit

fuzz: venv-suite
	@$(BIN)/python fuzz/fuzz.py

# The suite walks the stories that a cloud is alone in, and dies wherever that leaves something else behind than the
# boundary before; this walks all of them, and dies at every boundary.
crash-walk: compiled
	@EVERY_STORY=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal tests/durability/test_every_*.py

# The whole of it is KILLS=10000; SEED=... repeats one. Steps of the clock take libfaketime, and full disks root.
chaos: venv-suite
	@$(BIN)/python chaos/chaos.py --kills $(or $(KILLS),1000) $(if $(SEED),--seed $(SEED))

fleet-walk: venv-suite
	@$(BIN)/python chaos/fleet_walk.py --faults $(or $(FAULTS),1000) $(if $(SEED),--seed $(SEED))

chaos-check: venv-suite
	@$(BIN)/python chaos/put_back.py

# The real hour is that of Azure and Alibaba Cloud, side by side.
# Takes root and systemd: boots a machine of its own, in namespaces.
systemd: venv-suite
	@REAL_SYSTEMD=1 $(BIN)/python -m pytest tests/service/test_systemd.py

soak: venv-suite
	@for cloud in azure alibaba; do $(BIN)/python soak/soak.py --cloud $$cloud || exit 1; done
	@$(BIN)/python soak/soak.py --real --cloud azure & other=$$!; \
		$(BIN)/python soak/soak.py --real --cloud alibaba && wait $$other

recipes: venv-suite
	@$(BIN)/python -m recipes --write

clean:
	@rm -rf .venv .venv-audit .venv-clients .venv-lowest .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage* htmlcov build dist docs/_build

venv-runtime venv-bench venv-suite venv-dev:
	@PYTHON="$(PYTHON)" .ci/venv $(@:venv-%=%)
