# `make demo` and `make test` need Python 3.11+ and make, and nothing else.
PYTHON ?= python3
BIN := .venv/bin

# All processes of the tests share compiled bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check format bench soak page mutants lock clean

demo: .venv/ready
	$(BIN)/watcher demo --for 60s

# Most tests wait most of the time, so six files run in parallel, the long ones (acceptance) first. Tests that measure
# time run after them, two files in parallel: each of them waits most of the time, or measures processor time. No test
# depends on the order: `make test ARGS=--shuffle=1` uses another one.
test: .venv/ready .venv-ministack/ready
	$(BIN)/python -m pytest -n 6 --dist loadfile --no-loadscope-reorder --ignore=tests/browser \
	  -m "not soak and not page and not alone" $(ARGS)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m alone $(ARGS) \
	  $$(grep -rl --include='test_*.py' 'mark\.alone' tests | sort)

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/ready .venv-ministack/ready
	$(BIN)/python -m tests.benchmarks

soak: .venv/ready .venv-ministack/ready
	$(BIN)/python -m pytest -m soak -s
	$(BIN)/python -m pytest -m "hypothesis and not soak and not page" --hypothesis-profile=many

# The status page in a real browser: needs Chromium, and npm, which installs the accessibility checker.
page: .venv/ready tests/browser/node_modules/.package-lock.json
	$(BIN)/python -m pytest -m page tests/browser

tests/browser/node_modules/.package-lock.json: tests/browser/package-lock.json
	npm ci --no-audit --no-fund --prefix tests/browser
	@touch $@

# Changes the pure code in many small ways, and reports the changes that its unit tests do not notice. It takes an hour;
# `make mutants ARGS='watcher.core.diff.*'` tries one module.
mutants: .venv/ready .venv-mutants/ready
	.venv-mutants/bin/mutmut run --max-children 2 $(ARGS)
	.venv-mutants/bin/mutmut results | grep -v 'not checked' || true

# The environment is created again when one of these files changes. Python compiles what is used when it is used.
.venv/ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "watcher needs Python 3.11 or later; choose one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes \
	  --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# An emulator of AWS for the tests; it needs another version of botocore than watcher.
.venv-ministack/ready: requirements/ministack.txt
	$(PYTHON) -m venv --clear .venv-ministack
	.venv-ministack/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes \
	  --requirement requirements/ministack.txt
	@touch $@

# mutmut alone; the tests import the rest from .venv, but watcher itself from the mutated copy.
.venv-mutants/ready: requirements/mutants.txt .venv/ready
	$(PYTHON) -m venv --clear .venv-mutants
	.venv-mutants/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --requirement requirements/mutants.txt
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$(.venv-mutants/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dev.pth"
	@touch $@

# Only maintainers need this: it needs uv, and locks the requirements again.
LOCKED := uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
  --no-emit-index-url --no-emit-find-links --python-version 3.11

lock:
	$(LOCKED) --output-file requirements/run.txt pyproject.toml
	$(LOCKED) --extra dev --output-file requirements/dev.txt pyproject.toml
	$(LOCKED) --constraint requirements/dev.txt --extra github --extra notify --extra otel \
	  --output-file requirements/image.txt pyproject.toml
	echo hatchling | $(LOCKED) --constraint requirements/dev.txt --output-file requirements/build.txt -
	echo ministack | $(LOCKED) --output-file requirements/ministack.txt -
	echo mutmut | $(LOCKED) --constraint requirements/dev.txt --output-file requirements/mutants.txt -

clean:
	rm -rf .venv .venv-ministack .venv-mutants mutants tests/browser/node_modules
