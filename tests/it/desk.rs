//! Are we at home on a desk: man page, completions, live line, systemd's socket?

use crate::support::{Sandbox, has_namespaces, has_terminals, has_tool, is_root, shell};
use rusqlite::Connection;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Stdio;
use std::time::Duration;

/// A script that runs for about so many seconds on a machine like ours.
fn slow(seconds: usize) -> String {
    let one = "INSERT INTO t WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000) SELECT count(*) FROM n;\n";
    format!("CREATE TABLE t (x);\n{}", one.repeat(seconds * 10))
}

#[test]
fn the_man_page_is_clean() {
    let sandbox = Sandbox::new("man");
    let page = shell(
        &sandbox.path,
        "litemigrate --generate man | tee litemigrate.1",
    );
    assert!(page.starts_with(".TH LITEMIGRATE 1 "));
    if has_tool("mandoc") {
        let complaints = shell(&sandbox.path, "mandoc -Tlint litemigrate.1 2>&1");
        assert_eq!(complaints, "");
        let text = shell(&sandbox.path, "mandoc -Tutf8 litemigrate.1 | col -b");
        for part in ["--single-transaction", "EXIT STATUS", "75", "NOTIFY_SOCKET"] {
            assert!(text.contains(part), "{part}");
        }
    }
}

#[test]
fn completions_work_in_the_real_shells() {
    let sandbox = Sandbox::new("completions");
    std::fs::create_dir(sandbox.path.join("scripts")).unwrap();
    std::fs::write(sandbox.path.join("copy.db"), "").unwrap();
    let cases = [
        ("litemigrate sta", "status"),
        ("litemigrate check --dri", "check --drift"),
        ("litemigrate up --color al", "up --color always"),
        ("litemigrate -m scr", "-m scripts"),
        ("litemigrate help exi", "help exit-codes"),
        ("litemigrate restore cop", "restore copy.db"),
        ("litemigrate new --rev", "new --reversible"),
        ("litemigrate repair 7 --line", "repair 7 --line-endings"),
        ("litemigrate up --rev", "up --rev"),
        ("litemigrate status --lon", "status --long"),
        ("litemigrate restore -Dcop", "restore -Dcopy.db"),
    ];
    if has_tool("bash") {
        let script = "cat > test.bash <<'E'\nsource <(litemigrate --generate bash)\nfor line in \"$@\"; do\n  read -ra COMP_WORDS <<<\"$line\"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()\n  _litemigrate\n  echo \"${COMP_WORDS[*]:1:COMP_CWORD-1} ${COMPREPLY[*]:-${COMP_WORDS[COMP_CWORD]}}\"\ndone\nE\n";
        let lines: Vec<String> = cases.iter().map(|(line, _)| format!("'{line}'")).collect();
        let found = shell(
            &sandbox.path,
            &format!("{script}bash test.bash {}", lines.join(" ")),
        );
        let found: Vec<&str> = found.lines().map(str::trim).collect();
        let expected: Vec<&str> = cases.iter().map(|(_, expected)| *expected).collect();
        assert_eq!(found, expected, "bash");
    }
    if has_tool("bash") && has_terminals() {
        // Readline adds a slash to what it takes for a folder's name, and only it.
        let typed = "litemigrate --profile sqlp\\t\\nlitemigrate che\\t\\nlitemigrate -m scr\\t\\nlitemigrate restore -Dcop\\t\\nexit\\n";
        let script = format!(
            "mkdir -p sqlpage check; cat > rc <<'E'\nPS1=\nsource <(litemigrate --generate bash)\nlitemigrate() {{ echo \"GOT<$*>\"; }}\nE\nprintf '{typed}' | timeout 60 script -qec 'bash --noprofile --rcfile rc -i' typescript; rmdir sqlpage check"
        );
        let out = shell(&sandbox.path, &script);
        for expected in [
            "GOT<--profile sqlpage>",
            "GOT<check>",
            "GOT<-m scripts/>",
            "GOT<restore -Dcopy.db>",
        ] {
            assert!(out.contains(expected), "{expected}: {out}");
        }
    }
    if has_tool("fish") {
        // It completes no file in an option's own word.
        for (line, expected) in cases
            .into_iter()
            .filter(|(line, _)| !line.contains("-Dcop"))
        {
            let found = shell(
                &sandbox.path,
                &format!(
                    "litemigrate --generate fish > l.fish; fish -N -c \"source l.fish; complete -C '{line}'\""
                ),
            );
            let last = expected.split(' ').next_back().unwrap();
            let words: Vec<&str> = found
                .lines()
                .filter_map(|line| line.split(['\t', '/']).next())
                .collect();
            match line.ends_with(last) {
                true => assert!(words.is_empty(), "fish: {line}: {words:?}"),
                false => assert_eq!(words, [last], "fish: {line}"),
            }
        }
    }
    // zpty is a terminal, too.
    if has_tool("zsh") && has_terminals() {
        // In a terminal of its own: what was typed and completed is run, and a
        // function of our name says what it got.
        let script = "mkdir f; litemigrate --generate zsh > f/_litemigrate\ncat > test.zsh <<'E'\nzmodload zsh/zpty\nzpty -b z zsh -f -i\nline() { zpty -w z \"$1\" }\nline 'PS1= RPS1= PROMPT_EOL_MARK='\nline 'fpath=($PWD/f $fpath); autoload -Uz compinit; compinit -u -D'\nline 'litemigrate() { print \"GOT<$*>\" }'\nsleep 1\nfor text in \"$@\"; do\n  zpty -n -w z \"$text\"$'\\t'\n  sleep 0.7\n  zpty -n -w z $'\\n'\n  sleep 0.3\ndone\nout=''\nfor i in {1..20}; do\n  while zpty -r -t z chunk; do out+=$chunk; done\n  sleep 0.1\ndone\nprint -r -- \"$out\"\nzpty -d z\nE\n";
        let lines: Vec<String> = cases.iter().map(|(line, _)| format!("'{line}'")).collect();
        let out = shell(
            &sandbox.path,
            &format!("{script}timeout 60 zsh -f test.zsh {}", lines.join(" ")),
        );
        for (line, expected) in cases {
            let found = out.contains(&format!("GOT<{expected}>"))
                || out.contains(&format!("GOT<{expected}/>"));
            assert!(found, "zsh: {line}\n{out}");
        }
    }
}

