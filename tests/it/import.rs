//! Is what the README says to who comes from another tool what happens?

use crate::support::{Sandbox, copy, program, root};
use std::process::Command;

/// The lines of the README that import.
fn lines() -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let lines = readme.lines();
    lines
        .filter(|line| line.starts_with("litemigrate import "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_tool_is_left_with_one_line() {
    let lines = lines();
    assert_eq!(lines.len(), 12);
    for line in lines {
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        let [_, folder, _, tool, ..] = words[..] else {
            panic!("{line}");
        };
        let scenario = root().join(format!(
            "fixtures/scenarios/import-of-a-{tool}-folder-brings-files-and-rows"
        ));
        let sandbox = Sandbox::new(tool);
        let before = std::fs::read_to_string(scenario.join("before.sql")).unwrap();
        sandbox.database().execute_batch(&before).unwrap();
        let old = sandbox.path.join(folder);
        std::fs::create_dir_all(&old).unwrap();
        copy(&scenario.join("in/old"), &old);
        let run = |words: &[&str]| {
            let output = Command::new(program())
                .args(words)
                .current_dir(&sandbox.path)
                .env_clear()
                .output()
                .unwrap();
            output.status.code().unwrap()
        };
        assert_eq!(run(&words), 0, "{line}");
        assert!([0, 3].contains(&run(&["check", "-m", "migrations", "-D", "app.db"])));
        // Nothing was run: the row that a script would insert again is not there.
        assert_eq!(sandbox.query("SELECT x FROM a"), "once", "{line}");
        assert_ne!(sandbox.query("SELECT count(*) FROM _sqlx_migrations"), "0");
    }
}

/// The times at which the old tool applied them, which scenarios cannot show.
#[test]
fn the_time_of_application_is_brought_over() {
    for (tool, expected) in [
        ("refinery", "2024-01-02 03:04:05\n2024-01-02 03:04:06"),
        ("sql-migrate", "2024-01-28 15:29:19\n2024-01-28 15:29:19"),
        ("prisma", "2024-01-02 10:11:12\n2024-01-02 10:11:14"),
        ("atlas", "2024-01-02 03:04:05\n2024-01-02 03:04:06"),
    ] {
        let scenario = root().join(format!(
            "fixtures/scenarios/import-of-a-{tool}-folder-brings-files-and-rows"
        ));
        let sandbox = Sandbox::new(tool);
        let before = std::fs::read_to_string(scenario.join("before.sql")).unwrap();
        sandbox.database().execute_batch(&before).unwrap();
        copy(&scenario.join("in"), &sandbox.path);
        sandbox.expect(0, &["import", "old"]);
        let times = sandbox.query("SELECT installed_on FROM _sqlx_migrations ORDER BY version");
        assert_eq!(times, expected, "{tool}");
    }
}

/// Of rows that name a script in another way than ours, and of those that say less.
#[test]
fn what_was_applied_is_never_run_again() {
    let twice = "CREATE TABLE IF NOT EXISTS a(x);\nINSERT INTO a VALUES (1);\n";
    let atlas = "CREATE TABLE atlas_schema_revisions (version text NOT NULL PRIMARY KEY, description text NOT NULL, type integer NOT NULL, applied integer, total integer, executed_at datetime NOT NULL, execution_time integer, error text);";
    for (name, tool, old, rows) in [
        (
            "a name with a dash",
            "sql-migrate",
            &[("20240101000000-create_a.sql", format!("-- +migrate Up\n{twice}"))][..],
            "CREATE TABLE gorp_migrations (id varchar(255) not null primary key, applied_at datetime); INSERT INTO gorp_migrations VALUES ('20240101000000-create_a.sql', '2024-01-05 10:00:00+00:00');".to_owned(),
        ),
        (
            "no name",
            "sql-migrate",
            &[("20240101000000.sql", format!("-- +migrate Up\n{twice}"))],
            "CREATE TABLE gorp_migrations (id varchar(255) not null primary key, applied_at datetime); INSERT INTO gorp_migrations VALUES ('20240101000000.sql', '2024-01-05 10:00:00+00:00');".to_owned(),
        ),
        (
            "a baseline",
            "atlas",
            &[("20240101000000_a.sql", twice.to_owned()), ("atlas.sum", "h1:x\n".to_owned())],
            format!("{atlas} INSERT INTO atlas_schema_revisions VALUES ('20240101000000', 'a', 1, 0, 0, '2024-01-05 10:00:00', 1, '');"),
        ),
    ] {
        let sandbox = Sandbox::new("again");
        std::fs::create_dir(sandbox.path.join("old")).unwrap();
        for (file, text) in old {
            std::fs::write(sandbox.path.join("old").join(file), text).unwrap();
        }
        let history = format!("{rows} CREATE TABLE a(x); INSERT INTO a VALUES (1);");
        sandbox.database().execute_batch(&history).unwrap();
        let of_new = ["-m", "migrations", "-D", "new.db"];
        sandbox.expect(0, &[&["import", "old", "--from", tool][..], &of_new].concat());
        let of_app = ["-m", "migrations", "-D", "app.db"];
        sandbox.expect(65, &[&["up"][..], &of_app].concat());
        sandbox.expect(0, &[&["baseline"][..], &of_app].concat());
        sandbox.expect(0, &[&["up"][..], &of_app].concat());
        assert_eq!(sandbox.query("SELECT count(*) FROM a"), "1", "{name}");
    }
}

/// Drizzle knows a script by its text, and takes it apart where its comments stand.
#[test]
fn two_scripts_of_one_text_are_two_and_a_breakpoint_ends_a_statement() {
    let sandbox = Sandbox::new("drizzle");
    let meta = sandbox.path.join("old/meta");
    std::fs::create_dir_all(&meta).unwrap();
    let bump = "UPDATE a SET n = n + 1";
    let first = "CREATE TABLE a(n integer)\n--> statement-breakpoint\nINSERT INTO a VALUES (0)\n--> statement-breakpoint\n-- done\n";
    for (file, text) in [("0000_a", first), ("0001_b", bump), ("0002_c", bump)] {
        std::fs::write(sandbox.path.join(format!("old/{file}.sql")), text).unwrap();
    }
    let entry = |place: usize, tag: &str| {
        format!(
            "{{\"idx\":{place},\"when\":{},\"tag\":\"{tag}\"}}",
            1700000000000_u64 + place as u64
        )
    };
    let journal = [entry(0, "0000_a"), entry(1, "0001_b"), entry(2, "0002_c")].join(",");
    std::fs::write(
        meta.join("_journal.json"),
        format!("{{\"entries\":[{journal}]}}"),
    )
    .unwrap();
    let hash = |text: &str| {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(text.as_bytes());
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let (of_first, of_bump) = (hash(first), hash(bump));
    sandbox.database().execute_batch(&format!("CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric); INSERT INTO __drizzle_migrations(hash, created_at) VALUES ('{of_first}', 1700000000000), ('{of_bump}', 1700000000001); CREATE TABLE a(n integer); INSERT INTO a VALUES (1);")).unwrap();
    let of_app = ["-m", "migrations", "-D", "app.db"];
    sandbox.expect(0, &[&["import", "old"][..], &of_app].concat());
    assert_eq!(
        sandbox.query("SELECT group_concat(version) FROM _sqlx_migrations"),
        "0,1"
    );
    sandbox.expect(0, &[&["up"][..], &of_app].concat());
    assert_eq!(sandbox.query("SELECT n FROM a"), "2");
    sandbox.expect(0, &["up", "-m", "migrations", "-D", "new.db"]);
}

/// What is not beyond doubt is refused, and what is half done.
#[test]
fn what_means_something_else_to_another_tool_is_refused() {
    let sandbox = Sandbox::new("refused");
    std::fs::create_dir(sandbox.path.join("old")).unwrap();
    for (file, text) in [
        ("V1__a.sql", "CREATE TABLE a(x);"),
        ("U2__b.sql", "ALTER TABLE a ADD y;"),
    ] {
        std::fs::write(sandbox.path.join("old").join(file), text).unwrap();
    }
    let output = sandbox.run(&["import", "old", "-m", "new", "-D", "app.db"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("--from refinery"), "{said}");
    for number in 1..4 {
        sandbox.script(
            &format!("{number}_t.up.sql"),
            format!("CREATE TABLE t{number}(x);\n"),
        );
    }
    let dirty = "CREATE TABLE t1(x); CREATE TABLE schema_migrations (version uint64, dirty bool); INSERT INTO schema_migrations VALUES (2, 1);";
    sandbox.database().execute_batch(dirty).unwrap();
    for command in ["up", "baseline"] {
        let output = sandbox.run(&[command, "-m", "migrations", "-D", "app.db"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(said.contains("version 2 is dirty"), "{said}");
    }
}
