//! Does root do for others only what they could do themselves?
//!
//! Needs root, `setpriv` and `flock`; uid 1234 is the other user.

use crate::support::{has_namespaces, has_tool, is_root, shell, shell_output, skipped};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A fresh directory that every user may enter, if this is root.
pub fn place(name: &str) -> Option<PathBuf> {
    let path = std::env::temp_dir().join(format!("litemigrate-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    if !is_root() || !has_tool("setpriv") || !has_tool("flock") {
        return None;
    }
    std::fs::create_dir(&path).unwrap();
    shell(&path, "chmod 755 .; mkdir roots; chmod 700 roots");
    Some(path)
}

/// The exit code, and all that was said.
pub fn run(place: &Path, script: &str) -> (i32, String) {
    let output = shell_output(place, &format!("exec 2>&1; {script}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

pub fn done(place: &Path) {
    std::fs::remove_dir_all(place).unwrap();
}

const PROJECT: &str =
    "mkdir -p sqlpage/migrations; echo 'CREATE TABLE a (x);' > sqlpage/migrations/1_a.sql";

#[test]
fn what_a_stranger_put_where_everybody_may_write_is_not_used() {
    let Some(place) = place("discovery") else {
        return;
    };
    let in_common = format!(
        "mkdir common; chmod 1777 common; cd common; {PROJECT}; chown -R 1234:1234 sqlpage"
    );
    shell(&place, &in_common);
    for command in ["", "check", "status", "up --dry-run"] {
        let (code, said) = run(&place, &format!("cd common; litemigrate {command}"));
        assert_eq!(code, 77, "{command}: {said}");
        assert!(
            said.contains("common") && said.contains("-d and -D"),
            "{said}"
        );
    }
    // Named, it is what was meant; the stranger's scripts draw a warning.
    let (code, said) = run(
        &place,
        "cd common; litemigrate -m sqlpage/migrations -D ../mine.db",
    );
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("belongs to user 1234"), "{said}");
    // A folder of the stranger's above, a link, a database of root's in their project.
    for prepare in [
        "mkdir -p above/x; cd above/x; chown 1234 ..; PROJECT",
        "mkdir theirs; (cd theirs; PROJECT); chown -R 1234 theirs; mkdir linked; cd linked; ln -s ../theirs/sqlpage sqlpage; chown -h 1234 sqlpage",
        "mkdir -p own; cd own; PROJECT; chown -R 1234 . ; : > sqlpage/sqlpage.db",
        "mkdir -p env; cd env; PROJECT; echo X=1 > .env; chown 1234 .env",
        "mkdir -p conf; cd conf; PROJECT; echo '{}' > sqlpage/sqlpage.json; chown 1234 sqlpage/sqlpage.json",
        "mkdir -p open; cd open; PROJECT; chmod 777 sqlpage",
    ] {
        let prepare = prepare.replace("PROJECT", PROJECT);
        let (code, said) = run(&place, &format!("{prepare}; litemigrate"));
        assert!(code == 77 || code == 73, "{prepare}: {said}");
    }
    done(&place);
}

#[test]
fn ordinary_folders_are_as_easy_as_ever_for_root() {
    let Some(place) = place("ordinary") else {
        return;
    };
    for (name, prepare) in [
        ("roots-own", "true"),
        ("the-apps-own", "chown -R 1234:1234 ."),
        (
            "with-a-private-group",
            "chown -R 1234:1234 .; chmod -R g+w .",
        ),
        (
            "of-the-web-server",
            "chown -R root:www-data . 2>/dev/null || chown -R 0:33 .; chmod 775 . sqlpage",
        ),
        ("scripts-of-roots", "chown 1234 . sqlpage"),
    ] {
        let (code, said) = run(
            &place,
            &format!(
                "mkdir {name}; cd {name}; {PROJECT}; {prepare}; litemigrate && litemigrate && litemigrate check && litemigrate new x && echo 'SELECT 1;' >> \"$(ls sqlpage/migrations/*_x.sql)\" && litemigrate --backup b.db"
            ),
        );
        assert_eq!(code, 0, "{name}: {said}");
        assert!(!said.contains("warning"), "{name}: {said}");
        let owner = |file: &str| place.join(name).join(file).metadata().unwrap().uid();
        assert_eq!(owner("sqlpage/sqlpage.db"), owner("sqlpage"), "{name}");
    }
    done(&place);
}

/// At most one, and only where something is pending.
#[test]
fn who_else_may_write_the_scripts_is_told_once() {
    let Some(place) = place("group") else {
        return;
    };
    let script = "mkdir m; echo 'CREATE TABLE a (x);' > m/1_a.sql; chgrp -R 33 m; chmod -R g+w m";
    shell(&place, script);
    let said = |script: &str, code: i32| {
        let (found, said) = run(&place, script);
        assert_eq!(found, code, "{script}: {said}");
        said
    };
    let count = |script: &str, code: i32| said(script, code).matches("warning: m: ").count();
    let of_group = said("litemigrate check --strict -m m -D a.db", 3);
    assert!(
        of_group.contains("m: can be written by group 33"),
        "{of_group}"
    );
    assert_eq!(count("litemigrate -m m -D a.db", 0), 1);
    assert_eq!(count("litemigrate -m m -D a.db -D b.db -D c.db", 0), 1);
    for idle in ["-v", "--json", "check", "status", ""] {
        let idle = format!("litemigrate {idle} -m m -D a.db");
        assert_eq!(count(&idle, 0), 0, "{idle}");
    }
    // Its owner's own group, and root's.
    for owner in ["1234:1234", "0:0"] {
        shell(&place, &format!("chown -R {owner} m"));
        assert_eq!(count("litemigrate check -m m -D d.db", 3), 0, "{owner}");
    }
    // Scripts of another user, for several databases, too.
    shell(&place, "chown -R 1234 m; chmod g-w m");
    let several = said("litemigrate -m m -D e.db -D f.db", 0);
    assert_eq!(several.matches("belongs to user 1234").count(), 1);
    shell(&place, ": > g.db; chown 1234 g.db");
    let theirs = said("litemigrate -m m -D g.db -D f.db", 0);
    assert_eq!(theirs.matches("belongs to user 1234").count(), 1);
    shell(&place, ": > h.db; : > i.db; chown 1234 h.db i.db");
    let theirs = said("litemigrate -m m -D h.db -D i.db", 0);
    assert_eq!(theirs.matches("belongs to user").count(), 0);
    done(&place);
}

#[test]
fn a_read_only_mount_is_nobodys_to_write() {
    let Some(place) = place("read-only") else {
        return;
    };
    if !has_namespaces() {
        return done(&place);
    }
    let inside = "mount --bind sqlpage sqlpage; mount -o remount,ro,bind sqlpage; litemigrate check -D x.db; litemigrate -D x.db";
    let script = format!("{PROJECT}; chmod -R 777 sqlpage; unshare --mount sh -c '{inside}'");
    let (code, said) = run(&place, &script);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("warning"), "{said}");
    done(&place);
}

#[test]
fn a_strangers_link_does_not_make_root_write_elsewhere() {
    let Some(place) = place("links") else {
        return;
    };
    let script = "mkdir app; cd app; PROJECT; litemigrate -q; echo 'SELECT 1;' > sqlpage/migrations/2_b.sql; chown -R 1234 .; ln -s ../roots/new.db dangling.db; ln -s ../roots backups; chown -h 1234 dangling.db backups";
    shell(&place, &script.replace("PROJECT", PROJECT));
    for command in [
        "litemigrate --backup backups/before",
        "litemigrate --backup backups/",
        "litemigrate --backup dangling.db",
        "litemigrate -m sqlpage/migrations -D dangling.db",
        "litemigrate -m sqlpage/migrations -D backups/x.db",
        "litemigrate restore sqlpage/sqlpage.db -D dangling.db",
        "litemigrate new -m backups/new x",
    ] {
        let (code, said) = run(&place.join("app"), command);
        assert!(code == 73 || code == 77, "{command}: {code} {said}");
        assert_eq!(run(&place, "ls roots").1, "", "{command}");
    }
    // Root's own link is followed.
    let (code, said) = run(
        &place,
        "mkdir keep; ln -s ../keep app/kept; cd app; litemigrate --backup kept/b.db && ls kept",
    );
    assert!(code == 0 && said.contains("b.db"), "{said}");
    done(&place);
}

#[test]
fn a_strangers_link_does_not_lead_root_to_a_database_that_is_not_theirs() {
    let Some(place) = place("link-to-database") else {
        return;
    };
    let script = "mkdir app m app/own; echo 'CREATE TABLE a (x);' > m/1_a.sql; litemigrate -q -m m -D roots/app.db; litemigrate -q -m m -D app/own/app.db; chown -R 1234 app; ln -s ../roots/app.db app/link.db; ln -s ../roots app/folder; ln -s own/app.db app/own.db; ln -s . app/here; chown -h 1234 app/*.db app/folder app/here; ln -s ../roots/app.db app/roots.db; echo 'CREATE TABLE b (x);' > m/2_b.sql";
    shell(&place, script);
    for name in ["link.db", "folder/app.db", "here/link.db"] {
        for command in [
            "up",
            "check",
            "status",
            "up --dry-run",
            "repair 1",
            "baseline 2",
            "down",
            "restore ../app/own/app.db",
        ] {
            let folder = match command.starts_with("restore") {
                true => "",
                false => "-m ../m",
            };
            let (code, said) = run(
                &place,
                &format!("cd app; litemigrate {command} {folder} -D {name}"),
            );
            assert_eq!(code, 77, "{command} {name}: {said}");
            let link = name.split('/').next().unwrap();
            let told = format!("app/{link} is a link that user 1234 has made");
            assert!(
                said.contains(&told) && said.contains("name what it leads to"),
                "{command} {name}: {said}"
            );
        }
        let (code, said) = run(&place, &format!("litemigrate restore app/{name} -D x.db"));
        assert_eq!(code, 77, "{said}");
    }
    // To what is theirs it does, and root's own link to anything.
    for name in ["own.db", "here/own.db", "roots.db"] {
        let (code, said) = run(&place, &format!("cd app; litemigrate -m ../m -D {name}"));
        assert!(code == 0, "{name}: {said}");
    }
    done(&place);
}

/// The database's owner swaps it for a link to root's as fast as they can.
#[test]
fn a_race_for_a_database_does_not_change_roots() {
    let Some(place) = place("database-race") else {
        return;
    };
    let script = "mkdir theirs m m2; echo 'CREATE TABLE a (x);' > m/1_a.sql; litemigrate -q -m m -D roots/app.db; cp roots/app.db theirs/app.db; cp m/1_a.sql m2; echo 'CREATE TABLE b (x);' > m2/2_b.sql; chown -R 1234 theirs; before=$(sha256sum < roots/app.db)
(cd theirs; exec setpriv --reuid 1234 --regid 1234 --clear-groups sh -c 'cp app.db own.db; while :; do ln -s ../roots/app.db link; mv -f link app.db; cp own.db new; mv -f new app.db; done') 2>/dev/null & pid=$!
end=$(($(date +%s) + 4)); while [ $(date +%s) -lt $end ]; do litemigrate -m m2 -D theirs/app.db >/dev/null 2>&1 || true; litemigrate restore -D theirs/app.db m2/x.db >/dev/null 2>&1 || true; done; kill $pid; test \"$before\" = \"$(sha256sum < roots/app.db)\"; ls roots";
    assert_eq!(shell(&place, script), "app.db\n");
    done(&place);
}

/// The folder's owner swaps it for a link to root's as fast as they can.
#[test]
fn a_race_for_a_new_folder_does_not_give_roots_away() {
    let Some(place) = place("race") else {
        return;
    };
    let script = "mkdir theirs; chown 1234 theirs; (cd theirs; exec setpriv --reuid 1234 --regid 1234 --clear-groups sh -c 'while :; do rmdir migrations; ln -s ../roots migrations; rm -rf migrations; done') 2>/dev/null & pid=$!
i=0; while [ $i -lt 150 ]; do litemigrate new -m theirs/migrations x >/dev/null 2>&1 || true; litemigrate new -m theirs/migrations/deep x >/dev/null 2>&1 || true; i=$((i+1)); done; kill $pid; stat -c '%u %a' roots; ls roots";
    assert_eq!(shell(&place, script), "0 700\n");
    done(&place);
}

#[test]
fn others_do_not_stop_roots_scripts_by_a_lock() {
    let Some(place) = place("lock") else {
        return;
    };
    shell(
        &place,
        "mkdir m; printf -- '-- no-transaction\\nCREATE TABLE a (x);\\n' > m/1_a.sql; : > app.db; chmod 644 app.db",
    );
    let as_other = "setpriv --reuid 1234 --regid 1234 --clear-groups";
    let (code, said) = run(
        &place,
        &format!(
            "{as_other} flock . sleep 5 & {as_other} flock app.db sleep 5 & sleep 0.3; litemigrate --lock-wait 0.1 -m m -D app.db; code=$?; kill %1 %2 2>/dev/null; exit $code"
        ),
    );
    assert_eq!(code, 0, "{said}");
    assert!(!place.join("app.db.litemigrate-lock").exists());
    // Where there is no such lock, that is said.
    if has_tool("strace") {
        let (code, said) = run(
            &place,
            "cp app.db other.db; printf -- '-- no-transaction\\nSELECT 1;\\n' > m/2_b.sql; strace -f -qq -o trace -e trace=flock -e inject=flock:error=ENOLCK litemigrate -m m -D other.db; code=$?; rm m/2_b.sql; exit $code",
        );
        match said.contains("ptrace") {
            true => skipped("strace may not trace here"),
            false => assert!(
                code == 0 && said.contains("other.db.litemigrate-lock cannot be made or locked"),
                "{said}"
            ),
        }
    }
    // A holder that may write is waited for, and named.
    let (code, said) = run(
        &place,
        "printf -- '-- no-transaction\\nSELECT 1;\\n' > m/2_b.sql; flock app.db.litemigrate-lock sleep 5 & sleep 0.3; litemigrate --lock-wait 0.1 -m m -D app.db; code=$?; kill %1; exit $code",
    );
    assert_eq!(code, 75, "{said}");
    assert!(said.contains("(pid "), "{said}");
    done(&place);
}

#[test]
fn a_strangers_script_touches_no_file_that_is_not_theirs() {
    let Some(place) = place("attach") else {
        return;
    };
    shell(
        &place,
        "mkdir app closed; chmod 700 closed; : > closed/open.db; chmod 666 closed/open.db; chown 1234 app; : > roots/secret.db; ln -s ../roots/secret.db app/led; ln -s ../roots/made.db app/made; chown -h 1234 app/led app/made",
    );
    for (sql, expected) in [
        ("ATTACH '../roots/secret.db' AS s;", 1),
        ("ATTACH '../roots/new.db' AS s;", 1),
        ("ATTACH '../roots/' || 'new.db' AS s;", 1),
        ("ATTACH 'file:../roots/new.db' AS s;", 1),
        ("ATTACH 'led/' AS s;", 1),
        ("ATTACH 'made/.' AS s; CREATE TABLE s.t (x);", 1),
        ("ATTACH '../closed/open.db' AS s;", 1),
        ("ATTACH 'theirs.db' AS s; CREATE TABLE s.t (x);", 0),
        ("ATTACH ':memory:' AS s;", 0),
    ] {
        let prepare = format!(
            "cd app; rm -rf m app.db; mkdir m; cat > m/1_a.sql <<'END'\n{sql}\nEND\nchown -R 1234 m; "
        );
        let (code, said) = run(&place, &format!("{prepare} litemigrate -m m -D app.db"));
        assert_eq!(code, expected, "{sql}: {said}");
        assert_eq!(run(&place, "ls roots").1, "secret.db\n", "{sql}");
    }
    let vacuum = "cd app; rm -rf m app.db; mkdir m; printf -- \"-- no-transaction\\nVACUUM INTO '../roots/copy.db';\\n\" > m/1_a.sql; chown -R 1234 m; litemigrate -m m -D app.db";
    assert_eq!(run(&place, vacuum).0, 1);
    assert_eq!(run(&place, "ls roots").1, "secret.db\n");
    done(&place);
}

#[test]
fn a_strangers_library_is_not_loaded_by_root() {
    let Some(place) = place("library") else {
        return;
    };
    let script = "mkdir app; cd app; PROJECT; echo 'not a library' > ext.so; echo '{\"sqlite_extensions\": [\"./ext\"]}' > sqlpage/sqlpage.json; chown -R 1234 .; litemigrate";
    let (code, said) = run(&place, &script.replace("PROJECT", PROJECT));
    assert_eq!(code, 77, "{said}");
    assert!(said.contains("ext") && said.contains("1234"), "{said}");
    // Of root's own it is the library itself that is at fault.
    let (code, _) = run(
        &place,
        "cd app; chown 0 . ext.so; chown 0 sqlpage sqlpage/*; litemigrate",
    );
    assert_eq!(code, 78);
    done(&place);
}

#[test]
fn what_is_no_file_beside_a_database_does_not_stop_or_mislead_root() {
    let Some(place) = place("sidecars") else {
        return;
    };
    shell(
        &place,
        "mkdir app m; echo 'CREATE TABLE a (x);' > m/1_a.sql; litemigrate -q -m m -D app/a.db; chown -R 1234 app; echo 'CREATE TABLE b (x);' > m/2_b.sql",
    );
    for suffix in ["-journal", "-wal", "-shm"] {
        for (make, remove) in [
            ("mkfifo", "rm"),
            ("mkdir", "rmdir"),
            ("ln -s ../roots/made", "rm"),
        ] {
            for database in ["app/a.db", "app/new.db"] {
                shell(&place, &format!("{make} {database}{suffix}"));
                for command in ["up", "status", "down"] {
                    let run_it = format!("timeout 9 litemigrate {command} -m m -D {database}");
                    let (code, said) = run(&place, &run_it);
                    let told = format!("{database}{suffix} is beside it");
                    let is_absent = database == "app/new.db" && command == "down";
                    assert_eq!(code, if is_absent { 66 } else { 73 }, "{run_it}: {said}");
                    assert!(is_absent || said.contains(&told), "{run_it}: {said}");
                }
                shell(&place, &format!("{remove} {database}{suffix}"));
            }
        }
    }
    assert_eq!(run(&place, "ls roots").1, "");
    done(&place);
}

/// Whoever can put another script in the place of this one has no more rights by it.
#[test]
fn a_script_has_the_rights_of_whoever_can_exchange_it() {
    let Some(place) = place("rights") else {
        return;
    };
    let attach = "ATTACH '../roots/new.db' AS s; CREATE TABLE s.t (x);";
    shell(
        &place,
        &format!("mkdir app own open; echo \"{attach}\" > open/1_a.sql; cp open/1_a.sql own"),
    );
    for prepare in [
        "mkdir m; ln -s ../../open/1_a.sql m/1_a.sql; chown -h 1234 m/1_a.sql",
        "ln -s ../own m; chown -h 1234 m",
        "cp -r ../own m; chown 1234 m",
        "mkdir deep; cp -r ../own deep; chown 1234 deep; mv deep/own m; mv m deep; ln -s deep/m m",
    ] {
        let (code, said) = run(
            &place,
            &format!(
                "rm -rf app; mkdir app; cd app; {prepare}; litemigrate -m m -D ../roots/app.db"
            ),
        );
        assert_eq!(code, 1, "{prepare}: {said}");
        assert!(
            said.contains("belongs to another user"),
            "{prepare}: {said}"
        );
    }
    // Root's own link in a folder of root's.
    let (code, said) = run(
        &place,
        "rm -rf app; mkdir app; cd app; ln -s ../own m; litemigrate -m m -D ../roots/app.db",
    );
    assert_eq!(code, 0, "{said}");
    // Who has made a link is named.
    let (_, said) = run(
        &place,
        "cd app; mkdir n; ln -s ../../own/1_a.sql n/1_a.sql; chown -h 1234 n/1_a.sql; litemigrate -m n -D n.db",
    );
    assert!(said.contains("n/1_a.sql: belongs to user 1234"), "{said}");
    done(&place);
}

#[test]
fn a_library_that_is_not_there_yet_is_a_strangers_where_they_can_make_it() {
    let Some(place) = place("missing-library") else {
        return;
    };
    let script = "mkdir app; cd app; PROJECT; echo '{\"sqlite_extensions\": [\"NAME\"]}' > sqlpage/sqlpage.json; chown -R 1234 .; PATHS litemigrate";
    for (name, paths, expected) in [
        ("./missing", "", 77),
        ("missing", "", 78),
        ("missing", "LD_LIBRARY_PATH=.", 77),
        ("missing", "LD_LIBRARY_PATH=/usr/lib:", 77),
        ("missing", "LD_LIBRARY_PATH=/usr/lib", 78),
    ] {
        let script = script.replace("PROJECT", PROJECT).replace("NAME", name);
        let (code, said) = run(
            &place,
            &format!("rm -rf app; {}", script.replace("PATHS", paths)),
        );
        assert_eq!(code, expected, "{name} {paths}: {said}");
    }
    done(&place);
}

#[test]
fn a_second_name_in_a_strangers_folder_is_not_roots_database() {
    let Some(place) = place("hard-link") else {
        return;
    };
    let (code, said) = run(
        &place,
        "mkdir app m; echo 'CREATE TABLE a (x);' > m/1_a.sql; litemigrate -q -m m -D roots/a.db; ln roots/a.db app/a.db; chown 1234 app; echo 'CREATE TABLE b (x);' > m/2_b.sql; litemigrate -m m -D app/a.db",
    );
    assert_eq!(code, 77, "{said}");
    assert!(said.contains("hard link"), "{said}");
    let (code, said) = run(&place, "litemigrate -m m -D roots/a.db");
    assert_eq!(code, 0, "{said}");
    done(&place);
}

/// The folder's owner swaps it for a link to root's as fast as they can.
#[test]
fn a_race_for_a_backup_or_an_import_writes_nothing_elsewhere() {
    let Some(place) = place("backup-race") else {
        return;
    };
    let script = "mkdir theirs m old; chown 1234 theirs; echo 'CREATE TABLE a (x);' > m/1_a.sql; litemigrate -q -m m -D app.db; echo 'SELECT 1;' > m/2_b.sql; printf -- '-- migrate:up\nSELECT 1;\n' > old/1_a.sql; cp old/1_a.sql old/2_b.sql
(cd theirs; exec setpriv --reuid 1234 --regid 1234 --clear-groups sh -c 'while :; do mkdir x; rm -rf x; ln -s ../roots x; rm -f x; done') 2>/dev/null & pid=$!
end=$(($(date +%s) + 5)); while [ $(date +%s) -lt $end ]; do for to in theirs/x/b.db theirs/x/; do cp app.db copy.db; litemigrate -m m -D copy.db --backup $to --keep 1 >/dev/null 2>&1 || litemigrate -m m -D copy.db --backup $to >/dev/null 2>&1 || true; done; litemigrate import old --from dbmate -m theirs/x >/dev/null 2>&1 || true; litemigrate restore app.db -D theirs/x/app.db >/dev/null 2>&1 || true; litemigrate -m m -D theirs/x/new.db >/dev/null 2>&1 || true; done; kill $pid; stat -c '%u %a' roots; ls roots";
    assert_eq!(shell(&place, script), "0 700\n");
    done(&place);
}

/// Where everybody may put a link, nobody's is followed but one's own: not by root, and
/// not by anybody else, whatever fs.protected_symlinks is.
#[test]
fn a_backup_goes_through_no_link_that_somebody_else_has_planted() {
    let Some(place) = place("planted") else {
        return;
    };
    let as_user = |user: u32| format!("setpriv --reuid {user} --regid {user} --clear-groups");
    let (own, other) = (as_user(1234), as_user(5678));
    shell(
        &place,
        "mkdir common; chmod 1777 common; mkdir own; chown 1234:1234 own",
    );
    shell(
        &place,
        &format!(
            "mkdir own/m; echo 'CREATE TABLE a (x);' > own/m/1_a.sql; {own} sh -c 'cd own; echo important > important; litemigrate -q -m m -D app.db'; echo 'CREATE TABLE b (x);' > own/m/2_b.sql"
        ),
    );
    for (name, code) in [("b.db", 73), (".b.db.litemigrate-origin", 73)] {
        shell(
            &place,
            &format!(
                "rm -rf common; mkdir common; chmod 1777 common; {other} ln -s \"$PWD/own/important\" common/{name}"
            ),
        );
        let (found, said) = run(
            &place,
            &format!("cd own; {own} litemigrate -m m -D app.db --backup ../common/b.db"),
        );
        assert_eq!(found, code, "{name}: {said}");
        let kept = std::fs::read_to_string(place.join("own/important")).unwrap();
        assert_eq!(kept, "important\n", "{name}");
    }
    let said = run(&place, "cd own; litemigrate check -m m -D app.db").1;
    assert!(said.contains("1 migration is pending"), "{said}");
    done(&place);
}

/// SQLite gives what lies beside a database to its owner, and writes into it.
#[test]
fn nothing_with_another_name_is_taken_for_a_journal() {
    let Some(place) = place("hard-link") else {
        return;
    };
    let script = "mkdir home etc m; chown 1234 home; echo 'CREATE TABLE a (x);' > m/1_a.sql
as() { setpriv --reuid 1234 --regid 1234 --clear-groups \"$@\"; }
as litemigrate -q -m m -D home/x.db; cp -p home/x.db home/b.db; echo 'CREATE TABLE b (x);' > m/2_b.sql
echo 'of root' > etc/conf; chmod 666 etc/conf
for beside in x.db-journal x.db-wal b.db-wal; do
    ln etc/conf home/$beside
    for try in 'status' 'up --dry-run' 'up --backup home/b.db'; do litemigrate $try -m m -D home/x.db >/dev/null 2>&1 && echo \"$beside $try\"; done
    litemigrate restore home/b.db -D home/x.db >/dev/null 2>&1 && echo $beside restore
    rm home/$beside; stat -c %u etc/conf; cat etc/conf
done; true";
    let expected = "0\nof root\n0\nof root\nb.db-wal status\nb.db-wal up --dry-run\n0\nof root\n";
    assert_eq!(shell(&place, script), expected);
    done(&place);
}

/// A script that root may read is not shown to whoever has made a link to it.
#[test]
fn a_users_link_shows_nothing_of_roots() {
    let Some(place) = place("script-link") else {
        return;
    };
    let script = "mkdir app app/m app/old app/site roots/m; echo '-- secret line' > secret; chmod 600 secret
cp secret roots/m/1_a.sql; chmod 700 roots; chown 1234 app app/m app/old app/site
echo 'SELECT 1;' > app/own.sql; chown 1234 app/own.sql; cd app
as() { setpriv --reuid 1234 --regid 1234 --clear-groups \"$@\"; }
as ln -s \"$PWD/../secret\" m/1_a.sql
litemigrate -m m -D app.db 2>&1 || echo $?; rm m/1_a.sql
as ln -s ../own.sql m/1_a.sql; litemigrate -q -m m -D app.db; echo $?
as ln -s \"$PWD/../secret\" old/1_x.up.sql; litemigrate import old --from golang-migrate -m new 2>&1 || echo $?; ls
as ln -s \"$PWD/../roots/m\" linked; litemigrate -m linked -D new.db 2>&1 || echo $?
as ln -s \"$PWD/../roots/m\" site/migrations; litemigrate -d site -D new.db 2>&1 || echo $?
rm site/migrations; mkdir site/migrations; echo 'SELECT 1;' > site/migrations/1_a.sql
as ln -s \"$PWD/../secret\" site/on_connect.sql; litemigrate -d site -D new.db 2>&1 || echo $?; ls";
    let said = shell(&place, script);
    assert!(!said.contains("secret line"), "{said}");
    let told = said
        .matches(" is a link of user 1234 to what they may not read")
        .count();
    assert_eq!(told, 5, "{said}");
    let listed = "app.db\nm\nold\nown.sql\nsite\n";
    let codes: Vec<&str> = said
        .lines()
        .filter(|line| line.chars().all(|c| c.is_ascii_digit()))
        .collect();
    assert_eq!(codes, ["77", "0", "65", "77", "77", "78"], "{said}");
    assert!(
        said.contains(listed) && !said.contains("new.db\n"),
        "{said}"
    );
    done(&place);
}

/// What lies beside a database becomes part of it when it is opened.
#[test]
fn a_strangers_journal_beside_roots_database_is_not_brought_in() {
    let Some(place) = place("sticky") else {
        return;
    };
    let script = "mkdir m common; chmod 1777 common; echo 'CREATE TABLE a (x);' > m/1_a.sql; litemigrate -q -m m -D common/app.db
for end in -journal -wal; do
    setpriv --reuid 1234 --regid 1234 --clear-groups sh -c \"echo x > common/app.db$end\"
    for command in up status; do litemigrate $command -m m -D common/app.db 2>&1 || echo $?; done
    rm common/app.db$end
done";
    let said = shell(&place, script);
    let told = said.matches(" is beside it, and is another user's").count();
    assert!(told == 4 && said.matches("73\n").count() == 4, "{said}");
    done(&place);
}

/// As in a chroot, or in a container that is made of one file.
#[test]
fn without_proc_a_folder_of_roots_is_made_all_the_same() {
    let Some(place) = place("no-proc") else {
        return;
    };
    if !has_namespaces() {
        return done(&place);
    }
    // Not where others may put something.
    let inside = "mount -t tmpfs -o mode=755 none /mnt; cd /mnt; mount -t tmpfs none /proc; litemigrate new x";
    let (code, said) = run(&place, &format!("unshare --mount sh -c '{inside}'"));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Migration file created"), "{said}");
    done(&place);
}