#[test]
fn a_long_script_has_a_live_line_on_a_terminal_and_nowhere_else() {
    let sandbox = Sandbox::new("live");
    sandbox.script("1_slow.sql", slow(2));
    let output = sandbox.run(&["up"]);
    assert!(output.status.success() && !output.stderr.contains(&b'\r'));
    if !has_terminals() {
        return;
    }
    std::fs::remove_file(sandbox.path.join("app.db")).unwrap();
    let terminal = "script -qec 'litemigrate -m migrations -D app.db' typescript";
    let shown = shell(&sandbox.path, terminal);
    assert!(
        shown.contains("\r\u{1b}[K\u{1b}[?7l1_slow.sql: "),
        "{shown:?}"
    );
    let after = shown.rsplit("\r\u{1b}[K").next().unwrap();
    assert!(after.contains("applied"), "{after:?}");
    // A narrow terminal is asked how wide it is, and the line fits.
    std::fs::remove_file(sandbox.path.join("app.db")).unwrap();
    std::fs::rename(
        sandbox.path.join("migrations/1_slow.sql"),
        sandbox
            .path
            .join("migrations/1_a_name_longer_than_forty_columns_can_show.sql"),
    )
    .unwrap();
    let narrow = format!("stty cols 40; {}", "litemigrate -m migrations -D app.db");
    let shown = shell(&sandbox.path, &format!("script -qec '{narrow}' typescript"));
    let lines: Vec<&str> = shown
        .split("\r\u{1b}[K\u{1b}[?7l")
        .skip(1)
        .filter_map(|line| line.split("\u{1b}[?7h").next())
        .collect();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line.chars().count() < 40),
        "{lines:?}"
    );
    for quiet in ["-q", "--json"] {
        std::fs::remove_file(sandbox.path.join("app.db")).unwrap();
        let quiet = format!(
            "script -qec 'litemigrate -m migrations -D app.db {quiet} 2>err' t2 >/dev/null; cat err"
        );
        assert_eq!(shell(&sandbox.path, &quiet), "");
    }
    let name = "3_a_name_that_is_much_too_long_for_a_line_of_eighty_columns_on_a_terminal.sql";
    sandbox.script(name, "");
    let table = shell(
        &sandbox.path,
        "script -qec 'litemigrate status -m migrations -D app.db --color never' t3",
    );
    assert!(
        table.contains("  3_a_name_that_is_much_too_long_for_a_li…"),
        "{table}"
    );
    assert!(
        table
            .lines()
            .all(|line| line.trim_end().chars().count() <= 80),
        "{table}"
    );
    assert!(sandbox.expect(0, &["status"]).contains(name));
    let status = |columns: usize, option: &str| {
        let status = format!("litemigrate status -m migrations -D app.db --color never {option}");
        let script = format!("script -qec 'stty cols {columns}; {status}' t4");
        shell(&sandbox.path, &script)
    };
    assert!(status(60, "").contains("  3_a_name_that_is_mu…"));
    assert!(status(60, "--long").contains(name) && status(200, "").contains(name));
}

