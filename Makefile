# One command per wish. CI runs the same ones (.ci/run).
#
#   make demo        four training processes, one schedule that changes while they run (about a minute)
#   make serve       the service on http://127.0.0.1:8000, SQLite in this folder
#   make test        every test, on SQLite and PostgreSQL, with real torchrun jobs
#   make test-core   the quick loop: no framework, no other process, no campaign, SQLite alone (within a minute)
#   make test-long   what only a long run shows: every case of every campaign, and its figures (up to an hour)
#   make check       formatting, lint, types, architecture, Dockerfile
#   make fix         formatting and lint, as far as they mend themselves
#   make generate    all that a command writes: pages and pictures in docs/, figures
#   make docs        of these, the pages and pictures in docs/
#   make bench       measure what the pages claim, and write it there
#   make release     both wheels, looked over by twine, and the notes of the release, in dist/
#   make venv        everything that all of them need, in .venv (each installs what it needs on demand)

PYTHON ?= python3
WORKERS ?= 2

bin := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help venv demo serve test test-core test-long check fix generate docs bench release

help:
	@sed -n 's/^#   //p' Makefile

# One .venv that grows with what is asked of it; a file in it marks each need that is met.
.venv/.serve: packages = -e .
.venv/.serve: words = the service (180 MB, half a minute)
.venv/.demo: packages = -e '.[demo]' -e ./clients
.venv/.demo: words = service, client, PyTorch and scikit-learn (1.3 GB with the CPU wheel of PyTorch, some minutes)
.venv/.demo: covers = .venv/.serve
.venv/.core: packages = -e '.[dev,plot]' -e './clients[cli]'
.venv/.core: words = service, client, and what tests and checks them (500 MB, a minute or two)
.venv/.core: covers = .venv/.serve
.venv/.all: packages = -e '.[demo,dev,frameworks,plot]' -e './clients[cli]'
.venv/.all: words = all of it, every framework that has an adapter among it (3.2 GB, several minutes)
.venv/.all: covers = .venv/.serve .venv/.demo .venv/.core
.venv/.all: bare = fvcore|timm|torchtitan|spmd_types
.venv/.release: packages = -e '.[release]'
.venv/.release: words = what looks over a release (some MB, half a minute)

# `bare` packages come without what they ask for, which is large; their schedulers, all that is used, need none of it.
.venv/.%: pyproject.toml clients/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Lockstep needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing into .venv, once: $(words)"
	@test -x $(bin)/python || $(PYTHON) -m venv .venv
	@$(bin)/python -m pip install -qq --disable-pip-version-check -c constraints.txt $(packages)
	@$(if $(bare),$(bin)/python -m pip install -qq --disable-pip-version-check --no-deps $$(grep -E '^($(bare))==' constraints.txt))
	@touch $@ $(covers)

venv: .venv/.all

demo: .venv/.demo
	@$(bin)/python -m demo.run

serve: .venv/.serve
	@$(bin)/lockstep-server serve

# Where bytecode is forbidden, each of the hundred processes that the tests start would compile the service anew.
test test-core test-long: export PYTHONDONTWRITEBYTECODE =

test: .venv/.all
	@$(bin)/python -m pytest -n $(WORKERS) --dist loadgroup -q --durations=20

test-core: .venv/.core
	@$(bin)/python -m pytest -n $(WORKERS) -q --core -k 'not postgresql' -m 'not long and not sampled' --hypothesis-profile=core

test-long: .venv/.all
	@$(bin)/python -m pytest -n $(WORKERS) --dist loadgroup -q --durations=20 \
	    -m 'long or sampled or hypothesis' --hypothesis-profile=long

check: .venv/.all
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy
	@$(bin)/lint-imports
	@$(bin)/hadolint Dockerfile

fix: .venv/.core
	@$(bin)/ruff check --fix .
	@$(bin)/ruff format .

docs: .venv/.serve
	@$(bin)/python -m docs

generate: docs
	@$(bin)/python -m benchmarks.figures

bench: .venv/.all
	@$(bin)/python -m benchmarks

release: .venv/.release
	@.ci/release $(bin)
