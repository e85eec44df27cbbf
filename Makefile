# Each target does its own set-up on a Debian machine that has rustup, Go and the package managers.
# What is costly to build is kept in $(CACHE), outside the checkout.

CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/networkdb
export CARGO_TARGET_DIR ?= $(CACHE)/target
export NETWORKDB_PEERS ?= $(CACHE)/peers
export NETWORKDB_BIN ?= $(CARGO_TARGET_DIR)/debug/networkdb

PREFIX ?= /usr/local
FEATURES ?= hosted

.PHONY: run test test-c test-go test-python test-languages install bench bench-peers bench-c bench-go bench-python bench-load fuzz miri audit doc setup setup-test lint peers binary wasm

run: setup
	cargo run --release --locked --package networkdb-cli --bin networkdb -- demo $(ARGS)

test: setup-test lint wasm binary peers test-c test-go test-python test-languages
	go -C tests/peers/gob test -count=1 ./...
	cargo test --locked --workspace --no-fail-fast
	cargo run --release --locked --package networkdb-sim -- run --first-seed 1 --seeds 1000 --nodes 3..25
	cargo test --locked --manifest-path fuzz/Cargo.toml
	CACHE=$(CACHE) fuzz/run 20
	@echo "all tests passed"

# The C library as it is installed: its size, the C examples, the scenario scripts and the header's test, compiled as C99 and
# C++17, linked shared and static, under AddressSanitizer and valgrind. `make test` runs them with the library of the tests too.
test-c: setup-test
	$(MAKE) install PREFIX=$(CACHE)/c/small FEATURES=
	ffi/size $(CACHE)/c/small 1500000
	$(MAKE) install PREFIX=$(CACHE)/c/hosted FEATURES=hosted
	ffi/size $(CACHE)/c/hosted 4000000
	NETWORKDB_PREFIX=$(CACHE)/c/hosted cargo test --locked --package networkdb-ffi --test header --test scripts --test examples --test misuse_c

# The Go module and its examples on the library as it is installed, shared and static, with the race detector, beside the Go peers.
test-go: setup-test peers
	$(MAKE) install PREFIX=$(CACHE)/c/hosted FEATURES=hosted
	bindings/go/test $(CACHE)/c/hosted

# The Python package: its tests, its types, and what pip makes of a clean checkout.
test-python: setup-test
	CACHE=$(CACHE)/python bindings/python/test

# Nodes in C, Go and Python in one cluster with Docker's.
test-languages: test-c test-go test-python peers
	tests/languages $(CACHE)/c/hosted $(CACHE)/python/fresh/bin/python $(CACHE)/examples

# The C library, its header and its pkg-config file. FEATURES= leaves out the built-in host. Named crate types: with a
# Rust library among them, cargo does no link-time optimisation. Frame pointers shorten the tables for unwinding by a fifth.
install: setup
	RUSTFLAGS="$(RUSTFLAGS) -C force-frame-pointers" cargo rustc --profile library --locked --package networkdb-ffi --lib --crate-type cdylib,staticlib --no-default-features --features "$(FEATURES)"
	ffi/install $(CARGO_TARGET_DIR)/library $(PREFIX) $(DESTDIR)

# All figures, one part after another.
bench:
	set -e; for part in peers c go python; do $(MAKE) bench-$$part; done

# Ours beside the Go peers: the same work in turns.
bench-peers: setup-test peers
	cargo build --release --locked --package networkdb-cli
	NETWORKDB_BIN=$(CARGO_TARGET_DIR)/release/networkdb cargo run --release --locked --package networkdb-benches -- $(ARGS)

# Who sends the datagrams that are measured, in C and Python.
LOAD = $(CACHE)/c/load
C99 = cc -std=c99 -O2 -Wall -Wextra -Werror -pedantic

bench-load: setup-test
	mkdir -p $(CACHE)/c
	$(C99) benches/c/load.c -o $(LOAD)

# What the C library costs, alone and over sockets; TIME=seconds for each figure.
bench-c: setup-test bench-load
	$(MAKE) install PREFIX=$(CACHE)/c/hosted FEATURES=hosted
	export PKG_CONFIG_PATH=$(CACHE)/c/hosted/lib/pkgconfig; $(C99) benches/c/bench.c -o $(CACHE)/c/bench -pthread $$(pkg-config --cflags --libs networkdb)
	LD_LIBRARY_PATH=$(CACHE)/c/hosted/lib $(CACHE)/c/bench $(LOAD) $(TIME)

# The same of Go.
bench-go: setup-test
	$(MAKE) install PREFIX=$(CACHE)/c/hosted FEATURES=hosted
	bindings/go/bench $(CACHE)/c/hosted $(TIME)

# What the Python package costs; TIME=seconds for each figure.
bench-python: setup-test bench-load
	CACHE=$(CACHE)/python bindings/python/test bench $(LOAD) $(TIME)

# TIME=seconds for each target, TARGET=names of some; TARGET and INPUT=file play an input again.
fuzz: setup-test
	CACHE=$(CACHE) fuzz/run $(if $(INPUT),replay $(TARGET) $(INPUT),$(or $(TIME),60) $(TARGET))

# The core's small tests in an interpreter that sees undefined behaviour, also of the crates below. Those with ciphers
# or long runs take too long there.
MIRI ?= machine:: wire:: networkdb::digest networkdb::lamport networkdb::queue networkdb::tests::a_ networkdb::tests::equal

miri:
	@tests/setup --miri
	PROPTEST_CASES=4 MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked --package networkdb-core --lib -- $(MIRI)

# Licences and origins of all dependencies, and what is known against them: asks the RustSec database on GitHub.
audit: setup $(CACHE)/tools/bin/cargo-deny
	$(CACHE)/tools/bin/cargo-deny --locked check bans licenses sources
	$(CACHE)/tools/bin/cargo-deny --locked check advisories

$(CACHE)/tools/bin/cargo-deny:
	cargo install cargo-deny --locked --root $(CACHE)/tools

doc: setup
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

setup:
	@tests/setup

setup-test:
	@tests/setup --test

lint:
	cargo fmt --all -- --check
	cargo clippy --locked --workspace --all-targets --features networkdb-tests/languages -- -D warnings
	cargo fmt --manifest-path fuzz/Cargo.toml -- --check
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings
	test -z "$$(gofmt -l tests/peers)"
	go -C tests/peers/gob vet ./...

wasm:
	cargo build --locked --package networkdb-core --package networkdb-sim --lib --no-default-features --target wasm32-unknown-unknown

binary:
	cargo build --locked --package networkdb-cli

peers:
	tests/peers/build $(NETWORKDB_PEERS)
