# `make help` lists the commands. Each starts what it needs, and does only what is left to do.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
# Hosts to deploy to; empty for a container on this machine.
INVENTORY ?=
# Where `make deploy` publishes that container's port 80 on 127.0.0.1.
LOCAL_PORT ?= 8080
# Further arguments for ansible-playbook, for example ARGUMENTS="--check --diff".
ARGUMENTS ?=
# One Molecule scenario; empty for all. What to do with it: test, or create, converge, verify, destroy step by step.
SCENARIO ?=
# On how many hosts `make bench-deploy` measures.
HOSTS ?= 1
# How often `make bench-release` measures each case.
ROUNDS ?= 5
ACTION ?= test
# How many scenarios run at once; empty for one more than there are processors.
WORKERS ?=

# `make images PYTHON=3.11` names a version, which is no program.
IMAGE_PYTHON := $(filter 3.%,$(PYTHON))
MOD_WSGI ?=
# An image with its own Python, on which `make images` puts the server, and the tag of the result.
BASE_IMAGE ?=
TAG ?=
# Where `make push` pushes images to.
REGISTRY ?=
LAB := $(if $(IMAGE_PYTHON),python3,$(PYTHON)) tools/lab.py
SOURCES := tools tests molecule plugins
export PATH := $(CURDIR)/.lab/venv/bin:$(PATH)
export LOCAL_PORT
# Whatever Ansible and Molecule keep between runs belongs to this clone.
export ANSIBLE_HOME := $(CURDIR)/.lab/ansible
# Also keeps Molecule from advising another place for the scenarios.
export MOLECULE_GLOB := molecule/*/molecule.yml
export MOLECULE_COMMAND_BORDERS := 0
# The packages of .lab/venv are compiled at their first use. Where nothing may be written (as container images of Python
# like to say), that would be at each use, and each of hundreds of runs of Ansible 0.6 s longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1@\2/p' $(MAKEFILE_LIST) | column -t -s @

.PHONY: deploy
deploy: ## Serve the examples from a container on http://127.0.0.1:8080/ (LOCAL_PORT=), or deploy to the hosts of INVENTORY=
	@if [[ -n "$(INVENTORY)" ]]; then
	  $(LAB) up --tools-only
	  ansible-playbook --inventory "$(INVENTORY)" $(ARGUMENTS) site.yml
	else
	  $(LAB) up
	  ansible-playbook --inventory inventory/local $(ARGUMENTS) molecule/shared/create.yml site.yml
	  echo "The Django example answers on http://127.0.0.1:$(LOCAL_PORT)/"
	fi

.PHONY: test
test: check slow-checks root-tests examples molecule ## Prove every promise: the checks, all unit tests, the examples' own tests, all Molecule scenarios (`image` has the images)

.PHONY: test-all
test-all: export MODWSGI_ALSO_TEST := breadth
test-all: test ## The same with all breadth: older modules, further Pythons and images, a virtual machine, a second build (before a release)

.PHONY: examples
examples: ## Run the examples' own tests
	@$(PYTHON) examples/run_tests.py

.PHONY: molecule
molecule: ## Run the Molecule scenarios, or the one of SCENARIO= (step by step: ACTION=converge, verify, destroy)
	@$(LAB) up
	$(if $(SCENARIO),molecule $(ACTION) --scenario-name $(SCENARIO),$(PYTHON) tools/scenarios.py $(if $(WORKERS),--workers $(WORKERS)) $(ACTION))

# What checks run, the longest first. One passes when its program exits with 0.
CHECKS := ansible-lint unit-tests mypy specification reference diagnoses evidence versions image-settings proof pages \
  yamllint ruff format hadolint shellcheck actionlint zizmor changelog
SLOW_CHECKS := slow-unit-tests sanity
CHECK ?=
# Files under version control, and those that would be added to it.
FILES = $(shell find $(wildcard $(shell git ls-files --cached --others --exclude-standard $(1))) -maxdepth 0 -type f)
CONTAINERFILES = $(call FILES,'*Containerfile*' '*containerfile' '*Dockerfile*' '*dockerfile')
SCRIPTS = $(shell awk '/^.!.*[\/ ](ba|da|k)?sh( |$$)/ || FILENAME ~ /[.]sh$$/ {print FILENAME} {nextfile}' $(FILES))
WORKFLOWS = $(call FILES,.github/workflows)
# A file of tests stays in one process, so that one test at a time uses what the machine has. Three, since many wait.
UNIT_TESTS := pytest -n 3 --dist=loadfile --no-loadscope-reorder tests/unit

run-ansible-lint = ansible-lint --offline -q --nocolor
run-unit-tests = $(UNIT_TESTS) -m "not slow"
run-mypy = mypy
run-specification = python tools/specification.py --check
run-reference = python tools/reference.py --check
run-diagnoses = python tools/diagnoses.py --check
run-evidence = python tools/evidence.py --check
run-versions = python tools/versions.py --check
run-image-settings = python tools/image_settings.py --check
run-proof = python tools/proof.py
run-pages = python tools/pages.py
run-yamllint = yamllint --strict .
run-ruff = ruff check --quiet --output-format=concise .
run-format = ruff format --check .
# Even a comment in the definition of a test host makes all its images anew, and a second Python on each, so what is not
# asked of it stands here: its last step removes the package lists, and dates their folder back.
TEST_HOST := images/test-host/Dockerfile
run-hadolint = hadolint --no-color $(filter-out $(TEST_HOST),$(CONTAINERFILES)) \
  && hadolint --no-color --ignore=DL3009 $(TEST_HOST)
run-shellcheck = shellcheck --color=never --format=gcc $(SCRIPTS)
run-actionlint = actionlint -no-color -oneline -shellcheck=shellcheck $(WORKFLOWS)
run-zizmor = zizmor --offline --no-progress --quiet --format=plain $(WORKFLOWS)
run-changelog = antsibull-changelog lint
run-slow-unit-tests = $(UNIT_TESTS) -m slow
run-sanity = python tools/sanity.py

.PHONY: check
check: ## The fast part: lint, types, unit tests of milliseconds, documentation drift; or only CHECK="ruff mypy"
	@$(LAB) up --tools-only --tests
	$(MAKE) --keep-going --jobs=2 --output-sync $(addprefix check-,$(or $(CHECK),$(CHECKS)))

.PHONY: slow-checks
slow-checks: ## The unit tests that check leaves out (they run pip, Ansible or compilers, or try very many cases), and ansible-test
	@$(MAKE) check CHECK="$(SLOW_CHECKS)"

# A check is told in one line and what its tests say about themselves, one that fails with all that it says.
EVERY_CHECK := $(addprefix check-,$(CHECKS) $(SLOW_CHECKS))
.PHONY: $(EVERY_CHECK)
$(EVERY_CHECK): check-%:
	@if output="$$(export NO_COLOR=1; exec 2>&1 < /dev/null; $(run-$*))"; then state=ok; else state=FAILED; fi
	printf '%-6s %4d s  %s\n' "$$state" "$$SECONDS" "$*"
	[[ $$state == FAILED ]] || exec sed --quiet --regexp-extended '/^([0-9]+ passed|left to `make root-tests`)/p' <<< "$$output"
	echo "$$output"
	exit 1

.PHONY: root-tests
root-tests: ## The unit tests that need root, in a container (nothing to do for root)
	@$(LAB) root-tests

.PHONY: images
images: ## Build the images for WSGI applications (mod-wsgi:TAG), those of PYTHON= and MOD_WSGI=, or one on BASE_IMAGE= (TAG=)
	@$(LAB) images --python "$(IMAGE_PYTHON)" --mod-wsgi "$(MOD_WSGI)" --base-image "$(BASE_IMAGE)" --tag "$(TAG)"

.PHONY: image-tests
image-tests: MODULE = $(or $(MOD_WSGI),$(shell sed -nE 's/^  "module": "(.*)",/\1/p' images/versions.json))
image-tests: export MODWSGI_ALSO_TEST := breadth
image-tests: ## Prove what docs/image.md promises, with the image of PYTHON=3.11 and the examples' images
	@$(LAB) up --tools-only
	$(LAB) images --python "$(or $(IMAGE_PYTHON),3.11)" --mod-wsgi "$(MODULE)"
	MODWSGI_IMAGE="mod-wsgi:$(MODULE)-python$(or $(IMAGE_PYTHON),3.11)" pytest tests/images

.PHONY: push
push: ## Push the images that are built, or those of PYTHON= and MOD_WSGI=, to REGISTRY=host[:port][/path]
	@$(LAB) push --registry "$(REGISTRY)" --python "$(IMAGE_PYTHON)" --mod-wsgi "$(MOD_WSGI)"

.PHONY: bench-deploy
bench-deploy: ## Measure a cold deployment, one without changes (and where its seconds go), and one with a changed file (HOSTS=)
	@$(LAB) up
	$(PYTHON) tools/bench_deploy.py --hosts $(HOSTS)

.PHONY: bench-release
bench-release: ## Measure a switch and a way back under load beside gunicorn's HUP, and write the table of docs/performance.md (ROUNDS=)
	@$(LAB) up
	$(PYTHON) tools/bench_release.py --rounds $(ROUNDS) --write

.PHONY: shutdown-table
shutdown-table: export MODWSGI_ALSO_TEST := breadth
shutdown-table: ## Measure how processes end, in every case, and write the tables of docs/shutdown.md
	@$(LAB) up
	for action in destroy create converge; do molecule $$action --scenario-name shutdown; done
	PYTHONPATH=tests python -m support.endings_table
	molecule destroy --scenario-name shutdown

.PHONY: lock
lock: ## Pin the newest tools that requirements-dev.in allows
	@$(LAB) lock

.PHONY: clean
clean: ## Remove what these commands made: hosts, images, the engine if the lab started it, .lab/
	@$(LAB) clean
