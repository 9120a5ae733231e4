//! Does a database that Litestream replicates stay whole, here and in its replica? Run
//! with the real program, which `LITEMIGRATE_LITESTREAM` names (`make test-litestream`).

use crate::readme::project;
use crate::recipes::recipe;
use crate::support::{Sandbox, query, shell};
use rusqlite::Connection;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Where it is, if this is to be tested.
fn litestream() -> Option<String> {
    std::env::var("LITEMIGRATE_LITESTREAM").ok()
}

/// A Litestream that has begun.
struct Replication {
    child: Child,
    // Its end would be the end of the program that writes to it.
    log: BufReader<std::process::ChildStdout>,
}

impl Replication {
    fn start(litestream: &str, directory: &Path) -> Self {
        let mut child = Command::new(litestream)
            .args(["replicate", "-config", "litestream.yml"])
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("replicating to") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended at once");
        }
        Self { child, log }
    }

    /// Ends it as an init system does: what it has not yet copied it copies now.
    fn stop(mut self) {
        shell(Path::new("/"), &format!("kill -TERM {}", self.child.id()));
        assert!(self.child.wait().unwrap().success());
        drop(self.log);
    }
}

/// The schema, and every row of every table, the history's too.
fn contents(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    assert_eq!(query(&connection, "PRAGMA integrity_check"), "ok");
    let mut found = query(&connection, "SELECT sql FROM sqlite_schema ORDER BY name");
    let tables = query(
        &connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
    );
    for table in tables.lines() {
        found.push_str(&format!("\n{table}\n"));
        found.push_str(&query(
            &connection,
            &format!("SELECT * FROM \"{table}\" ORDER BY 1"),
        ));
    }
    found
}

const SETTINGS: &str = "dbs:\n  - path: app.db\n    monitor-interval: 10ms\n    checkpoint-interval: 50ms\n    replicas:\n      - {type: file, path: replica, sync-interval: 10ms}\n";

#[test]
fn what_is_migrated_while_it_replicates_is_in_the_replica() {
    let Some(litestream) = litestream() else {
        return;
    };
    let sandbox = Sandbox::new("litestream");
    std::fs::write(sandbox.path.join("litestream.yml"), SETTINGS).unwrap();
    sandbox.script(
        "1_note.sql",
        "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL);\n",
    );
    sandbox.expect(0, &["up"]);
    let replication = Replication::start(&litestream, &sandbox.path);

    // Much at once, which outgrows the cache and what SQLite checkpoints by itself.
    sandbox.script(
        "2_many.sql",
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 30000)\nINSERT INTO note SELECT x, hex(randomblob(100)) FROM n;\n",
    );
    sandbox.script(
        "3_rebuild.sql",
        "PRAGMA foreign_keys = OFF;\nCREATE TABLE new_note (id INTEGER PRIMARY KEY, text TEXT NOT NULL, kind INT DEFAULT 1);\nINSERT INTO new_note (id, text) SELECT id, text FROM note;\nDROP TABLE note;\nALTER TABLE new_note RENAME TO note;\n",
    );
    sandbox.script("4_vacuum.sql", "-- no-transaction\nVACUUM;\n");
    sandbox.script("5_bad.sql", "DELETE FROM note;\nSELECT nosuch;\n");
    sandbox.expect(1, &["up", "--backup", "before.db"]);
    sandbox.script("5_bad.sql", "UPDATE note SET kind = 2 WHERE id % 3 = 0;\n");
    sandbox.expect(0, &["up"]);
    sandbox.expect(0, &["check", "--drift"]);

    // An application goes on writing.
    sandbox
        .database()
        .execute_batch("INSERT INTO note (text) VALUES ('from the application')")
        .unwrap();
    replication.stop();
    let restored = |name: &str| {
        let run = format!("{litestream} restore -config litestream.yml -o {name} \"$PWD/app.db\"");
        shell(&sandbox.path, &run);
        contents(&sandbox.path.join(name))
    };
    assert!(restored("copy.db") == contents(&sandbox.path.join("app.db")));
    sandbox.expect(0, &["check", "-D", "copy.db"]);

    // A copy that is put back, and what is applied again, are changes like all others.
    let replication = Replication::start(&litestream, &sandbox.path);
    sandbox.expect(0, &["restore", "before.db"]);
    sandbox.expect(3, &["check"]);
    sandbox.expect(0, &["up"]);
    replication.stop();
    assert!(restored("again.db") == contents(&sandbox.path.join("app.db")));
}

/// The recipe on two machines: the second has nothing but the replica.
#[test]
fn the_recipe_takes_a_new_machine_from_the_replica() {
    let Some(litestream) = litestream() else {
        return;
    };
    let machine = |replica: &Path| {
        let project = project();
        for name in ["litestream.yml", "litestream.sh"] {
            let text = recipe(name, &project.path)
                .replace("/usr/local/bin/litestream", &litestream)
                .replace("/etc/litestream.yml", "litestream.yml")
                .replace("/var/backups/app", &replica.to_string_lossy())
                .replace("/usr/bin/app", "'timeout 60 sh ./application'");
            std::fs::write(project.path.join(name), text).unwrap();
        }
        // It has migrated when the application begins.
        // It lasts until the replica has all that was migrated: what ends before
        // Litestream's first look at it is not replicated.
        let application = format!(
            "litemigrate check || exit 1\nuntil {litestream} restore -config litestream.yml -o probe.db \"$PWD/sqlpage/sqlpage.db\" && litemigrate check -D probe.db; do sleep 0.05; rm -f probe.db; done 2>/dev/null\n"
        );
        std::fs::write(project.path.join("application"), application).unwrap();
        project
    };
    let replicas = Sandbox::new("replicas");
    let first = machine(&replicas.path.join("app"));
    shell(&first.path, "sh ./litestream.sh");
    let second = machine(&replicas.path.join("app"));
    let said = shell(&second.path, "sh ./litestream.sh");
    assert!(!said.contains("applied"), "{said}");
    let contents = |project: &Sandbox| contents(&project.path.join("sqlpage/sqlpage.db"));
    assert!(contents(&first) == contents(&second));
    // What the newer release brings is applied, and replicated.
    let newer = "CREATE TABLE newer (x);\n";
    std::fs::write(second.path.join("sqlpage/migrations/0006_newer.sql"), newer).unwrap();
    shell(&second.path, "sh ./litestream.sh");
    let third = machine(&replicas.path.join("app"));
    std::fs::write(third.path.join("sqlpage/migrations/0006_newer.sql"), newer).unwrap();
    assert!(!shell(&third.path, "sh ./litestream.sh").contains("applied"));
    assert!(contents(&second) == contents(&third));
}
