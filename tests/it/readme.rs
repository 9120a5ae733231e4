//! Is the README true? Its sessions, the cron line and the init script are run; the
//! other recipes are run by `recipes`.

use crate::recipes::recipe;
use crate::support::{Sandbox, program, root, shell_output as shell};
use std::process::Command;

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The code blocks of a language, in order.
pub fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let fence = format!("\n```{language}\n");
    text.split(&fence)
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n")
        .collect()
}

/// A copy of the quick start, as `/srv/app` or as the reader's project.
pub fn project() -> Sandbox {
    let sandbox = Sandbox::new("readme");
    let status = Command::new("cp")
        .arg("-R")
        .arg(root().join("fixtures/quickstart/sqlpage"))
        .arg(&sandbox.path)
        .status()
        .unwrap();
    assert!(status.success());
    sandbox
}

/// Takes out what differs from run to run: durations and dates.
fn timeless(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = match line.rsplit_once(" in ") {
            Some((before, _)) if line.contains("applied 0") || line.starts_with("undone ") => {
                before.to_owned()
            }
            Some((before, after)) if line.starts_with("would apply ") => {
                format!(
                    "{before}{}",
                    after.split_once(':').map_or("", |(_, rest)| rest)
                )
            }
            _ => line.to_owned(),
        };
        // A checksum is shown by its beginning.
        let line = match line.trim_start().split_once(' ') {
            Some(("from" | "to", sum)) if line.starts_with("  ") => {
                format!("  {}", &sum.trim()[..6])
            }
            _ => line,
        };
        let mask = |word: &str| {
            let is_time = word.len() >= 8
                && word
                    .chars()
                    .all(|c| c.is_ascii_digit() || c == '-' || c == ':');
            if is_time {
                "[TIME]".to_owned()
            } else {
                word.to_owned()
            }
        };
        lines.push(line.split(' ').map(mask).collect::<Vec<_>>().join(" "));
    }
    lines.join("\n")
}

/// Runs the commands of a session, and holds what they print against what it says.
fn session_is_what_happens(session: &str) {
    let project = project();
    let mut found = String::new();
    for line in session.lines() {
        let Some(command) = line.strip_prefix("$ ") else {
            continue;
        };
        let output = shell(&project.path, command);
        found.push_str(&format!("{line}\n"));
        found.push_str(&String::from_utf8_lossy(&output.stdout));
        found.push_str(&String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => {}
            code => found.push_str(&format!("[exit {}]\n", code.unwrap())),
        }
    }
    assert_eq!(timeless(&found), timeless(session));
}

#[test]
fn the_sessions_are_what_happens() {
    let sessions = blocks("console").concat();
    assert!(sessions.matches("$ ").count() >= 12);
    session_is_what_happens(&sessions);
}

/// What is indented in the texts of `help` after a dollar sign, each in a project of
/// its own.
#[test]
fn the_sessions_of_the_help_are_what_happens() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("src/program/topics")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let sessions = text.split("\n\n").filter(|part| part.starts_with("    $ "));
        let lines = sessions.flat_map(str::lines);
        let session: String = lines.map(|line| format!("{}\n", &line[4..])).collect();
        count += session.matches("$ ").count();
        session_is_what_happens(&session);
    }
    assert!(count >= 20, "{count}");
}

#[test]
fn the_cron_line_works_and_sends_no_mail_the_second_time() {
    let project = project();
    let table = recipe("cron", &project.path);
    let line = table.lines().find(|line| !line.starts_with('#')).unwrap();
    let command = line.splitn(6, ' ').nth(5).unwrap();
    // Cron's own PATH.
    let command = format!("PATH=/usr/bin:/bin; {command}");
    let first = shell(&project.path, &command);
    assert!(first.status.success() && first.stdout.ends_with(b"at version 5\n"));
    let second = shell(&project.path, &command);
    assert!(second.status.success() && second.stdout.is_empty() && second.stderr.is_empty());
}

#[test]
fn the_init_script_works() {
    let project = project();
    let script = recipe("init", &project.path);
    std::fs::write(project.path.join("init"), script).unwrap();
    assert_eq!(
        shell(&project.path, "sh ./init status").status.code(),
        Some(3)
    );
    assert_eq!(
        shell(&project.path, "sh ./init start").status.code(),
        Some(0)
    );
    assert_eq!(
        shell(&project.path, "sh ./init status").status.code(),
        Some(0)
    );
    std::fs::write(
        project.path.join("sqlpage/migrations/6_x.sql"),
        "SELECT nosuch;",
    )
    .unwrap();
    assert_eq!(
        shell(&project.path, "sh ./init start").status.code(),
        Some(1)
    );
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = String::from_utf8(
        Command::new(program())
            .args(["help", "exit-codes"])
            .output()
            .unwrap()
            .stdout,
    )
    .unwrap();
    let text = readme();
    for line in help.lines() {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        let meaning = meaning
            .split(": please")
            .next()
            .unwrap()
            .replace("check: ", "`check`: ")
            .replace(": trying again may help", "");
        assert!(text.contains(&format!("| {code} | {meaning}")), "{line}");
    }
}

/// The README points to every topic, and stays what a person reads at once.
#[test]
fn it_is_short_and_says_where_the_rest_is() {
    let text = readme();
    assert!(text.lines().count() <= 250, "{}", text.lines().count());
    let list = shell(root(), "litemigrate help help");
    let list = String::from_utf8(list.stdout).unwrap();
    let topics = list.split("besides the commands:\n").nth(1).unwrap();
    let topics = topics.split("\n\n").next().unwrap();
    assert!(topics.lines().count() >= 10);
    for topic in topics.lines() {
        let word = topic.split_whitespace().next().unwrap();
        assert!(
            text.contains(&format!("`litemigrate help {word}`"))
                || text.contains(&format!("`help {word}`")),
            "{word}"
        );
    }
}

#[test]
fn the_two_commands_are_in_the_makefile() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    for target in ["run", "test", "check", "accept", "install", "clean", "all"] {
        assert!(makefile.contains(&format!("\n{target}:")), "{target}");
    }
    let text = readme();
    assert!(text.contains("\nmake run ") && text.contains("\nmake test "));
}

/// Every field that a scenario's JSON has is in the table of `help json`.
#[test]
fn the_fields_of_the_json_are_in_the_help() {
    let output = Command::new(program()).args(["help", "json"]).output();
    let help = String::from_utf8(output.unwrap().stdout).unwrap();
    let headings = help.lines().filter(|line| line.ends_with(')'));
    let known: Vec<&str> = headings
        .filter_map(|line| line.split_once(" ("))
        .flat_map(|(fields, _)| fields.split(", "))
        .collect();
    let sqlite = rusqlite::Connection::open_in_memory().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(root().join("fixtures/scenarios")).unwrap() {
        let stdout = entry.unwrap().path().join("stdout");
        let text = std::fs::read_to_string(stdout).unwrap_or_default();
        for line in text.lines().filter(|line| line.starts_with("{\"format\":")) {
            let line = line.replace("[NUMBER]", "0");
            let mut statement = sqlite.prepare("SELECT key FROM json_each(?1)").unwrap();
            let keys = statement.query_map([line], |row| row.get(0)).unwrap();
            seen.extend(keys.map(|key: Result<String, _>| key.unwrap()));
        }
    }
    assert!(seen.len() >= 15, "{seen:?}");
    for key in &seen {
        assert!(known.contains(&key.as_str()), "{key}");
    }
}
