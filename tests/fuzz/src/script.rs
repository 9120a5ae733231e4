//! Whatever a script does, it is applied with its row or not at all, the
//! connection is in no transaction afterwards, and the database is whole.

use litemigrate::rusqlite::Connection;
use litemigrate::rusqlite::config::DbConfig;
use litemigrate::{Error, Options, read_dir, up};

pub fn run(data: &[u8]) {
    // ATTACH and VACUUM INTO would write files all over the place.
    let lower = data.to_ascii_lowercase();
    if [
        &b"attach"[..],
        b"vacuum",
        b"recursive",
        b"randomblob",
        b"zeroblob",
        b"writable_schema",
        b"printf",
        b"format",
    ]
    .iter()
    .any(|word| lower.windows(word.len()).any(|part| part == *word))
    {
        return;
    }
    let directory =
        std::path::PathBuf::from(format!("/dev/shm/litemigrate-fuzz-{}", std::process::id()));
    let _ = std::fs::create_dir_all(&directory);
    std::fs::write(directory.join("1_fuzz.sql"), data).unwrap();
    let mut connection = Connection::open_in_memory().unwrap();
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, true);
    connection
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'one')",
        )
        .unwrap();
    let Ok(folder) = read_dir(&directory) else {
        return;
    };
    let transactional = folder.migrations[0].transactional;
    let result = up(
        &mut connection,
        &folder.migrations,
        &Options::default(),
        &mut |_| {},
    );
    assert!(connection.is_autocommit());
    let count = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap_or(0)
    };
    match result {
        Ok(_) => assert_eq!(
            count("SELECT count(*) FROM main._sqlx_migrations WHERE version = 1"),
            1
        ),
        Err(Error::Script(error)) => {
            assert!(!error.to_string().contains(['\n', '\x1b']));
            if transactional {
                assert_eq!(count("SELECT count(*) FROM main.sqlite_schema"), 1);
                assert_eq!(
                    count("SELECT count(*) FROM main.t WHERE id = 1 AND x = 'one'"),
                    1
                );
            }
        }
        Err(error) => panic!("{error}"),
    }
}
