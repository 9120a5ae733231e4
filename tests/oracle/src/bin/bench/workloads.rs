//! What is measured.

use crate::gigabyte;
use crate::place::{Place, Stage};
use oracle::Who::{self, Fork, Shell, Sqlx, Us};
use oracle::scripts::inserts;
use std::fs;
use std::iter::once;
use std::path::Path;
use std::process::Command;

pub struct Workload {
    pub name: &'static str,
    pub rounds: usize,
    /// What takes minutes or gigabytes.
    pub large: bool,
    /// What README says of ours.
    pub told: Option<Told>,
    pub make: fn(&Place) -> Stage,
}

pub enum Told {
    CallsInstructionsWrites,
    Syncs,
    Memory,
}

pub fn all() -> Vec<Workload> {
    let workload = |name, rounds, make| Workload {
        name,
        rounds,
        large: false,
        told: None,
        make,
    };
    let large = |name, rounds, make| Workload {
        large: true,
        ..workload(name, rounds, make)
    };
    let told = |told, workload| Workload {
        told: Some(told),
        ..workload
    };
    vec![
        told(
            Told::CallsInstructionsWrites,
            workload("nothing to do, 10 scripts", 40, |place| {
                idle(place, small(10))
            }),
        ),
        workload("nothing to do, 100 scripts", 20, |place| {
            idle(place, small(100))
        }),
        told(
            Told::CallsInstructionsWrites,
            workload("nothing to do, 1,000 scripts", 15, |place| {
                idle(place, small(1_000))
            }),
        ),
        workload("nothing to do, 10,000 scripts", 5, |place| {
            idle(place, rows(10_000))
        }),
        large("nothing to do, 50,000 scripts", 3, |place| {
            idle(place, rows(50_000))
        }),
        workload("nothing to do, 10 scripts, WAL", 40, |place| {
            idle_wal(place, 10)
        }),
        workload("nothing to do, 1,000 scripts, WAL", 7, |place| {
            idle_wal(place, 1_000)
        }),
        workload("nothing to do, 10,000 databases in one run", 3, databases),
        large("nothing to do, a script of 200 MB", 3, |place| {
            idle(place, once(inserts(200)))
        }),
        workload("apply 1 small script", 20, |place| {
            apply(place, small(1), &ALL)
        }),
        workload("apply 10 small scripts", 10, |place| {
            apply(place, small(10), &ALL)
        }),
        workload("apply 100 small scripts", 5, |place| {
            apply(place, small(100), &ALL)
        }),
        told(
            Told::Syncs,
            workload("apply 1,000 small scripts", 5, |place| {
                apply(place, small(1_000), &ALL)
            }),
        ),
        workload("apply 100 small scripts, WAL", 5, |place| {
            apply_wal(place, 100)
        }),
        workload("apply 1,000 small scripts, WAL", 3, |place| {
            apply_wal(place, 1_000)
        }),
        workload("apply 1,000 small scripts in one transaction", 3, single),
        workload("one script, 1 MB of INSERTs", 5, |place| {
            apply(place, once(inserts(1)), &ALL)
        }),
        told(
            Told::Memory,
            workload("one script, 10 MB of INSERTs", 3, |place| {
                apply(place, once(inserts(10)), &ALL)
            }),
        ),
        told(
            Told::Memory,
            large("one script, 200 MB of INSERTs", 1, |place| {
                apply(place, once(inserts(200)), &[Us, Shell])
            }),
        ),
        workload("one statement of 10 MB", 5, |place| {
            let text = "x".repeat(10_000_000);
            let script = format!("CREATE TABLE t (x);\nINSERT INTO t VALUES ('{text}');\n");
            apply(place, once(script), &ALL)
        }),
        workload("--dry-run of 500 small scripts", 5, |place| {
            dry_run(place, 500)
        }),
        workload("--dry-run of 2,000 small scripts", 3, |place| {
            dry_run(place, 2_000)
        }),
        workload("check --drift of 1,000 small scripts", 5, |place| {
            drift(place, 1_000)
        }),
        large("check --drift of 10,000 small scripts", 1, |place| {
            drift(place, 10_000)
        }),
        large("1 GB: --dry-run of a trivial script", 5, gigabyte::dry_run),
        large(
            "1 GB: rebuild of a small table",
            1,
            gigabyte::rebuild_of_a_small_table,
        ),
        large(
            "1 GB: rebuild of a large table",
            1,
            gigabyte::rebuild_of_a_large_table,
        ),
        large("1 GB: --backup", 3, gigabyte::backup),
    ]
}

const ALL: [Who; 4] = [Us, Sqlx, Fork, Shell];

