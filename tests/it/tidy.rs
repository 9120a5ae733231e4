//! Rules about the source itself.

use crate::support::{manifest, root};
use std::path::{Path, PathBuf};

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The rooms from the top down; those in one line do not know each other.
const ROOMS: [&[&str]; 8] = [
    &["program"],
    &["operations"],
    &["sqlpage", "plan"],
    &["files"],
    &["database"],
    &["script"],
    &["schema"],
    &["diagnostics"],
];

fn level(room: &str) -> usize {
    let found = ROOMS.iter().position(|rooms| rooms.contains(&room));
    found.unwrap_or_else(|| panic!("{room} is not in the table"))
}

/// The code of each file of a room, without its comments and unit tests.
fn code_of_rooms() -> Vec<(String, PathBuf, String)> {
    let source = root().join("src");
    let mut found = Vec::new();
    for path in sources(&source) {
        let inside = path.strip_prefix(&source).unwrap();
        let room = inside.iter().next().unwrap().to_string_lossy().into_owned();
        if room.ends_with(".rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lines = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        found.push((room, path, code));
    }
    found
}

/// Imports point downwards only.
#[test]
fn imports_point_the_right_way() {
    for (room, path, code) in code_of_rooms() {
        for line in code.lines() {
            for used in line.split("crate::").skip(1) {
                let used: String = used
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                assert!(
                    used == room || level(&used) > level(&room),
                    "{}: {line}",
                    path.display()
                );
            }
            assert!(!line.contains("super::*"), "{}: {line}", path.display());
        }
    }
}

/// Only the program prints, exits and reads argv; only it and SQLPage's rules read
/// the environment.
#[test]
fn only_the_program_talks_to_the_world() {
    let of_the_program = [
        "stdout(",
        "stderr(",
        "stdin(",
        "process::exit",
        "args_os",
        "ExitCode",
    ];
    for (room, path, code) in code_of_rooms() {
        let is_program = room == "program";
        let talks = of_the_program.iter().find(|word| code.contains(**word));
        assert!(
            is_program || talks.is_none(),
            "{}: {talks:?}",
            path.display()
        );
        let reads = code.contains("env::var") || code.contains("env::temp_dir");
        assert!(
            is_program || room == "sqlpage" || !reads,
            "{} reads the environment",
            path.display()
        );
    }
}

/// What clippy does not look for: work that is put off, tests that do not run, code
/// that nobody calls, and files that do not say what they own.
#[test]
fn nothing_unfinished_and_nothing_without_a_purpose() {
    let put_off = ["TO-DO", "FIX-ME", "XX-X", "HA-CK"].map(|word| word.replace('-', ""));
    let looked_away = ["ignore", "allow(dead_code", "allow(unused"].map(|word| format!("#[{word}"));
    let mut files = sources(&root().join("src"));
    files.extend(sources(&root().join("tests/it")));
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! "),
            "{} does not say what it owns",
            path.display()
        );
        for word in put_off.iter().chain(&looked_away) {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn the_product_has_three_dependencies_and_few_packages() {
    let manifest = std::fs::read_to_string(manifest()).unwrap();
    let section = manifest
        .split("[dependencies]\n")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    let names: Vec<&str> = section
        .lines()
        .filter_map(|line| line.split(" = ").next())
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(names, ["lexopt", "rusqlite", "sha2"]);
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(lock.matches("[[package]]").count() < 30);
}

#[test]
fn the_changelog_has_this_version() {
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(&format!("## {}", env!("CARGO_PKG_VERSION"))));
}

/// A file that has grown so far owns too much.
#[test]
fn no_file_is_long() {
    for path in sources(&root().join("src")) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 450, "{} has {lines} lines", path.display());
    }
}
