//! Rules about the source itself.

use crate::support::root;
use std::collections::BTreeMap;
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

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Which module may use which: the arrows of the design.
#[test]
fn imports_point_the_right_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("text", &[][..]),
        ("position", &["text"]),
        ("problem", &["position", "text"]),
        ("error", &["position", "problem", "text"]),
        ("migration", &[]),
        ("permission", &["problem", "text"]),
        (
            "directory",
            &["error", "migration", "permission", "position", "problem"],
        ),
        ("create", &["directory", "error", "permission"]),
        ("history", &["error", "migration"]),
        ("plan", &["error", "history", "migration", "problem"]),
        ("options", &["plan"]),
        (
            "targets",
            &[
                "directory",
                "error",
                "migration",
                "options",
                "plan",
                "problem",
            ],
        ),
        ("authorizer", &["foreign_keys"]),
        (
            "script",
            &["authorizer", "error", "foreign_keys", "position", "problem"],
        ),
        ("database", &["error", "permission", "text"]),
        (
            "sqlpage",
            &[
                "database",
                "directory",
                "error",
                "migration",
                "position",
                "problem",
            ],
        ),
        (
            "connection",
            &["authorizer", "database", "directory", "error", "script"],
        ),
        (
            "apply",
            &[
                "backup",
                "database",
                "error",
                "history",
                "migration",
                "options",
                "plan",
                "problem",
                "schema",
                "targets",
                "transaction",
            ],
        ),
        (
            "step",
            &[
                "authorizer",
                "directory",
                "error",
                "foreign_keys",
                "history",
                "migration",
                "problem",
                "schema",
                "script",
                "transaction",
            ],
        ),
        (
            "drift",
            &["apply", "error", "history", "migration", "plan", "schema"],
        ),
        (
            "backup",
            &[
                "database",
                "error",
                "history",
                "look",
                "options",
                "permission",
            ],
        ),
        ("look", &["database", "error", "permission"]),
        (
            "repair",
            &[
                "directory",
                "error",
                "history",
                "migration",
                "plan",
                "targets",
                "transaction",
            ],
        ),
        ("foreign_keys", &["error"]),
        ("schema", &["error", "problem", "sql"]),
        ("sql", &[]),
        (
            "transaction",
            &[
                "database",
                "error",
                "foreign_keys",
                "migration",
                "options",
                "script",
                "text",
            ],
        ),
    ]);
    for path in sources(&root().join("src")) {
        let module = stem(&path);
        if path.components().any(|part| part.as_os_str() == "bin") || module == "lib" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let allowed = allowed
            .get(module.as_str())
            .unwrap_or_else(|| panic!("{module} is not in the table"));
        for line in code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for used in line.split("crate::").skip(1) {
                let used: String = used
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                assert!(
                    allowed.contains(&used.as_str()),
                    "{}: {line}",
                    path.display()
                );
            }
            assert!(!line.contains("super::*"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn nothing_unfinished_and_nothing_without_a_purpose() {
    let unfinished = ["todo", "unimplemented", "dbg"].map(|word| format!("{word}!"));
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! "),
            "{} does not say what it owns",
            path.display()
        );
        for word in &unfinished {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn the_product_has_three_dependencies_and_few_packages() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
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
