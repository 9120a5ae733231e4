//! What several tests need: a directory of their own, and the program in it.

use rusqlite::Connection;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The program that is tested: the one just built, or that of `LITEMIGRATE_PROGRAM`,
/// such as the static one, or a script that runs another machine's under emulation.
pub fn program() -> &'static str {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        std::env::var("LITEMIGRATE_PROGRAM")
            .unwrap_or_else(|_| env!("CARGO_BIN_EXE_litemigrate").to_owned())
    });
    &PROGRAM
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo.toml as it was written; a published crate has it beside what Cargo made of it.
pub fn manifest() -> PathBuf {
    let written = root().join("Cargo.toml.orig");
    match written.exists() {
        true => written,
        false => root().join("Cargo.toml"),
    }
}

/// Where sandboxes are: in the checkout, unless root runs the tests in one of somebody
/// else's, where root finds nothing by itself.
fn base() -> &'static Path {
    static BASE: LazyLock<PathBuf> = LazyLock::new(|| {
        let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let is_safe = |directory: &Path| {
            let metadata = directory.metadata().unwrap();
            metadata.uid() == 0 && metadata.mode() & 0o022 == 0
        };
        let is_root = Path::new("/proc/self")
            .metadata()
            .is_ok_and(|me| me.uid() == 0);
        match !is_root || own.ancestors().all(is_safe) {
            true => own.to_owned(),
            false => std::env::temp_dir().join("litemigrate-tests"),
        }
    });
    &BASE
}

/// A fresh directory that is removed when the test ends well.
pub struct Sandbox {
    pub path: PathBuf,
}

impl Sandbox {
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = base().join(format!("{name}-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    /// Writes `migrations/<name>`.
    pub fn script(&self, name: &str, text: impl AsRef<[u8]>) {
        let directory = self.path.join("migrations");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(name), text).unwrap();
    }

    /// The program on `migrations` and `app.db`, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(&self.path)
            .env_clear()
            .stdin(Stdio::null());
        if arguments.first() != Some(&"new") && !arguments.contains(&"-D") {
            command.args(["-D", "app.db"]);
        }
        if !arguments.contains(&"-m") {
            command.args(["-m", "migrations"]);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the program, which must exit with `code`, and returns its stdout.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn database(&self) -> Connection {
        Connection::open(self.path.join("app.db")).unwrap()
    }

    pub fn query(&self, sql: &str) -> String {
        query(&self.database(), sql)
    }

    /// The names of the files beside the scripts.
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The rows of a query, one a line, columns separated by `|`.
pub fn query(connection: &Connection, sql: &str) -> String {
    use rusqlite::types::ValueRef;
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let cells: Vec<String> = (0..columns)
            .map(|column| match row.get_ref(column).unwrap() {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(value) => value.to_string(),
                ValueRef::Real(value) => value.to_string(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                ValueRef::Blob(bytes) => format!(
                    "x'{}'",
                    bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
                ),
            })
            .collect();
        lines.push(cells.join("|"));
    }
    lines.join("\n")
}

/// Says on the test's own stderr, past what the harness keeps to itself, that something
/// is not tested here, and why. Where everything must be, as in CI, that is a failure.
pub fn skipped(why: &str) {
    let required = std::env::var_os("LITEMIGRATE_ALL_TOOLS").is_some();
    assert!(!required, "{why}");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "{test}: skipped in part: {why}");
}

/// Whether that is so; if not, what needs it is skipped.
fn has(found: bool, why_not: &str) -> bool {
    if !found {
        skipped(why_not);
    }
    found
}

/// Whether a tool that judges us is here.
pub fn has_tool(name: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let found = path
        .split(':')
        .any(|directory| Path::new(directory).join(name).exists());
    has(found, &format!("{name} is not installed"))
}

/// Whether util-linux's `script` can make a terminal to run something in.
pub fn has_terminals() -> bool {
    let works = || succeeds("script -qec true /dev/null");
    has_tool("script") && has(works(), "no pseudo-terminal can be made")
}

/// Whether this process may make worlds of its own, as root may unless a container
/// forbids it.
pub fn has_namespaces() -> bool {
    has(
        succeeds("unshare --mount true"),
        "no namespaces can be made",
    )
}

/// Whether this is root, who can give files away.
pub fn is_root() -> bool {
    has(succeeds("test \"$(id -u)\" = 0"), "this is not root")
}

fn succeeds(script: &str) -> bool {
    shell_output(Path::new("/"), script).status.success()
}

/// Runs a shell script; `litemigrate` is on its PATH.
pub fn shell_output(directory: &Path, script: &str) -> Output {
    let bin = Path::new(program()).parent().unwrap();
    let path = format!(
        "{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        bin.display()
    );
    Command::new("sh")
        .args(["-c", script])
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .env("TERM", "xterm")
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Its standard output, if it succeeds, as it must.
pub fn shell(directory: &Path, script: &str) -> String {
    let output = shell_output(directory, &format!("set -eu\n{script}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Copies what is in a folder, if it is there.
pub fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