/// The shell has no history.
const WITH_HISTORY: [Who; 3] = [Us, Sqlx, Fork];

/// A table and an index each.
fn small(count: usize) -> impl Iterator<Item = String> {
    let comment = "a comment of some length ".repeat(15);
    (1..=count).map(move |n| {
        format!(
            "CREATE TABLE t{n} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL);\n\
             CREATE INDEX i{n} ON t{n} (name);\n-- {comment}\n"
        )
    })
}

/// As long, but they make one table: tens of thousands cost SQLite minutes to make and
/// more to open than the run does.
fn rows(count: usize) -> impl Iterator<Item = String> {
    let comment = "a comment of some length ".repeat(20);
    (1..=count).map(move |n| {
        format!(
            "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY);\n\
             INSERT INTO t VALUES ({n});\n-- {comment}\n"
        )
    })
}

/// The same database each time, which none of them changes: where a copy is some
/// milliseconds old, a change in the same tick of the file system's clock is waited for.
fn idle(place: &Place, scripts: impl Iterator<Item = String>) -> Stage {
    let folder = place.folder(scripts);
    let database = place.applied(&folder);
    let own = |peer: &str| place.path(&format!("{peer}.db"));
    let mut peers = place.peers(&folder, own);
    // To apply more than that takes some of them minutes.
    let is_much = fs::read_dir(&folder).expect("a folder").count() > 1_000
        || fs::metadata(folder.join("00001_t.sql")).is_ok_and(|found| found.len() > 1 << 20);
    if is_much {
        peers.clear();
    }
    for (_, peer) in &mut peers {
        // Some print a line for each script.
        assert!(peer.output().expect("it runs").status.success());
    }
    place
        .stage(None)
        .all(place.all(&folder, &database, &WITH_HISTORY))
        .all(peers)
}

fn idle_wal(place: &Place, count: usize) -> Stage {
    place.wal();
    idle(place, small(count))
}

fn databases(place: &Place) -> Stage {
    let folder = place.folder(small(10));
    let prepared = place.applied(&folder);
    let mut list = String::new();
    for number in 1..=10_000 {
        let path = place.path(&format!("{number}.db"));
        fs::copy(&prepared, &path).expect("a copy");
        list.push_str(&format!("{}\n", path.display()));
    }
    let file = place.path("list");
    fs::write(&file, list).expect("a file");
    place
        .stage(None)
        .run("litemigrate", place.ours_on_list(&folder, &file))
}

fn apply(place: &Place, scripts: impl Iterator<Item = String>, who: &[Who]) -> Stage {
    let folder = place.folder(scripts);
    let database = place.database();
    let mut stage = place.stage(None).all(place.all(&folder, &database, who));
    if who.contains(&Sqlx) {
        stage = stage.all(place.peers(&folder, |_| database.clone()));
    }
    stage
}

fn apply_wal(place: &Place, count: usize) -> Stage {
    let folder = place.folder(small(count));
    let database = place.database();
    let all = place.all(&folder, &database, &ALL);
    let peers = place.peers(&folder, |_| database.clone());
    place.stage(Some(place.wal())).all(all).all(peers)
}

/// The shell as it reads all of them in one transaction.
fn in_one(place: &Place, database: &Path) -> Command {
    let read = format!(".read '{}'", place.path("one").display());
    place.shell(database, &[&read])
}

fn single(place: &Place) -> Stage {
    let folder = place.folder(small(1_000));
    let database = place.database();
    let ours = place.ours(&["up", "--single-transaction"], &folder, &database);
    place
        .stage(None)
        .run("litemigrate", ours)
        .run("sqlite3 shell", in_one(place, &database))
}

fn dry_run(place: &Place, count: usize) -> Stage {
    let folder = place.folder(small(count));
    let database = place.database();
    let ours = |words: &[&str]| place.ours(words, &folder, &database);
    place
        .stage(None)
        .run("litemigrate --dry-run", ours(&["up", "--dry-run"]))
        .run("the run itself", ours(&["up"]))
        .run(
            "the run --single-transaction",
            ours(&["up", "--single-transaction"]),
        )
        .run("sqlite3 shell, one transaction", in_one(place, &database))
}

fn drift(place: &Place, count: usize) -> Stage {
    let folder = place.folder(small(count));
    let prepared = place.applied(&folder);
    let database = place.database();
    place
        .stage(Some(prepared))
        .run(
            "litemigrate",
            place.ours(&["check", "--drift"], &folder, &database),
        )
        .run(
            "sqlite3 shell runs the scripts",
            in_one(place, Path::new(":memory:")),
        )
}
