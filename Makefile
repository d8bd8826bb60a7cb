# Everything runs in .venv, which is made once and made anew when the pins or the project's requirements change.
PYTHON ?= python3
BIN := .venv/bin
SHARED_DATA := $(wildcard ../shared/data/unpack.py)
# Small networks on few cores lose most of their time to thread hand-overs.
export OMP_NUM_THREADS ?= 1
ifneq ($(SHARED_DATA),)
export LOSSY_DATA ?= $(CURDIR)/.data
endif

# Tests of one file stay in one process: they share what they train.
SIDE_BY_SIDE := -n 2 --dist loadfile

.PHONY: demo test test-slow lint docs package clean

demo: .venv/.demo
	@echo "Training a binary network on 4-bit codes of scikit-learn's digits: no data to download, less than a minute"
	$(BIN)/lossy-lightning fit --config examples/digits_vq_bnn.yaml --trainer.accelerator cpu
	@echo "Accuracy, MACs and memory of this run are in TensorBoard: $(BIN)/tensorboard --logdir runs"

test: .venv/.done .data/.done
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow" --durations 20

test-slow: .venv/.done .data/.done
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m slow --durations 20

lint: .venv/.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/.done
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build
	@echo "The site is in docs/_build/index.html"

# The wheel, made of the source archive, runs from a folder of its own as it will from where people install it.
package: .venv/.done
	rm -rf dist build.log
	$(BIN)/python -m build --outdir dist . >build.log || (cat build.log; false)
	$(BIN)/python -m pip install --quiet --no-deps --target dist/installed dist/*.whl
	cd dist && export PYTHONPATH=$(CURDIR)/dist/installed && \
	  ../$(BIN)/python -c "import lossy_lightning as ours; assert 'dist/installed' in ours.__file__, ours.__file__" && \
	  ../$(BIN)/python -m lossy_lightning --version && \
	  ../$(BIN)/python -m lossy_lightning fit --config ../examples/digits_vq_bnn.yaml --trainer.accelerator cpu \
	    --trainer.max_epochs 1 --trainer.enable_progress_bar false
	@echo "The wheel and the source archive are in dist"

# The package with what it needs to train and to report; a change of either file makes both marks old.
.venv/.demo: pyproject.toml constraints.txt
	@echo "Installing into .venv: on Linux 2.9 GB to download, of which 2.2 GB are CUDA's libraries that PyTorch brings;"
	@echo "a PyTorch without CUDA makes it 0.4 GB: see docs/getting_started.md"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e ".[report]"
	@touch $@

.venv/.done: .venv/.demo
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

# Real data, where it lies beside the checkout; tests without it skip with the reason.
.data/.done: .venv/.done
	@mkdir -p .data
	@if [ -n "$(SHARED_DATA)" ] && [ "$$LOSSY_DATA" = "$(CURDIR)/.data" ]; then $(BIN)/python $(SHARED_DATA) .data; fi
	@touch $@

clean:
	rm -rf .venv .data runs lightning_logs data build build.log dist docs/_build *.egg-info
