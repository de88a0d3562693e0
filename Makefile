# make demo   run-time packages alone; embeds and ranks with the bundle inside the package
# make test   everything: format, lint, types, tests, documentation; what CI runs
# make frozen examples/desktop as a program of its own: its size, and a run without Python and network
# make dev    an editable install into the environment of `make test`
# make evidence STANDIN=checkpoint
#             measures ondol beside its peers and writes the tables: two hours on two cores; goes on
#             where it was stopped
# make lock   packaging/requirements.lock anew, after a change of pyproject.toml or constraints.txt

PYTHON ?= python3

# Installed before everything else and by its exact version: left to the resolver, torch comes with
# several gigabytes of CUDA. Name another build with `make test TORCH=...`.
TORCH ?= torch==2.13.0

BIN := .venv/bin
DEMO := .venv-demo/bin
PIP := pip install --quiet --disable-pip-version-check

# llama-cpp-python has no wheels on PyPI. pip compiles it once and caches the wheel it made.
LEAN := -DLLAVA_BUILD=OFF -DCMAKE_PROJECT_llama.cpp_INCLUDE=$(CURDIR)/packaging/llama-lean.cmake

.PHONY: demo test frozen dev evidence lock clean

demo: .venv-demo/installed
	$(DEMO)/python examples/demo.py

.venv-demo/installed: pyproject.toml $(shell find src runtime convert vocab_prune benchmarks/core -type f)
	$(PYTHON) -m venv .venv-demo
	$(DEMO)/$(PIP) .
	touch $@

test: .venv/installed
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist . > /dev/null
	# The wheel and not an editable install: that would hide a package that the wheel lacks.
	$(BIN)/$(PIP) --force-reinstall --no-deps dist/*.whl
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

frozen:
	PYTHON=$(PYTHON) examples/desktop/build.sh build/desktop

dev: .venv/installed
	$(BIN)/$(PIP) --no-deps --editable .

# The shape of multilingual-e5-small for sizes and times, the stand-in itself for quality.
EVIDENCE := .evidence
STANDIN ?= $(EVIDENCE)/standin
SHARED ?= ../shared
CORPUS := $(SHARED)/corpus/ko.txt.gz $(SHARED)/corpus/en.txt.gz
RUNS := $(addprefix onnx-,fp32 int8 int4) $(addprefix gguf-,q8_0 q5_0 q4_0 q4_k_m)
PRUNED := $(EVIDENCE)/standin-48000
# Of the peers those whose vectors are their own: the others run float32, or the same files.
PEERS := sentence-transformers,^onnx^int8 sentence-transformers,^openvino^int8 \
  CTranslate2^int8,^intra_threads model2vec,^distilled

evidence: dev $(EVIDENCE)/twelve/ondol.json $(PRUNED)/ondol.json
	$(BIN)/python benchmarks/make_peers.py $(EVIDENCE)/twelve-layers $(EVIDENCE)/peers-twelve --corpus $(CORPUS)
	mkdir -p $(EVIDENCE)/peers-standin
	ln -sfn ../peers-twelve/environments $(EVIDENCE)/peers-standin/environments
	$(BIN)/python benchmarks/make_peers.py $(PRUNED)-checkpoint $(EVIDENCE)/peers-standin --corpus $(CORPUS)
	$(BIN)/python benchmarks/compare.py $(EVIDENCE)/twelve $(EVIDENCE)/peers-twelve --eval $(SHARED)/eval \
	  --rounds 3 \
	  --json benchmarks/results/compare.json
	$(BIN)/python benchmarks/quality --eval $(SHARED)/eval --cache $(EVIDENCE)/vectors \
	  "whole vocabulary, PyTorch float32=$(STANDIN)" \
	  $(foreach run,$(RUNS),"48,000 rows, $(run)=$(PRUNED):$(run)") \
	  "48,000 rows, onnx-int8, openvino=$(PRUNED):onnx-int8:openvino" \
	  --peers $(EVIDENCE)/peers-standin $(foreach peer,$(PEERS),--peer "$(subst ^, ,$(peer))") \
	  --json benchmarks/results/quality.json
	$(BIN)/python benchmarks/render.py

$(EVIDENCE)/twelve-layers:
	mkdir -p $(EVIDENCE)
	$(BIN)/python benchmarks/twelve_layers.py $(STANDIN) $@

$(EVIDENCE)/twelve/ondol.json: | $(EVIDENCE)/twelve-layers
	$(BIN)/ondol build $(EVIDENCE)/twelve-layers --keep-vocab --out $(@D) \
	  --variants onnx-fp32,onnx-int8,onnx-int4,gguf-q8_0

$(PRUNED)/ondol.json: | $(PRUNED)-checkpoint
	$(BIN)/ondol build $(STANDIN) --out $(@D)

$(PRUNED)-checkpoint:
	mkdir -p $(EVIDENCE)
	$(BIN)/ondol prune $(STANDIN) --out $@

# Every version with the sha256 of its files, and nothing but what is listed.
.venv/installed: pyproject.toml packaging/requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/$(PIP) '$(TORCH)'
	CMAKE_ARGS="$(LEAN)" $(BIN)/$(PIP) --no-deps --require-hashes --requirement packaging/requirements.lock
	touch $@

# torch is installed by itself (see above), and these come with the build of it that has CUDA.
CUDA := torch triton $(addprefix cuda-,bindings pathfinder toolkit) $(addprefix nvidia-,cublas \
  cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 \
  nccl-cu13 nvjitlink nvshmem-cu13 nvtx)

lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/$(PIP) uv
	.venv-lock/bin/uv pip compile pyproject.toml --extra dev --constraint packaging/constraints.txt \
	  --generate-hashes --universal --python-version 3.11 --no-annotate --no-header --quiet \
	  $(addprefix --no-emit-package=,$(CUDA)) --output-file packaging/requirements.lock > /dev/null

clean:
	rm -rf .venv .venv-demo .venv-lock build dist src/*.egg-info
