# Posthouse. `make up` sets everything up and runs the platform; `make test` sets everything up and tests it.
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
SOURCES := libs services cli tests
STAMP := $(VENV)/.installed
PACKAGES := $(sort $(dir $(wildcard libs/*/pyproject.toml services/*/pyproject.toml cli/*/pyproject.toml)))

ROUNDS ?= 20
RELAYED ?= 20000
BURST ?= 100000
MEMBERS ?= 10000
FORGED ?= 10000
FUZZ ?= tests/unit
INPUTS ?= 1000000
SECONDS ?= 3600
JOBS ?= 2
KILLS ?= 1000

.PHONY: install up test check bench fuzz chaos soak proto lock clean debian

install: $(STAMP)

$(STAMP): requirements.lock $(addsuffix pyproject.toml,$(PACKAGES))
	@test -x $(PY) || python3 -m venv $(VENV)
	@echo "posthouse: installing the locked dependencies"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@echo "posthouse: installing the workspace"
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation $(foreach package,$(PACKAGES),-e ./$(package))
	@touch $@

up: install
	@$(VENV)/bin/posthouse up

# JOBS processes share the tests (tests/conftest.py).
test: install debian
	@$(PY) -m pytest -n $(JOBS) --no-loadscope-reorder $(ARGS)

debian:
	@sh tests/debian-packages.sh

check: install
	@sh tests/check.sh

# The property tests with EXAMPLES examples each (20,000), other ones on every run; FUZZ=tests/unit/mailmsg: only those. Then
# INPUTS altered inputs to each parser that strangers talk to; none may take a second. Then how time grows with a message.
fuzz: install
	@$(PY) -m pytest $(FUZZ) --hypothesis-profile=fuzz $(ARGS)
	@for parser in $(basename $(notdir $(filter-out %doubling.py,$(wildcard tests/fuzz/[a-z]*.py)))); do \
		echo "$$parser"; $(PY) -m tests.fuzz.$$parser $(INPUTS) || exit 1; done
	@$(PY) -m tests.fuzz.doubling

# Processes of the mda killed KILLS times while they deliver. ROUNDS times: every process killed in turn, in an order of
# chance that is printed, while messages flow. Then two processes of the mta-queue killed again and again while they relay RELAYED messages, and one tenant's BURST messages to
# a silent host beside another tenant's single ones; a mailing list of MEMBERS members. Then FORGED messages in the name of others, refused and taken for every
# reason that there is: nobody whose name was used hears of one.
chaos: install debian
	DELIVERY_KILLS=$(KILLS) $(PY) -m pytest -s -o timeout=3600 tests/integration/mda/test_killed.py
	@for round in $$(seq $(ROUNDS)); do echo "round $$round of $(ROUNDS)"; \
		$(PY) -m pytest -s tests/e2e/test_kill.py $(ARGS) || exit 1; done
	KILLED_MESSAGES=$(RELAYED) FAIRNESS_BURST=$(BURST) $(PY) -m pytest -s -o timeout=3600 \
		tests/integration/mta_queue/test_killed.py tests/integration/mta_queue/test_fairness.py
	LIST_MEMBERS=$(MEMBERS) $(PY) -m pytest -s -o timeout=3600 tests/e2e/test_lists.py
	FORGED_MESSAGES=$(FORGED) $(PY) -m pytest -s -o timeout=3600 tests/e2e/test_forged_senders.py

# SECONDS of many IMAP clients at once that believe nothing, mail beside them, and every process's memory watched; then
# the programs that people read mail with, on 2,000 varied messages, and those that fetch it by POP3, 1,000 each; then 5,000
# clients that take their time before the door.
soak: install
	@$(PY) -m tests.e2e.stress --seconds $(SECONDS) $(ARGS)
	IMAP_MESSAGES=2000 $(PY) -m pytest tests/e2e/test_imap_clients.py tests/e2e/test_imap_sync.py
	MESSAGES=1000 $(PY) -m pytest -o timeout=600 tests/e2e/test_pop3_clients.py tests/e2e/test_pop3.py
	CROWD=5000 $(PY) -m pytest -s tests/e2e/test_crowd.py

bench: install
	@$(PY) -m tests.bench

proto: install
	@sh proto/generate.sh

# Needs a registry; requirements.lock holds no address of one (uv.lock does, and is not kept).
lock:
	@$(UV) lock --quiet --upgrade
	@$(UV) export --quiet --all-packages --all-groups --no-emit-workspace --no-header --format requirements-txt -o requirements.lock

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
