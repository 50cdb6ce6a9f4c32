# The common ways to use a checkout; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
CONFIG ?= conf/gateway.yaml
# Options for the benchmark: make bench BENCH=--quick
BENCH ?=

pip := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet

.PHONY: help
help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: run
run: $(VENV)/.run ## run the gateway here, with certificates and state made on first start
	@[ -e "$(dir $(CONFIG))tls" ] && [ -e "$(dir $(CONFIG))state" ] || $(VENV)/bin/gateway init "$(dir $(CONFIG))"
	exec $(VENV)/bin/twistd -n --pidfile= gateway --config $(CONFIG)

.PHONY: test
test: $(VENV)/.test ## lint, types, import rules and the whole test suite
	@tests/end_to_end/install_programs.sh
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile

.PHONY: bench
bench: $(VENV)/.test ## messages per CPU second, beside rsyslog and syslog-ng (BENCH=--quick: in two minutes)
	@tests/end_to_end/install_programs.sh
	$(VENV)/bin/python -m bench.run $(BENCH)

.PHONY: relp
relp: $(VENV)/.test ## acknowledged messages per CPU second from 50 RELP senders, beside rsyslog's imrelp
	@tests/end_to_end/install_programs.sh
	$(VENV)/bin/python -m bench.relp

.PHONY: uploads
uploads: $(VENV)/.test ## uploads by FTP and SFTP, beside vsftpd and sshd, and by 200 clients at once (as root; 40 minutes)
	@tests/end_to_end/install_programs.sh
	$(VENV)/bin/python -m bench.uploads $(BENCH)

.PHONY: backtest
backtest: $(VENV)/.test ## lines per CPU second of old logs through the library's rules
	$(VENV)/bin/python -m bench.backtest $(BENCH)

.PHONY: rules
rules: $(VENV)/.test ## parsed events per CPU second through fifty rules; what windows cost with up to a million keys
	$(VENV)/bin/python -m bench.rules $(BENCH)
	$(VENV)/bin/python -m bench.windows

.PHONY: sec
sec: $(VENV)/.test ## the real sec and our rules over 10,000 lines of each kind: the same actions at the same lines?
	@tests/end_to_end/install_programs.sh
	$(VENV)/bin/python -m tests.end_to_end.sec_rounds

.PHONY: latency
latency: $(VENV)/.test ## from a message's last octet to the start of its task, idle and under load
	$(VENV)/bin/python -m bench.latency

batteries := bit_flips power_loss kill_gateway kill_runner restarts disk_full clock_steps rogue_tasks cut_uploads hostile_clients

.PHONY: crash
crash: $(VENV)/.test ## kill it, fill its disk, flip its bits, cut its power and uploads, step its clock: what is lost? (25 minutes)
	@tests/end_to_end/install_programs.sh
	@failed=; for battery in $(batteries); do \
	  $(VENV)/bin/python -m tests.crash.$$battery || failed="$$failed $$battery"; done; \
	$(VENV)/bin/python -m tests.crash.kill_gateway --bite --rounds 10 || failed="$$failed kill_gateway--bite"; \
	$(VENV)/bin/python -m tests.crash.power_loss --bite --rounds 100 || failed="$$failed power_loss--bite"; \
	$(VENV)/bin/python -m tests.crash.cut_uploads --bite --rounds 4 || failed="$$failed cut_uploads--bite"; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

.PHONY: clean
clean: ## remove what was built and cached, but no certificates and no state
	rm -rf $(VENV) .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamps say which dependencies the environment holds; they are older than pyproject.toml when those may have changed.
$(VENV)/.run: pyproject.toml | $(VENV)/bin/pip
	$(pip) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/pip
	$(pip) --editable '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "The gateway needs Python 3.11 or later; name one with: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends python3-venv; \
	  else \
	    echo "Python's venv is missing; as root: apt-get install python3-venv"; exit 1; \
	  fi; }
	$(PYTHON) -m venv $(VENV)
