# make demo | lab | test | check | build | bench | compare | clean
# make coverage | mutants | asan | fuzz | soak: the longer proofs
# make clang | browser: install what they and tests/browser need; pictures: the README's, again
#
# Needs make, a C compiler and Python 3.11 or newer with its headers; the rest goes into .venv.
# PYTHON=python3.12 chooses another interpreter, ARGS="..." is passed on to the command,
# ORDERCASCADE_BUILD=debug|trace|asan builds another flavour.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
FLAVOUR := $(or $(ORDERCASCADE_BUILD),release)
BUILT := build/.stamp-$(FLAVOUR)
SOURCES := $(wildcard src/ordercascade/*/*.pyx src/ordercascade/*/*.pxd)
COMPILED = $(subst /,.,$(patsubst src/%.pyx,%,$(wildcard src/ordercascade/*/*.pyx)))
LINTED := src tests bench setup.py .ci

# A fresh pip of Python 3.11 has no --group, so the groups go through a file.
want = @echo "pip install: $(1)" >&2; \
	$(PY) .ci/requirements.py $(1) > $(VENV)/wanted.txt && $(PIP) -r $(VENV)/wanted.txt

.PHONY: demo lab pictures test check build bench compare clean coverage mutants asan fuzz soak
.PHONY: clang browser

demo: $(BUILT)
	@$(VENV)/bin/ordercascade demo $(ARGS)

lab: $(VENV)/.stamp-lab $(BUILT)
	@$(VENV)/bin/ordercascade lab $(ARGS)

# A file of tests stays in one process; ARGS="-n 0" keeps everything in this one.
test: $(VENV)/.stamp-test $(BUILT)
	$(PY) -m pytest -n auto --dist loadfile $(ARGS)

# The browser that tests/browser drives, from Debian; any other is found on the PATH, or named by
# ORDERCASCADE_CHROME.
browser:
	@command -v chromium > /dev/null || command -v google-chrome > /dev/null || { \
		root=$$([ "$$(id -u)" -eq 0 ] || echo sudo); \
		$$root apt-get update -qq && $$root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; }

pictures: $(VENV)/.stamp-test $(BUILT) browser
	PYTHONPATH=tests $(PY) -m browser.pictures docs/pictures

check: $(VENV)/.stamp-test $(VENV)/.stamp-check $(BUILT)
	$(PY) -m ruff format --check $(LINTED)
	$(PY) -m ruff check $(LINTED)
	$(PY) -m mypy
	$(PY) -m mypy.stubtest --allowlist .ci/stubtest --ignore-disjoint-bases $(COMPILED)
	$(PY) -m pytest -q tests/test_tidy.py

build: $(VENV)/.stamp-check
	rm -rf dist
	$(PY) -m build --no-isolation --outdir dist .

bench: $(VENV)/.stamp-test $(BUILT)
	@for file in bench/bench_*.py; do $(PY) $$file $(ARGS) || exit 1; done

# Other packages' books beside ours; they get an environment of their own, build/peers.
compare: $(VENV)/.stamp-test $(BUILT)
	@$(PY) bench/compare.py $(ARGS)

# Lines of the core that no test reaches; builds the trace flavour beside the release.
coverage: $(VENV)/.stamp-test
	$(PY) .ci/uncovered.py

# ARGS="--first 9" judges one of each group, and none of them may survive.
mutants: $(VENV)/.stamp-test $(BUILT)
	PYTHONPATH=tests $(PY) -m mutants $(ARGS)

# The sanitized package lies beside the release one: build/asan-lib. ARGS chooses tests.
asan: $(VENV)/.stamp-test
	@echo "compile: asan" >&2
	@ORDERCASCADE_BUILD=asan $(PY) setup.py --quiet build --build-lib build/asan-lib >&2
	.ci/asan $(ARGS)

# So many seconds for each of three; SECONDS=600 fuzzes for longer.
SECONDS := 60
fuzz: $(VENV)/.stamp-test $(VENV)/.stamp-fuzz $(BUILT)
	@$(PY) tests/fuzz/build.py >&2
	.ci/fuzz all $(SECONDS)

clang:
	@command -v clang > /dev/null && ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-* \
		> /dev/null 2>&1 || { apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends clang libclang-rt-dev; }

# Resumes where build/soak.json says; ctrl-C stops it.
OPERATIONS := 100000000
soak: $(VENV)/.stamp-test $(BUILT)
	$(PY) -m tests.swarm --soak $(OPERATIONS) $(ARGS)

clean:
	rm -rf build dist src/*.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find src -name '*.so' -delete
	find src tests bench -name __pycache__ -prune -exec rm -rf {} +

# The editable install only points at src/; what is compiled there is the next stamp's.
$(VENV)/.stamp-core: pyproject.toml .ci/requirements.py
	@python=$$(.ci/preflight) && { $(PY) -m pip --version > /dev/null 2>&1 || { \
		echo "$$python -m venv $(VENV)" >&2; "$$python" -m venv --clear $(VENV); }; }
	$(call want,build-system project plot)
	@ORDERCASCADE_ONLY=none $(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(BUILT): $(VENV)/.stamp-core setup.py $(SOURCES)
	@.ci/preflight > /dev/null
	@echo "compile: $(FLAVOUR)" >&2
	@mkdir -p build && rm -f build/.stamp-*
	@$(PY) setup.py --quiet build_ext --inplace >&2
	@touch $@

$(VENV)/.stamp-lab: $(VENV)/.stamp-core
	$(call want,project lab)
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-core
	$(call want,project plot data progress lab test)
	@touch $@

$(VENV)/.stamp-fuzz: $(VENV)/.stamp-core
	$(call want,fuzz)
	@touch $@

$(VENV)/.stamp-check: $(VENV)/.stamp-core
	$(call want,check build)
	@touch $@
