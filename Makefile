# One command per wish. CI runs the same ones (.ci/run).
#
#   make demo        four training processes, one schedule that changes while they run (about a minute)
#   make test        every test, on SQLite and PostgreSQL, with real torchrun jobs
#   make test-core   the quick loop: no framework, no job of several processes
#   make test-long   what only a long run shows: every case of every campaign, and its figures (up to an hour)
#   make check       formatting, lint, types, architecture, Dockerfile
#   make serve       the service on http://127.0.0.1:8000, SQLite in this folder
#   make docs        docs/schedules.md, the page of every kind of schedule
#   make bench       what the README claims, as ratios
#   make venv        the virtual environment that all of them use (made on demand)

PYTHON ?= python3
WORKERS ?= 2

bin := .venv/bin
stamp := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-core test-long check serve docs bench

help:
	@sed -n 's/^#   //p' Makefile

venv: $(stamp)

# PyTorch goes first and alone, so that nothing else chooses its version. The rest is pinned by constraints.txt.
$(stamp): pyproject.toml clients/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Lockstep needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make venv PYTHON=python3.12" >&2; exit 1; }
	@test -x $(bin)/python || { echo "Making .venv (a few minutes, once)"; $(PYTHON) -m venv .venv; }
	@$(bin)/python -m pip install -qq --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	@$(bin)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,frameworks,plot]' -e ./clients
	@$(bin)/python -m pip install -qq --disable-pip-version-check --no-deps \
	    $$(grep -E '^(timm|torchtitan|spmd_types)==' constraints.txt)
	@touch $@

demo: $(stamp)
	@$(bin)/python -m demo.run

# Where bytecode is forbidden, each of the hundred processes that the tests start would compile the service anew.
test test-core test-long: export PYTHONDONTWRITEBYTECODE =

test: $(stamp)
	@$(bin)/python -m pytest -n $(WORKERS) --dist loadgroup -q --durations=20

test-core: $(stamp)
	@$(bin)/python -m pytest -n $(WORKERS) -q --core -m 'not long and not distributed'

test-long: $(stamp)
	@$(bin)/python -m pytest -n $(WORKERS) --dist loadgroup -q --durations=20 \
	    -m 'long or sampled or hypothesis' --hypothesis-profile=long

check: $(stamp)
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy
	@$(bin)/lint-imports
	@$(bin)/hadolint Dockerfile

serve: $(stamp)
	@$(bin)/lockstep-server serve

docs: $(stamp)
	@$(bin)/python -m docs.schedules

bench: $(stamp)
	@$(bin)/python -m benchmarks
