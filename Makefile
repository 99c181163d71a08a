# make demo | notebooks | test | lint | fuzz | bench | gpu-report | docs: each makes what it
# needs in .venv first.
# PYTHON is the interpreter that makes it (3.11 or newer), VENV where it stands.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Benchmarks run the other frameworks in an environment of their own; name a ready one
# with SYMNET_PEERS_PYTHON=/path/to/python.
PEERS ?= .venv-peers

.PHONY: demo notebooks test lint fuzz bench gpu-report gpu-peers docs clean

demo: $(VENV)/with-demo
	$(BIN)/python tutorials/demo.py

# JupyterLab; the notebooks' helper modules lie beside them.
JUPYTER_ARGUMENTS ?=
notebooks: $(VENV)/with-notebooks
	PYTHONPATH="$(CURDIR)/tutorials$${PYTHONPATH:+:$$PYTHONPATH}" $(BIN)/python -m jupyterlab \
	    --LabApp.default_url=/lab/tree/tutorials $(JUPYTER_ARGUMENTS)

# As many processes as processors, but not more than four.
PYTEST_ARGUMENTS ?= --numprocesses auto --maxprocesses 4
test: $(VENV)/with-dev
	$(BIN)/python -m pytest -q $(PYTEST_ARGUMENTS)

lint: $(VENV)/with-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Random programs for as long as asked: make fuzz SECONDS=3600
SECONDS ?= 60
fuzz: $(VENV)/with-dev
	$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS) $(FUZZ_ARGUMENTS)

ifdef SYMNET_PEERS_PYTHON
bench: $(VENV)/with-dev
	$(BIN)/python -m benchmarks.run $(BENCH_ARGUMENTS)
else
bench: $(VENV)/with-dev $(PEERS)/installed
	SYMNET_PEERS_PYTHON=$(PEERS)/bin/python \
	    $(BIN)/python -m benchmarks.run $(BENCH_ARGUMENTS)
endif

# On a machine with a GPU: its tests and times, in benchmarks/results/gpu-DATE.md.  CuPy is
# installed by the report itself, which goes on without.  Peers on the GPU are those of
# SYMNET_PEERS_PYTHON, or of `make gpu-peers` (some gigabytes), where these are there.
GPU_PEERS ?= .venv-gpu-peers
gpu-report: $(VENV)/with-dev
	peers="$(GPU_PEERS)/bin/python"; [ -x "$$peers" ] || peers=$(BIN)/python; \
	    SYMNET_PEERS_PYTHON="$${SYMNET_PEERS_PYTHON:-$$peers}" \
	    $(BIN)/python -m benchmarks.gpu.gpu_report $(GPU_ARGUMENTS)

gpu-peers:
	$(PYTHON) -m venv $(GPU_PEERS)
	$(GPU_PEERS)/bin/python -m pip install --disable-pip-version-check numpy torch 'jax[cuda13]'

# The site, in build/site/index.html; a warning is an error.
docs: $(VENV)/with-docs
	$(BIN)/python -m sphinx -q -W --keep-going -c docs . build/site
	cp docs/front.html build/site/index.html

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "symnet needs Python 3.11 or newer; say: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp an extra: installed again when pyproject.toml has changed.
$(VENV)/with-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

$(PEERS)/installed: benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check tensorflow \
	    || echo "TensorFlow is not to be had here: the benchmarks go on without it"
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) $(GPU_PEERS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
