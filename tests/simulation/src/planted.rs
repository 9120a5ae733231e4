//! Faults planted into litemigrate's own source: a copy of it is changed, built, explored.
//!
//! Owns the list. A fault whose text is no longer in the source fails: it must be brought
//! up to date, or nobody knows whether it would still be found.

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Planted {
    pub name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    /// What finds it.
    pub job: &'static str,
}

pub const PLANTED: [Planted; 6] = [
    Planted {
        name: "synchronous is FULL",
        file: "src/database/settings.rs",
        from: "PRAGMA main.synchronous = EXTRA",
        to: "PRAGMA main.synchronous = FULL",
        job: "crashes litemigrate honest short/delete 6 20 1",
    },
    Planted {
        name: "no second look under the lock",
        file: "src/operations/apply/run.rs",
        from: "if data_version(connection)? != self.view.data_version {",
        to: "if data_version(connection)? < 0 {",
        job: "meet litemigrate honest two-runs short/delete 1 1",
    },
    Planted {
        name: "the lock is taken by the first write",
        file: "src/database/transaction.rs",
        from: "\"BEGIN IMMEDIATE\"",
        to: "\"BEGIN\"",
        job: "meet litemigrate honest two-runs short/wal 1 1",
    },
    Planted {
        name: "an unreadable history is taken for an empty one",
        file: "src/operations/apply/view.rs",
        from: "let history = history::read(connection, &job.options.table)?;",
        to: "let history = history::read(connection, &job.options.table).unwrap_or_default();",
        job: "errors litemigrate honest down/delete 1",
    },
    Planted {
        name: "a restore does not sync",
        file: "src/operations/restore.rs",
        from: "PRAGMA main.synchronous = EXTRA",
        to: "PRAGMA main.synchronous = OFF",
        job: "crashes litemigrate honest restore/delete 6 20 1",
    },
    Planted {
        name: "scripts outside a transaction have no guard",
        file: "src/database/guard.rs",
        from: "match file.try_lock() {",
        to: "match Ok::<(), TryLockError>(()) {",
        job: "meet litemigrate honest two-runs outside/delete 1 1",
    },
];

/// Makes a copy with this fault and builds it; where the program is.
pub fn build(planted: &Planted, target: &Path) -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.parent().and_then(Path::parent).ok_or("no root")?;
    let copy = target.join("planted");
    let nested = Path::new("tests/simulation");
    for path in [
        "src",
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        ".cargo/config.toml",
        "fixtures/recipes",
    ] {
        copy_all(&root.join(path), &copy.join(path))?;
    }
    for path in ["src", "Cargo.toml", "Cargo.lock"] {
        copy_all(&here.join(path), &copy.join(nested).join(path))?;
    }
    replace(&copy.join(planted.file), planted.from, planted.to)?;
    // It must not take this program's place.
    let manifest = copy.join(nested).join("Cargo.toml");
    replace(&manifest, "name = \"simulation\"", "name = \"planted\"")?;
    replace(
        &copy.join(nested).join("Cargo.lock"),
        "name = \"simulation\"",
        "name = \"planted\"",
    )?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet"])
        // Little is explored with it: most of the time would be the optimizer's.
        .args([
            "--config",
            "profile.release.package.litemigrate.opt-level=0",
        ])
        .current_dir(copy.join(nested))
        .env("CARGO_INCREMENTAL", "1")
        .env("CARGO_TARGET_DIR", target)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    match output.status.success() {
        true => Ok(target.join("release/planted")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn replace(file: &Path, from: &str, to: &str) -> Result<(), String> {
    let read =
        |file: &Path| std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()));
    let text = read(file)?;
    match text.matches(from).count() {
        1 => write(file, text.replace(from, to).as_bytes()),
        count => Err(format!("{}: {count} times {from}", file.display())),
    }
}

/// Copies what differs, so that cargo sees only what is new.
fn copy_all(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    if !from.is_dir() {
        return write(to, &std::fs::read(from).map_err(failed)?);
    }
    if to.is_dir() {
        for entry in std::fs::read_dir(to).map_err(failed)? {
            let stale = entry.map_err(failed)?;
            if !from.join(stale.file_name()).exists() {
                let path = stale.path();
                let removed = match path.is_dir() {
                    true => std::fs::remove_dir_all(path),
                    false => std::fs::remove_file(path),
                };
                removed.map_err(failed)?;
            }
        }
    }
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn write(file: &Path, content: &[u8]) -> Result<(), String> {
    if std::fs::read(file).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(file, content).map_err(failed)
}
