# The front door: `make` lists what there is. Needs python3 (3.11 or later), pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The system's own pip fills the environment: Debian splits off what would put one inside.
INSTALL := $(PYTHON) -m pip --python $(BIN)/python install
LOCKING := build/locking
MUTANTS := build/mutants
TOOLS := build/deploy
READERS := build/bench-input
FUZZ := build/fuzz
PEERS := build/bench
AIRFLOW := build/airflow
# Two tests a core: many of them wait for a process or a deadline.
WORKERS ?= $(shell expr 2 \* $$(nproc))
SEEDS ?= 2000
COUNT ?= 1000000
JOBS ?= 2
STORIES ?= 100
FUZZ_SECONDS ?= 3600

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run test conformance measure faults kills simulate proof microscope soak deploy-check large sabotage sabotage-quick lint cover check mutants format bench bench-quick bench-gate bench-lakes lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11: say make PYTHON=python3.11, for example" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv --without-pip $(VENV)
	$(INSTALL) -q --require-hashes -r requirements.lock
	$(INSTALL) -q --no-deps --no-build-isolation --no-index -e .
	@touch $@

run: $(READY) ## the whole story against an emulator on this machine: faults, a kill, a resume
	$(BIN)/bulkdelete demo

test: $(READY) ## the tests, but for the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not faults and not deploy and not stores and not conformance and not redis and not dask and not gcs" -q

conformance: $(READY) ## what every target must do, with kills and at its own pace; TARGET=name: one that is installed
	$(BIN)/python -m pytest tests/targets $(if $(TARGET),--target $(TARGET)) -q

measure: $(READY) ## the slow tests: those that measure one by one, the others two at a time
	$(BIN)/python -m pytest -m slow tests/proofs -q
	$(BIN)/python -m pytest -m slow --ignore=tests/proofs -n 2 --dist worksteal -q

$(FUZZ)/.ready: $(READY)
	rm -rf $(FUZZ)/env
	$(PYTHON) -m pip install -q --no-deps --only-binary :all: --root-user-action ignore \
	  --target $(FUZZ)/env 'atheris==3.0.0'
	@touch $@

