# The commands a person types. Each sets up what it needs.
.DEFAULT_GOAL := help
.PHONY: help demo test faults check format docs bench lock compiled monitoring browser vendor clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready

# Cryptofeed is compiled where it is installed. Without it all else works, and its tests say why they are skipped.
WITHOUT_LIVE := candles come by REST alone, without websockets
define LIVE
if command -v gcc >/dev/null 2>&1; then \
	$(BIN)/python -m pip install -qq -c requirements-dev.lock -e '.[live]' \
		|| echo "The extra 'live' (cryptofeed) could not be built: $(WITHOUT_LIVE)."; \
else \
	echo "No gcc, so the extra 'live' (cryptofeed) is left out: $(WITHOUT_LIVE)."; \
fi
endef

# Prometheus and what goes with it, as Debian and Ubuntu have them: unpacked, so that no service is started.
MONITORING := .monitoring
MONITORING_PACKAGES := prometheus prometheus-blackbox-exporter prometheus-alertmanager
define FETCH_MONITORING
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg >/dev/null 2>&1; then \
	echo "NOT FETCHED: no apt-get here. The tests of the monitoring files are skipped."; \
else \
	mkdir -p $(MONITORING) && cd $(MONITORING) \
	&& { apt-get download -qq $(MONITORING_PACKAGES) 2>/dev/null \
		|| { apt-get update -qq && apt-get download -qq $(MONITORING_PACKAGES); }; } \
	&& for package in *.deb; do dpkg -x "$$package" . && rm "$$package"; done \
	&& echo "Prometheus, blackbox and Alertmanager are in $(MONITORING)." \
	|| echo "NOT FETCHED: apt-get failed, as it says above. The tests of the monitoring files are skipped."; \
fi
endef

# Without compiled bytecode every Ray process starts three times slower.
unexport PYTHONDONTWRITEBYTECODE

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Candleray needs Python 3.11 or later, this is %s" % sys.version.split()[0])'
	@echo "Installing into $(VENV) (about 1.8 GB, a minute or two) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq -r requirements-dev.lock
	@$(BIN)/python -m pip install -qq --no-deps -e .
	@$(LIVE)
	@touch $@

$(BENCH_READY): requirements-bench.lock pyproject.toml
	@echo "Installing the peers into $(BENCH_VENV) ..."
	@test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install -qq -r requirements-bench.lock
	@$(BENCH_VENV)/bin/python -m pip install -qq --no-deps -e .
	@touch $@

demo: $(READY) ## simulator -> backfill -> a ranked grid over a year of minutes -> a strategy that runs live
	@$(BIN)/candleray demo

# A file on one process, so that what its tests share starts once; tests/order.py: what more, and the longest first.
# Three for two cores: half of the time is waiting for what real services do.
test: $(READY) ## every test but the faults, on three processes
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

faults: $(READY) ## kill, hang, fill the disk of and hide folders from real instances; FAULTS="--fault-rounds 10" for more
	@$(BIN)/python -m pytest -v -m faults $(FAULTS)

check: $(READY) ## format, lint, types, import fences
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY) ## format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(READY) ## write what is generated: configuration files and reference pages
	@$(BIN)/python docs/generate.py

bench: $(BENCH_READY) ## one table: the engine against its peers and the machine; BENCH="--quick" for a short one
	@TQDM_DISABLE=1 $(BENCH_VENV)/bin/python -W ignore -m tests.bench.run $(BENCH)

lock: $(READY) ## resolve the dependencies anew
	@$(BIN)/python -m pip install -qq uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-header \
		pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-header \
		pyproject.toml --extra notify --extra agents --group dev -c requirements.lock -o requirements-dev.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-header \
		pyproject.toml --group bench -c requirements-dev.lock -o requirements-bench.lock

compiled: $(READY) ## compile every kernel now; else each is compiled when it is first needed
	@$(BIN)/python -m kernels

monitoring: ## fetch Prometheus, blackbox and Alertmanager for the tests of the monitoring files, without installing them
	@test -x $(MONITORING)/usr/bin/promtool || { $(FETCH_MONITORING); }

browser: ## install Chromium, in which the tests of the page run; without it they are skipped
	@command -v chromium >/dev/null 2>&1 || { command -v apt-get >/dev/null 2>&1 \
		&& { apt-get install -y -qq chromium >/dev/null 2>&1 \
			|| { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }; } \
		|| echo "NOT INSTALLED: no Chromium by apt-get here. The tests of the page are skipped."; }

vendor: ## make the page's vendored libraries anew from their packages; needs node and npm
	@cd serve_apps/page/tools && npm ci --ignore-scripts --no-audit --no-fund --silent && node vendor.mjs

clean: ## remove the environment and the demo's data
	@if [ -x $(BIN)/candleray ]; then $(BIN)/candleray down --data .demo || true; fi
	@rm -rf $(VENV) $(BENCH_VENV) $(MONITORING) .demo .mypy_cache .ruff_cache .pytest_cache