/// Ten seconds of it: a log hears that a script still runs, and a program's stdout
/// stays one object.
#[test]
fn a_log_hears_that_a_script_still_runs() {
    let sandbox = Sandbox::new("log");
    let endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n;\n";
    sandbox.script("1_first.sql", "CREATE TABLE t (x);\n");
    sandbox.script("2_endless.sql", endless);
    let runs = ["-v", "--json", "-q"].map(|option| {
        let name = format!("log{option}");
        let journal = File::create(sandbox.path.join(&name)).unwrap();
        let metadata = journal.metadata().unwrap();
        let stream = format!("{}:{}", metadata.dev(), metadata.ino());
        let database = format!("app{option}.db");
        let child = sandbox
            .command(&["up", "--timeout", "11", option, "-D", &database])
            .env("JOURNAL_STREAM", stream)
            .stdout(Stdio::piped())
            .stderr(journal)
            .spawn()
            .unwrap();
        (option, name, child)
    });
    for (option, name, child) in runs {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(75));
        let log = std::fs::read_to_string(sandbox.path.join(name)).unwrap();
        let told = log.matches("<6>2_endless.sql is still running: 1").count();
        assert_eq!(told, usize::from(option != "-q"), "{log}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        match option {
            "-v" => assert!(
                stdout.contains("\napplying 1_first.sql\napplied 1_first.sql in ")
                    && stdout.ends_with("\napplying 2_endless.sql\n"),
                "{stdout}"
            ),
            "--json" => assert!(stdout.starts_with('{') && stdout.lines().count() == 1),
            _ => assert_eq!(stdout, ""),
        }
    }
}

