# Everything a fresh checkout needs: Python 3.11 or newer and make. `make demo` and `make test` make their own
# environment in .venv the first time.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DATA := .demo

# Debian's Chromium, 120 MB to fetch and 400 MB on the disk: only where it is asked for, and only for root.
CHROMIUM = @command -v chromedriver >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	chromium chromium-driver fonts-dejavu-core >/dev/null; } || echo 'install chromium and chromium-driver first' >&2

.PHONY: help demo demo-ui test bench chaos warehouses warehouses-slow browser screenshots clean

help:
	@echo 'make demo        real tables from DuckDB to a local Mixpanel, twice, and a comparison of both ends'
	@echo 'make demo-ui     the same, then leaves the sandbox page and the Dagster UI running'
	@echo 'make test        ruff, mypy, import-linter and every test that needs no cloud account'
	@echo 'make bench       events/s, CPU and memory of the engine on this machine'
	@echo 'make chaos       the tests in which something breaks on purpose'
	@echo 'make warehouses  the tests that talk SQL to warehouses or their stand-ins'
	@echo 'make warehouses-slow  what is written for Databricks, on real Spark: needs Java, and 1 GB the first time'
	@echo 'make browser     the tests that look at the Dagster UI and the sandbox page; installs Chromium where it may'
	@echo 'make screenshots takes the pictures of the documents anew'
	@echo 'make clean       removes the environment, the demo folder and caches'

demo: $(INSTALLED)
	$(BIN)/mixpanel-wh demo --data $(DATA)

demo-ui: $(INSTALLED)
	$(BIN)/mixpanel-wh demo --data $(DATA) --ui

# Two at a time: each starts servers of its own for the tests that need them.
test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -W error -rfEs -n 2 --dist loadfile

bench: $(INSTALLED)
	$(BIN)/mixpanel-wh bench

chaos: $(INSTALLED)
	$(BIN)/python -m pytest -W error -rfEs -m '(chaos or long) and not warehouses'

warehouses: $(INSTALLED)
	$(BIN)/python -m pytest -W error -rfEs -n 2 --dist worksteal -m 'warehouses and not spark'

warehouses-slow: $(INSTALLED)
	$(BIN)/python -m pytest -W error -rfEs -m spark

browser: $(INSTALLED)
	$(CHROMIUM)
	$(BIN)/python -m pytest -W error -rfEs mixpanel_wh_tests/browser

screenshots: $(INSTALLED)
	$(CHROMIUM)
	$(BIN)/python -m mixpanel_wh_tests.browser.pictures mixpanel_wh/docs/images

clean:
	rm -rf $(VENV) $(DATA) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The first Python of 3.11 or newer that can make an environment. A shim that names a missing version does not count.
$(INSTALLED): pyproject.toml
	@set -e; \
	for python in python3.11 python3 python3.13 python3.12; do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$($$python --version) (a few minutes the first time)"; \
			$$python -m venv $(VENV); \
			$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[demo,test]'; \
			touch $@; \
			exit 0; \
		fi; \
	done; \
	echo 'Python 3.11 or newer with its venv module is needed: install it and run make again' >&2; \
	exit 1
