//! The scripts of a folder, by version, with their texts: what all of them are given.

use std::path::Path;

/// One script.
pub struct Script {
    pub version: i64,
    pub name: String,
    pub sql: String,
}

/// `00001_t.sql` and the like.
pub fn scripts(folder: &Path) -> Vec<Script> {
    let mut scripts: Vec<Script> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().expect("a name").to_string_lossy();
            let (version, name) = stem.split_once('_').expect("a version");
            Script {
                version: version.parse().expect("a number"),
                name: name.to_owned(),
                sql: std::fs::read_to_string(&path).expect("a script"),
            }
        })
        .collect();
    scripts.sort_by_key(|script| script.version);
    scripts
}

/// The database and the folder, as they were typed.
pub fn arguments() -> (String, std::path::PathBuf) {
    let mut arguments = std::env::args().skip(1);
    let database = arguments.next().expect("a database");
    (database, arguments.next().expect("a folder").into())
}
