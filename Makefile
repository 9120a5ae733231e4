PREFIX ?= /usr/local
CARGO ?= cargo
EXAMPLE_DB = target/quickstart.db

all:
	$(CARGO) build --release --locked

# Builds, then migrates the bundled example into a database file, and shows it.
run: all
	target/release/litemigrate up -d fixtures/quickstart/sqlpage -D $(EXAMPLE_DB)
	target/release/litemigrate status -d fixtures/quickstart/sqlpage -D $(EXAMPLE_DB)

test:
	$(CARGO) test --locked

# Rewrites what the scenarios expect; review the diff.
accept:
	ACCEPT=1 $(CARGO) test --locked --test it scenarios

check: lint test run oracle

lint:
	$(CARGO) fmt --check
	cd tests/oracle && $(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --lib

# Compares with the real sqlx and with SQLPage's fork of it.
oracle: all
	cd tests/oracle && CARGO_TARGET_DIR=../../target/oracle $(CARGO) build --release --locked
	target/oracle/release/oracle target/release/litemigrate fixtures

# Times us beside the real sqlx, SQLPage's fork and the sqlite3 shell, in turn.
bench: all
	cd tests/oracle && CARGO_TARGET_DIR=../../target/oracle $(CARGO) build --release --locked
	target/oracle/release/bench target/release/litemigrate

# A minute for each target; needs a nightly compiler and cargo-fuzz.
fuzz:
	for target in arguments history location names script; do \
		$(CARGO) +nightly fuzz run --fuzz-dir tests/fuzz $$target -- -max_total_time=60 -max_len=500 || exit 1; \
	done

install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 target/release/litemigrate $(DESTDIR)$(PREFIX)/bin/litemigrate

clean:
	$(CARGO) clean

.PHONY: all run test accept check lint oracle bench fuzz install clean
