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
