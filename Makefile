# What a newcomer types. Everything below is stamped: a second run needs no network.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test acceptance lint tools lock clean

demo: $(VENV)/.running ## a newspaper with feeds and mails on this machine, to look at
	@$(BIN)/python -m publisher demo $(if $(ONCE),--once)

test: $(VENV)/.developing ## every test but the slow acceptance runs
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

acceptance: $(VENV)/.developing ## the slow ones: 300 kills in 100,000 mails, disks that fail
	$(BIN)/python -m pytest -m slow -s
	$(BIN)/python -m pytest -n auto --dist worksteal --hypothesis-profile=search tests/unit tests/store

lint: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tools: ## the programs that some tests need, from Debian's packages
	apt-get update -qq
	@# A Postfix that nobody configures runs no service; tests start one of their own.
	echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		caddy chromium faketime newsboat nginx-light openssl postfix rspamd rss2email \
		spamassassin strace
	@# Debian's npm brings hundreds of packages: only where there is none.
	command -v npm >/dev/null || apt-get install -y -qq --no-install-recommends nodejs npm
	cd tests/node && npm ci --ignore-scripts --no-audit --no-fund

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --extra dev -c requirements.lock \
		pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) .demo dist

# Debian's python3 may come without ensurepip: then its own pip installs into the environment.
$(VENV)/.made:
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@touch $@

PIP = $(if $(wildcard $(BIN)/pip),$(BIN)/python -m pip,$(PYTHON) -m pip --python $(BIN)/python)

$(VENV)/.running: requirements.lock | $(VENV)/.made
	@echo "Setting up $(VENV) (once)…"
	@$(PIP) install -q --disable-pip-version-check --use-pep517 --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.developing: requirements-dev.lock | $(VENV)/.made
	@echo "Setting up $(VENV) for tests (once)…"
	@$(PIP) install -q --disable-pip-version-check --use-pep517 --require-hashes -r requirements-dev.lock
	@touch $@