#[test]
fn systemd_hears_how_far_a_long_run_is() {
    let sandbox = Sandbox::new("notify");
    sandbox.script("1_slow.sql", slow(4));
    sandbox.script("2_bad.sql", "SELECT nosuch;\n");
    let path = sandbox.path.join("socket");
    let mut sockets = vec![(
        SocketAddr::from_pathname(&path).unwrap(),
        path.to_string_lossy().into_owned(),
    )];
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("litemigrate-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        sockets.push((address, format!("@{name}")));
    }
    for (address, name) in sockets {
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let _ = std::fs::remove_file(sandbox.path.join("app.db"));
        let mut child = sandbox
            .command(&["up"])
            .env("NOTIFY_SOCKET", name)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        // The socket holds ten messages: it is read while they come.
        let status = loop {
            let ended = child.try_wait().unwrap();
            while let Ok(length) = socket.recv(&mut buffer) {
                heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
            if let Some(status) = ended {
                break status;
            }
        };
        assert_eq!(status.code(), Some(1));
        assert_eq!(
            heard[0],
            "STATUS=running 1_slow.sql\nEXTEND_TIMEOUT_USEC=120000000\n"
        );
        assert!(
            heard
                .iter()
                .any(|line| line.starts_with("STATUS=1_slow.sql: ")),
            "{heard:?}"
        );
        assert!(
            heard
                .last()
                .unwrap()
                .starts_with("STATUS=migrations/2_bad.sql:1:8: no such column"),
            "{heard:?}"
        );
    }
    // Nobody there: nothing happens.
    sandbox.script("2_bad.sql", "SELECT 1;\n");
    let output = sandbox
        .command(&["up"])
        .env("NOTIFY_SOCKET", "/no/such")
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
}

/// Only root can give files away.
#[test]
fn what_root_makes_belongs_to_the_owner_of_where_it_is() {
    let sandbox = Sandbox::new("owner");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    if !is_root() {
        return;
    }
    let owner = |name: &str| {
        let metadata = sandbox.path.join(name).metadata().unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o777)
    };
    for directory in ["", "migrations"] {
        chown(sandbox.path.join(directory), Some(65534), Some(65533)).unwrap();
    }
    sandbox.expect(0, &["up"]);
    assert_eq!(owner("app.db"), (65534, 65533, 0o644));
    shell(&sandbox.path, "chmod 600 app.db");
    sandbox.expect(0, &["new", "-m", "migrations", "x"]);
    assert_eq!(owner("migrations/2_x.sql"), (65534, 65533, 0o644));
    sandbox.expect(0, &["up", "--backup", "copy.db"]);
    assert_eq!(owner("copy.db"), (65534, 65533, 0o600));

    // A link that the owner has put there does not make root write elsewhere.
    shell(
        &sandbox.path,
        "echo precious > victim; ln -s victim planted.db; chown -h 65534 planted.db; echo 'SELECT 1;' > migrations/3_c.sql",
    );
    sandbox.expect(73, &["up", "--backup", "planted.db"]);
    assert_eq!(shell(&sandbox.path, "cat victim"), "precious\n");
    // Folders, and what a link leads to.
    sandbox.expect(0, &["new", "-m", "sub/migrations", "x"]);
    assert_eq!(owner("sub/migrations").0, 65534);
    shell(
        &sandbox.path,
        "mkdir real; chown 65534 real; ln -s real/x.db link.db",
    );
    sandbox.expect(0, &["up", "-D", "link.db"]);
    assert_eq!(owner("real/x.db").0, 65534);

    let warned = |code: &str| {
        sandbox.script("3_c.sql", "");
        let output = shell(
            &sandbox.path,
            &format!(
                "chmod {code} migrations/3_c.sql; litemigrate status -m migrations -D app.db 2>&1"
            ),
        );
        output.contains("3_c.sql: can be written by every user")
    };
    assert!(warned("666") && !warned("664"));
    let said = shell(
        &sandbox.path,
        "mkdir -p sqlpage/migrations; echo 'SELECT 1;' > sqlpage/on_connect.sql; chmod 666 sqlpage/on_connect.sql; litemigrate status -d sqlpage 2>&1",
    );
    assert!(
        said.contains("on_connect.sql: can be written by every user"),
        "{said}"
    );
}

