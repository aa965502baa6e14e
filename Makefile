# `make help` lists the targets. Everything is installed into .venv; state of the local stack lives in .state/.
PYTHON ?= python3.11
PROFILE ?= demo
UV_VERSION := 0.13.8
RUN := .venv/bin/python
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo up down study study-report test chaos lint bench lock base-image images

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(INSTALLED) ## virtual environment .venv with the pinned packages

# uv does not read pip's configuration: where pip finds wheels locally, uv looks there too. Elsewhere torch comes as its
# CPU build (gigabytes less); a GPU host says UV_TORCH_BACKEND=auto make setup.
UV = links="$${PIP_FIND_LINKS:-$$($(RUN) -m pip config get global.find-links 2>/dev/null)}"; \
  if [ -n "$$links" ]; then export UV_FIND_LINKS="$$links"; else export UV_TORCH_BACKEND="$${UV_TORCH_BACKEND:-cpu}"; fi; \
  .venv/bin/uv pip

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 is needed, and '$(PYTHON)' is not one. Debian: apt-get install python3.11 python3.11-venv;"; \
	  echo "elsewhere name it: make setup PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv .venv
	@$(RUN) -m pip install --quiet uv==$(UV_VERSION)
	@$(UV) install --python $(RUN) --compile-bytecode -r requirements.txt
	@touch $@

demo: setup ## train all arms from Airflow and print the table (PROFILE=smoke: minutes, numbers mean nothing)
	@$(RUN) -m infra.local demo --profile $(PROFILE)

up: setup ## start Airflow and MLflow in the background
	@$(RUN) -m infra.local up

down: ## stop them; state stays in .state/
	@if [ -x $(RUN) ]; then $(RUN) -m infra.local down; fi

study: setup ## start or resume the study of docs/study.md (STUDY="--study lists --minutes 60")
	@$(RUN) -m infra.local.study $(STUDY)

study-report: setup ## its tables, pictures and page from the store alone (STUDY="--study lists --phase development")
	@$(RUN) -m tasks study report --store "$${PSGPO_STORE:-file://$(CURDIR)/.state/store}" $(STUDY)

test: setup ## the whole test suite
	@$(RUN) -m pytest

chaos: setup ## inject faults into everything and count what is lost or there twice (an hour or two)
	@$(RUN) -m tests.chaos

lint: setup ## ruff and mypy
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check . && $(RUN) -m mypy

bench: setup ## all measurements of bench/, one JSON line each
	@$(RUN) -m bench

# Pins that still fit are kept, torch apart: its CPU build must be found again, or its CUDA packages would be pinned.
lock: setup ## compile requirements.in to requirements.txt
	@grep -v '^torch==' requirements.txt > .venv/requirements.lock
	@$(UV) compile --quiet --no-header --no-annotate --python $(RUN) requirements.in --output-file .venv/requirements.lock
	@sed 's/+cpu$$//' .venv/requirements.lock > requirements.txt
	@for image in airflow mlflow trainer; do \
	  $(UV) compile --quiet --no-header --no-annotate --python $(RUN) --constraint requirements.txt \
	    containers/$$image/requirements.in | sed 's/+cpu$$//' > containers/$$image/requirements.txt || exit 1; \
	done
	@sort -u containers/*/requirements.txt | grep -vxFf requirements.txt > containers/only-in-images.txt

base-image: ## psgpo/base:bookworm from Debian's packages, where python:3.11-slim-bookworm cannot be had (root)
	@sh containers/base-image.sh

VERSION := $(shell sed -n 's/^PSGPO_VERSION=//p' .env.example)
images: ## the images of the compose file, without compose (BASE_IMAGE=psgpo/base:bookworm make images)
	@for image in broker sandbox mlflow airflow trainer; do \
	  docker build --quiet --tag psgpo/$$image:$(VERSION) --file containers/$$image/Dockerfile \
	    $${BASE_IMAGE:+--build-arg BASE_IMAGE=$$BASE_IMAGE} $${TORCH_BACKEND:+--build-arg TORCH_BACKEND=$$TORCH_BACKEND} \
	    --build-arg REVISION=$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown) . || exit 1; \
	done