.PHONY: fuzz fuzz-minute fuzz-begin fuzz-end
fuzz: $(FUZZ)/.ready ## bytes that nobody wrote into every parser: an hour (FUZZ_SECONDS=3600)
	PYTHONPATH=$(FUZZ)/env $(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

fuzz-minute: $(FUZZ)/.ready ## a minute of CPU for each parser, as many at once as there are cores
	PYTHONPATH=$(FUZZ)/env $(BIN)/python -m tests.fuzz --each 60

# The same beside other work, which goes first: many checks wait for a process or a deadline.
fuzz-begin: $(FUZZ)/.ready
	rm -f $(FUZZ)/code
	(nice -n 19 $(MAKE) fuzz-minute; echo $$? >$(FUZZ)/code) >$(FUZZ)/minute.log 2>&1 </dev/null & \
	  echo $$! >$(FUZZ)/pid

fuzz-end:
	tail --pid=$$(cat $(FUZZ)/pid) -f /dev/null
	cat $(FUZZ)/minute.log
	test "$$(cat $(FUZZ)/code)" = 0

faults: $(READY) ## faults that need root and Debian packages; every row of the catalogue has a test
	$(BIN)/python -m tests.faults.injectors
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m faults -q
	$(BIN)/python -m tests.faults.rows

kills: $(READY) ## deaths by the thousand, at seeded points (SEEDS=2000, STORIES=100)
	$(BIN)/python -m tests.faults.kills --count $(SEEDS)
	$(BIN)/python -m tests.faults.processes --kills $(STORIES) --doubles $(STORIES) \
	  --signals $(STORIES) --jobs $(WORKERS)

$(TOOLS)/wheels/.ready: deploy/image.lock deploy/build.lock
	rm -rf $(@D)
	$(PYTHON) -m pip download -q --no-deps --only-binary=:all: --require-hashes -d $(@D) \
	  -r deploy/image.lock -r deploy/build.lock
	@touch $@

deploy-check: $(READY) $(TOOLS)/wheels/.ready ## what is in deploy/: valid for who reads it, and run against the emulator
	test -e $(TOOLS)/.ready || { $(PYTHON) -m venv --without-pip $(TOOLS) && \
	  $(PYTHON) -m pip --python $(TOOLS)/bin/python install -q \
	  'check-jsonschema==0.39.0' 'kubernetes-validate==1.37.0' 'pyyaml==6.0.4' 'zizmor==1.32.0' && \
	  touch $(TOOLS)/.ready; }
	$(BIN)/python -m tests.faults.injectors
	$(BIN)/python -m tests.faults.injectors redis-server
	$(BIN)/python -m pytest -n 2 tests/deploy/test_sixty_nights.py tests/deploy -m deploy -q

$(AIRFLOW)/.ready: tests/workflows/airflow.lock pyproject.toml
	rm -rf $(AIRFLOW)
	$(PYTHON) -m venv --without-pip $(AIRFLOW)
	$(PYTHON) -m pip --python $(AIRFLOW)/bin/python install -q --no-deps --require-hashes \
	  -r tests/workflows/airflow.lock
	$(PYTHON) -m pip --python $(AIRFLOW)/bin/python install -q --no-deps --no-build-isolation \
	  --no-index -e .
	@touch $@

.PHONY: test-airflow
test-airflow: $(READY) $(AIRFLOW)/.ready ## what is in deploy/airflow, in a real Airflow
	$(BIN)/python -m pytest -n 2 tests/workflows/test_airflow.py -m deploy -q

.PHONY: test-flows
test-flows: $(READY) ## what is in deploy/prefect and deploy/dagster, in real ones
	test -e build/flows/.ready || { $(PYTHON) -m venv --without-pip build/flows && \
	  $(PYTHON) -m pip --python build/flows/bin/python install -q \
	  'prefect==3.9.1' 'dagster==1.13.28' . && touch build/flows/.ready; }
	$(BIN)/python -m pytest tests/workflows/test_flows.py -m deploy -q

microscope: $(READY) ## every bit, cut, sector, edit and crash of a checkpoint; every bit of a plan
	$(BIN)/python -m tests.microscope

simulate: $(READY) ## 20,000 runs of the sender on a virtual clock, with faults of every class
	$(BIN)/python -m tests.simulation --mode both --from 0 --count 10000 --jobs $(JOBS)

proof: $(READY) ## more of them, from where docs/proof-ledger.jsonl ends (COUNT=1000000, JOBS=2)
	$(BIN)/python -m tests.simulation.proof --count $(COUNT) --jobs $(JOBS)

soak: $(READY) ## ten million IDs in scaled time: each sent once; nothing grows, little CPU: a quarter of an hour
	$(BIN)/python -m tests.soak --json docs/soak.json

lint: $(READY) ## rules, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

cover: $(READY) ## every branch of the core is taken by the core's own tests
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/core -q -n 2 --dist worksteal
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --include='bulkdelete/core/*,bulkdelete/targets/*' --fail-under=100

bench-lakes: $(READY) ## 10 million IDs in 200 parts, planned by one process and by two workers, in turns
	$(BIN)/python -m tests.lakes

large: $(READY) ## a run of 100 million IDs: what status, report and audit of it cost
	$(BIN)/python -m tests.large

sabotage: $(READY) ## bugs planted one at a time, and the whole suite against each, up to its first failure: half an hour
	$(BIN)/python -m tests.sabotage --whole

sabotage-quick: $(READY) ## bugs planted one at a time, and the tests that must catch each
	$(BIN)/python -m tests.sabotage

check: fuzz-begin lint cover test stores simulate kills microscope faults deploy-check test-airflow sabotage-quick fuzz-end measure ## everything that must hold

mutants: ## do the core's own tests notice when a guard is changed? Half an hour
	rm -rf $(MUTANTS)
	$(PYTHON) -m venv --without-pip $(MUTANTS)/venv
	$(PYTHON) -m pip --python $(MUTANTS)/venv/bin/python install -q --require-hashes \
	  -r requirements.lock
	$(PYTHON) -m pip --python $(MUTANTS)/venv/bin/python install -q 'mutmut==3.8.1'
	$(MUTANTS)/venv/bin/python -m tests.mutants $(MUTANTS)/work

format: $(READY) ## lay the code out, and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(PEERS)/.ready: tests/bench/requirements.txt tests/bench/package.json tests/bench/peers/main.go
	$(BIN)/python -m tests.bench.packages
	mkdir -p $(PEERS)
	$(PYTHON) -m venv --without-pip $(PEERS)/venv
	$(PYTHON) -m pip --python $(PEERS)/venv/bin/python install -q -r tests/bench/requirements.txt
	cp tests/bench/package.json $(PEERS)/ && cd $(PEERS) && npm install --silent --no-fund --no-audit
	go build -o $(PEERS)/go-client tests/bench/peers/main.go
	@touch $@

bench: $(READY) $(PEERS)/.ready ## how fast it is, against what one would take instead: forty minutes
	rc=0; $(BIN)/python -m tests.bench --json docs/benchmarks.json || rc=$$?; \
	  PYTHONPATH=. $(PEERS)/venv/bin/python -m tests.bench.page docs && exit $$rc

bench-quick: $(READY) ## the ratios that hold on a busy machine, too: three minutes
	$(BIN)/python -m tests.bench.packages --sink
	$(BIN)/python -m tests.bench --quick

.PHONY: bench-pace
bench-pace: $(READY) ## how exactly --rate is kept, on a quiet machine: ten minutes
	$(BIN)/python -m tests.bench.pace --seconds 60 --page docs/gate.md

.PHONY: bench-share
bench-share: $(READY) ## eight processes on one account: never above it, and turns are equal
	$(BIN)/python -m tests.bench.share --page docs/gate.md

.PHONY: bench-input
bench-input: $(READY) ## how fast each format is read, against Python, pandas and DuckDB; renews docs/input-figures.md
	test -e $(READERS)/.ready || { $(PYTHON) -m venv --without-pip $(READERS) && \
	  $(PYTHON) -m pip --python $(READERS)/bin/python install -q 'pandas==3.1.1' 'duckdb==2.0.1' \
	  'pyarrow==26.0.1' 'zstandard==0.25.0' 'backports.zstd==1.8.0' && touch $(READERS)/.ready; }
	$(BIN)/python -m tests.bench.inputs --others $(READERS)/bin/python --json build/bench-input.json
	$(BIN)/python -m tests.bench.input_table build/bench-input.json docs/input-figures.md

.PHONY: bench-memory
bench-memory: $(READY) ## the memory that planning and sending 1, 10 and 100 million IDs takes
	$(BIN)/python -m tests.bench.packages --sink
	$(BIN)/python -m tests.bench --only memory

.PHONY: bench-growth
bench-growth: $(READY) $(PEERS)/.ready ## cost against IDs, files, rejected IDs, runs: nothing worse than linear
	rc=0; $(BIN)/python -m tests.bench.growth --json docs/growth.json || rc=$$?; \
	  PYTHONPATH=. $(PEERS)/venv/bin/python -m tests.bench.page docs && exit $$rc

bench-gate: $(READY) ## the gate against named controllers, in virtual time; renews docs/gate.md
	@mkdir -p build
	$(BIN)/python -m tests.bench.gate --json build/gate.json --page docs/gate.md
	$(BIN)/python -m tests.bench.gate.bound --page docs/gate.md

.PHONY: bench-gate-real
bench-gate-real: $(READY) ## the gate and its closest rival over real HTTP, on a quiet machine: 20 minutes
	@mkdir -p build
	$(BIN)/python -m tests.bench.gate --real --wanted --seeds 20 --jobs 14 \
	  --controller two-knob --controller ours --json build/gate-real.json --page docs/gate.md

lock: ## pin, with hashes, what pyproject.toml asks for and is not pinned yet
	$(PYTHON) -m venv --clear $(LOCKING)
	$(LOCKING)/bin/python -m pip install -q pip-tools
	$(LOCKING)/bin/python -c 'import tomllib; \
	  found = tomllib.load(open("pyproject.toml", "rb")); project = found["project"]; \
	  needed = project["dependencies"] + found["build-system"]["requires"] + ["editables"]; \
	  extras = project["optional-dependencies"].items(); \
  needed += [one for name, extra in extras if name != "airflow" for one in extra]; \
	  needed += found["dependency-groups"]["dev"]; \
	  print(*(one for one in needed if not one.startswith(project["name"])), sep="\n")' \
	  > $(LOCKING)/needed.in
	cp requirements.lock $(LOCKING)/requirements.txt
	$(LOCKING)/bin/pip-compile -q $(UPGRADE) --generate-hashes --strip-extras --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-config \
	  -o $(LOCKING)/requirements.txt $(LOCKING)/needed.in
	{ sed '/^[^#]/,$$d' requirements.lock; cat $(LOCKING)/requirements.txt; } > $(LOCKING)/lock
	mv $(LOCKING)/lock requirements.lock
	$(LOCKING)/bin/python -c 'import tomllib; \
	  found = tomllib.load(open("pyproject.toml", "rb")); project = found["project"]; \
	  extras = project["optional-dependencies"]; needed = list(project["dependencies"]); \
	  needed += [one for extra in "metrics otel redis speed zstd".split() for one in extras[extra]]; \
	  print(*needed, sep="\n", file=open("$(LOCKING)/image.in", "w")); \
	  print(*found["build-system"]["requires"], sep="\n", file=open("$(LOCKING)/build.in", "w"))'
	for one in image build; do \
	  $(LOCKING)/bin/pip-compile -q --generate-hashes --strip-extras --no-annotate \
	    --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-config \
	    -c requirements.lock -o $(LOCKING)/$$one.txt $(LOCKING)/$$one.in && \
	  { sed '/^[^#]/,$$d' deploy/$$one.lock; cat $(LOCKING)/$$one.txt; } > $(LOCKING)/lock && \
	  mv $(LOCKING)/lock deploy/$$one.lock || exit 1; \
	done

.PHONY: lock-workflows
lock-workflows: ## pin the newest versions around Airflow 3.3.2, with their hashes
	$(PYTHON) -m venv --clear $(LOCKING)
	$(LOCKING)/bin/python -m pip install -q pip-tools
	$(LOCKING)/bin/python -c 'import tomllib; \
	  found = tomllib.load(open("pyproject.toml", "rb")); \
	  needed = found["project"]["dependencies"] + found["build-system"]["requires"]; \
	  print(*needed, "editables", "apache-airflow-core==3.3.2", sep="\n")' > $(LOCKING)/needed.in
	$(LOCKING)/bin/pip-compile -q --upgrade --generate-hashes --strip-extras --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-config \
	  -o $(LOCKING)/requirements.txt $(LOCKING)/needed.in
	{ sed '/^[^#]/,$$d' tests/workflows/airflow.lock; cat $(LOCKING)/requirements.txt; } \
	  > $(LOCKING)/lock
	mv $(LOCKING)/lock tests/workflows/airflow.lock

lock-upgrade: ## pin the newest versions that pyproject.toml allows
	$(MAKE) lock UPGRADE=--upgrade

.PHONY: stores lock-upgrade
stores: $(READY) ## lists in a bucket, on a real S3-speaking server
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m stores -q

GCS := build/gcs
$(GCS)/.ready: $(READY)
	rm -rf $(GCS)/env
	$(PYTHON) -m pip install -q --root-user-action ignore --target $(GCS)/env \
	  'gcsfs==2026.10.1' 'gcp-storage-emulator==2026.7.19'
	@touch $@

.PHONY: test-gcs
test-gcs: $(GCS)/.ready ## lists in Google Cloud Storage, on an emulator that speaks as it does: four minutes
	PYTHONPATH=$(abspath $(GCS)/env) $(BIN)/python -m pytest -n 2 tests/stores/test_gcs.py -m gcs -q

.PHONY: test-redis
test-redis: $(READY) ## slots that many machines share, on a real Redis; needs root: six minutes
	$(BIN)/python -m tests.faults.injectors redis-server ip tc iptables nsenter faketime
	$(BIN)/python -m pytest tests/slots -m redis -q

.PHONY: test-dask
test-dask: $(READY) ## clusters and fleets on real Dask schedulers and workers, which are killed
	$(BIN)/python -m pytest tests/clusters -m dask -q

clean: ## remove what was made here (not the runs)
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find bulkdelete tests sample_data -name __pycache__ -prune -exec rm -rf {} +