#[test]
fn which_file_is_at_fault_is_said() {
    if !is_root() || !has_tool("setpriv") {
        return;
    }
    let sandbox = Sandbox::new("fault");
    sandbox.script("1_a.sql", "CREATE TABLE a (x);\n");
    let run =
        "setpriv --reuid=65534 --regid=65534 --clear-groups ./litemigrate -m migrations -D app.db";
    // Where everybody may go.
    let here = shell(
        &sandbox.path,
        "d=$(mktemp -d); chmod 755 $d; cp -r migrations $(command -v litemigrate) $d; echo $d",
    );
    let here = std::path::Path::new(here.trim());
    let complaint = |prepare: &str| {
        let found = shell(here, &format!("{prepare}; {run} 2>&1 || echo \"exit $?\""));
        let fault = found
            .lines()
            .find(|line| line.contains("at fault"))
            .unwrap_or(&found);
        fault.replace(&*here.to_string_lossy(), "HERE")
    };
    let directory = "litemigrate: at fault: the directory HERE belongs to user 0 and group 0 with mode 0755, and this is user 65534: SQLite makes files beside the database";
    assert_eq!(
        complaint("true").replace("directory .", "directory HERE"),
        directory
    );
    assert_eq!(complaint("touch app.db; chmod 666 app.db"), directory);
    assert_eq!(
        complaint("chmod 644 app.db"),
        "litemigrate: at fault: HERE/app.db belongs to user 0 and group 0 with mode 0644, and this is user 65534"
    );
    assert_eq!(
        complaint("chmod 600 migrations/1_a.sql"),
        "litemigrate: at fault: migrations/1_a.sql belongs to user 0 and group 0 with mode 0600, and this is user 65534"
    );
    assert_eq!(
        complaint("chmod 700 migrations"),
        "litemigrate: at fault: migrations belongs to user 0 and group 0 with mode 0700, and this is user 65534"
    );
    assert_eq!(
        complaint("chmod 744 migrations"),
        "litemigrate: at fault: the directory HERE/migrations may not be entered by user 65534"
    );
    shell(here, "chmod -R a+rX migrations");
    // A script that writes nothing: its row is the first write.
    shell(
        here,
        "./litemigrate -q -m migrations -D app.db; chmod 666 app.db; echo 'SELECT 1;' > migrations/2_b.sql",
    );
    assert_eq!(complaint("true"), directory);
    shell(here, "rm migrations/2_b.sql");
    // Somebody else's connection keeps its sidecars.
    let held = Connection::open(here.join("app.db")).unwrap();
    held.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE held (x)")
        .unwrap();
    assert_eq!(
        complaint("chmod 777 .; chmod 666 app.db; chmod 600 app.db-wal app.db-shm"),
        "litemigrate: at fault: HERE/app.db-wal belongs to user 0 and group 0 with mode 0600, and this is user 65534"
    );
    assert_eq!(
        complaint("chmod 666 app.db-wal"),
        "litemigrate: at fault: HERE/app.db-shm belongs to user 0 and group 0 with mode 0600, and this is user 65534"
    );
    drop(held);
    let closed = run.replace("app.db", "closed/inner/x.db");
    let prepare = "chmod 755 .; mkdir -p closed/inner; chmod 700 closed";
    assert_eq!(
        shell(here, &format!("{prepare}; {closed} 2>&1 | grep fault"))
            .replace(&*here.to_string_lossy(), "HERE"),
        "litemigrate: at fault: the directory HERE/closed may not be entered by user 65534\n"
    );
    if has_namespaces() {
        // A database that is mounted by itself, read-only.
        let mounted = "rm app.db*; touch app.db; unshare --mount sh -c 'mount --bind app.db app.db; mount -o remount,bind,ro app.db; ./litemigrate -m migrations -D app.db 2>&1 | grep fault'";
        assert_eq!(
            shell(here, mounted).replace(&*here.to_string_lossy(), "HERE"),
            "litemigrate: at fault: the file system at HERE/app.db is mounted read-only\n"
        );
    }
    std::fs::remove_dir_all(here).unwrap();
}
