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

check: lint test run

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --lib

install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 target/release/litemigrate $(DESTDIR)$(PREFIX)/bin/litemigrate

clean:
	$(CARGO) clean

.PHONY: all run test accept check lint install clean
