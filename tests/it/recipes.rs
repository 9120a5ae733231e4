//! Do the recipes work where they can be run here? Each is run by the program that it is
//! for.

use crate::readme::project;
use crate::root::{done, place, run};
use crate::support::{
    Sandbox, has_namespaces, has_tool, is_root, program, root, shell, shell_output, skipped,
};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file of `fixtures/recipes`, for a project in `directory`.
pub fn recipe(name: &str, directory: &Path) -> String {
    text_of(name)
        .replace("/srv/app", &directory.to_string_lossy())
        .replace("/usr/local/bin/litemigrate", program())
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(root().join("fixtures/recipes").join(name)).unwrap()
}

/// Each is printed as it is, and the README and the list name it.
#[test]
fn every_recipe_is_printed_and_named() {
    let here = Sandbox::new("recipes");
    let list = shell(&here.path, "litemigrate help recipes");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("fixtures/recipes")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let printed = shell(&here.path, &format!("litemigrate help recipes {name}"));
        assert_eq!(printed, text_of(&name), "{name}");
        assert!(list.contains(&format!("\n  {name} ")), "{name}");
        assert!(readme.contains(&format!("`{name}`")), "{name}");
        count += 1;
    }
    assert_eq!(count, list.matches("\n  ").count());
    let refused = shell_output(&here.path, "litemigrate help recipes systemd-unit");
    assert_eq!(refused.status.code(), Some(64));
}

fn is_migrated(project: &Sandbox) -> bool {
    is_up_to_date(&project.path)
}

/// BusyBox's own init, as the first process of a world of its own.
#[test]
fn busybox_init() {
    if !has_namespaces() || !has_tool("busybox") {
        return;
    }
    let project = project();
    let table = recipe("inittab", &project.path)
        .replace("/usr/bin/app", "sh -c \"touch app-started; sleep 9\"");
    std::fs::write(project.path.join("inittab"), table).unwrap();
    // Its /etc is empty but for the table; init never ends by itself.
    let inside = "mount -t tmpfs none /etc; cp inittab /etc/inittab; exec busybox init";
    let world = format!(
        "timeout -s KILL 3 unshare --mount --pid --fork --kill-child --mount-proc sh -ec '{inside}' </dev/null >out 2>&1"
    );
    let bad = project.path.join("sqlpage/migrations/6_bad.sql");
    std::fs::write(&bad, "SELECT nosuch;").unwrap();
    let said = |world: &str| {
        let _ = shell_output(&project.path, world);
        std::fs::read_to_string(project.path.join("out")).unwrap()
    };
    assert!(said(&world).contains("no such column: nosuch"));
    assert!(!project.path.join("app-started").exists());
    std::fs::remove_file(bad).unwrap();
    let said = said(&world);
    assert!(project.path.join("app-started").exists(), "{said}");
    assert!(is_migrated(&project));
}

#[test]
fn openrc() {
    if !has_namespaces() || !has_tool("openrc-run") {
        return;
    }
    let project = project();
    let script = recipe("openrc", &project.path);
    std::fs::write(project.path.join("app-migrate"), script).unwrap();
    let bin = Path::new(program()).parent().unwrap().display().to_string();
    let run = |action: &str| {
        // OpenRC forgets PATH, so the program goes where it looks.
        let inside = format!(
            "mount -t tmpfs none /run; mkdir -p /run/openrc/exclusive /run/openrc/started /run/openrc/starting /run/openrc/stopping /run/openrc/inactive /run/openrc/failed /run/openrc/options; touch /run/openrc/softlevel; mount -t tmpfs none /usr/local/bin; ln -s {bin}/litemigrate /usr/local/bin/litemigrate; cp app-migrate /run/app-migrate; chmod 755 /run/app-migrate; /run/app-migrate --nodeps {action}"
        );
        let world = format!("unshare --mount sh -ec '{inside}'");
        shell_output(&project.path, &world)
    };
    let output = run("start");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(is_migrated(&project));
    std::fs::write(
        project.path.join("sqlpage/migrations/6_bad.sql"),
        "SELECT nosuch;",
    )
    .unwrap();
    assert!(!run("start").status.success());
}

/// systemd is the judge of its units, of their sandbox too. What is not run here is
/// the sandbox itself.
#[test]
fn systemd_units() {
    let project = project();
    let unit = |name: &str| {
        let recipe_name = name.rsplit('/').next().unwrap();
        let text = recipe(recipe_name, &project.path)
            .replace("User=app", "User=root")
            .replace("/usr/bin/app", "/bin/true");
        std::fs::write(project.path.join(name), &text).unwrap();
        text
    };
    let migrate = unit("app-migrate.service");
    unit("app.service");
    for drop_in in ["migrate.conf", "check.conf"] {
        let name = format!("app.service.d/{drop_in}");
        std::fs::create_dir_all(project.path.join("app.service.d")).unwrap();
        unit(&name);
    }
    assert!(migrate.contains("Type=oneshot") && migrate.contains("Before=app.service"));
    if !has_tool("systemd-analyze") {
        return;
    }
    let verified = shell_output(
        &project.path,
        "SYSTEMD_UNIT_PATH=$PWD: systemd-analyze verify ./app-migrate.service ./app.service",
    );
    let said = String::from_utf8_lossy(&verified.stderr);
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("app")).collect();
    assert!(verified.status.success() && about_us.is_empty(), "{said}");
    // Exposure from 0 to 10, in tenths.
    let rated = shell_output(
        &project.path,
        "sed s/User=root/User=nobody/ app-migrate.service > rated.service; systemd-analyze security --offline=yes --threshold=15 --no-pager ./rated.service",
    );
    let said = String::from_utf8_lossy(&rated.stdout);
    assert!(rated.status.success(), "{said}");
}

/// OpenWrt's rc.common is not here: one that calls what it calls.
#[test]
fn openwrt() {
    let project = project();
    let script = recipe("procd", &project.path);
    std::fs::write(project.path.join("service"), script).unwrap();
    let common = "for name in open_instance set_param close_instance; do eval \"procd_$name() { echo $name \\\"\\$@\\\"; }\"; done; . ./service; start_service";
    let started = shell(&project.path, common);
    assert!(
        started.ends_with(
            "open_instance\nset_param command /usr/bin/app\nset_param respawn\nclose_instance\n"
        ),
        "{started}"
    );
    assert!(is_migrated(&project));
    std::fs::write(
        project.path.join("sqlpage/migrations/6_bad.sql"),
        "SELECT nosuch;",
    )
    .unwrap();
    assert!(!shell_output(&project.path, common).status.success());

    // As /etc/init.d/boot applies them: what succeeds is removed.
    let defaults = recipe("uci-defaults", &project.path);
    std::fs::create_dir(project.path.join("defaults")).unwrap();
    std::fs::write(project.path.join("defaults/90-app-migrate"), defaults).unwrap();
    let boot =
        "cd defaults; for file in *; do ( . \"./$(basename $file)\" ) && rm -f \"$file\"; done; ls";
    let left = shell_output(&project.path, boot);
    assert_eq!(String::from_utf8_lossy(&left.stdout), "90-app-migrate\n");
    shell(
        &project.path,
        "echo 'SELECT 1;' > sqlpage/migrations/6_bad.sql",
    );
    assert!(!String::from_utf8_lossy(&shell_output(&project.path, boot).stdout).contains("90-app"));
    assert!(is_migrated(&project));
}

#[test]
fn docker_and_kubernetes() {
    let project = project();
    let entry = recipe("entrypoint.sh", &project.path);
    std::fs::write(project.path.join("entrypoint.sh"), entry).unwrap();
    let said = shell(
        &project.path,
        "sh ./entrypoint.sh echo started with \"two words\"",
    );
    assert!(said.ends_with("started with two words\n"));
    assert!(is_migrated(&project));
    shell(
        &project.path,
        "echo 'SELECT nosuch;' > sqlpage/migrations/6_bad.sql; ! sh ./entrypoint.sh echo started | grep started",
    );

    // The image's command on a ConfigMap as the kubelet lays it out.
    let image = text_of("Dockerfile");
    let command = image
        .lines()
        .find_map(|line| line.strip_prefix("ENTRYPOINT "))
        .unwrap();
    let arguments = text_of("kubernetes.yaml");
    let arguments = arguments
        .lines()
        .find_map(|line| line.trim().strip_prefix("args: "))
        .unwrap();
    let words = |list: &str| {
        list.replace(['[', ']', ','], "")
            .replace("/litemigrate", "litemigrate")
    };
    let here = Sandbox::new("configmap");
    let command = format!("{} {}", words(command), words(arguments))
        .replace("\"/migrations\"", "migrations")
        .replace("\"/data/", "\"data/");
    shell(
        &here.path,
        "mkdir -p data migrations/..2026_01_31_12_00_00.1; cd migrations; ln -s ..2026_01_31_12_00_00.1 ..data; echo 'CREATE TABLE a (x);' > ..data/0001_a.sql; ln -s ..data/0001_a.sql 0001_a.sql",
    );
    let said = shell(&here.path, &command);
    assert!(said.starts_with("applied 0001_a.sql"), "{said}");
    assert!(here.path.join("data/app.db").exists());
}

/// Nothing but the static program and the scripts, as in the image.
#[test]
fn an_empty_root_is_enough_for_the_static_program() {
    let program = root().join("target/static/litemigrate");
    if !is_root() {
        return;
    }
    if !program.exists() {
        return skipped("there is no static program: make static");
    }
    let here = Sandbox::new("scratch");
    let scripts = root().join("fixtures/quickstart/sqlpage/migrations");
    let layout = format!(
        "mkdir -p root/data; cp -r {} root/migrations; cp {} root/litemigrate",
        scripts.display(),
        program.display()
    );
    shell(&here.path, &layout);
    // As a user who may write to /data and nowhere else, with an index that is sorted
    // in temporary files.
    let image = text_of("Dockerfile");
    let environment = image
        .lines()
        .find_map(|line| line.strip_prefix("ENV "))
        .unwrap();
    let big = "CREATE TABLE big (x);\nINSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000) SELECT hex(randomblob(100)) FROM n;\nCREATE INDEX by_x ON big (x);\n";
    std::fs::write(here.path.join("root/migrations/0006_big.sql"), big).unwrap();
    shell(&here.path, "chmod 777 root/data; chmod -R a+rX root");
    let as_user = "env -i /usr/sbin/chroot --userspec=1000:1000 root /litemigrate -m /migrations -D /data/user.db";
    let refused = shell_output(&here.path, as_user);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("SQLITE_TMPDIR"), "{said}");
    shell(
        &here.path,
        &as_user.replace("env -i", &format!("env -i {environment}")),
    );
    shell(&here.path, "rm root/migrations/0006_big.sql");
    let command = "chroot root /litemigrate -m /migrations -D /data/app.db";
    // Without /proc root makes nothing where others could change what it makes.
    let refused = shell_output(&here.path, command);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("mount /proc"), "{said}");
    shell(&here.path, "chmod 755 root/data");
    let said = shell(&here.path, command);
    assert!(
        said.ends_with("5 migrations applied; the database is at version 5\n"),
        "{said}"
    );
    assert_eq!(shell(&here.path, command), "");
    let refused = "mkdir root/sqlpage; echo '{\"sqlite_extensions\": [\"x\"]}' > root/sqlpage/sqlpage.json; mv root/migrations root/sqlpage; chroot root /litemigrate -D new.db 2>&1 || echo \"exit $?\"";
    let said = shell(&here.path, refused);
    assert!(
        said.contains("built without extensions") && said.ends_with("exit 78\n"),
        "{said}"
    );
}

#[test]
fn mender() {
    let project = project();
    let script = recipe("mender", &project.path);
    std::fs::write(project.path.join("state"), script).unwrap();
    let run = || shell_output(&project.path, "sh ./state").status.code();
    assert_eq!(run(), Some(0));
    let holder = rusqlite::Connection::open(project.path.join("sqlpage/sqlpage.db")).unwrap();
    shell(
        &project.path,
        "echo 'CREATE TABLE x (y);' > sqlpage/migrations/6_x.sql; echo 'SELECT nosuch;' > sqlpage/migrations/7_y.sql",
    );
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(run(), Some(21));
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(run(), Some(1));
    let tables: i64 = holder
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'x'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, 0);
}

/// A shell script that does what the recipe's host does at a start: it succeeds if the
/// application may start, or is migrated.
fn start(name: &str, project: &Path) -> String {
    let text = recipe(name, project)
        .replace("/usr/bin/app", "/bin/true")
        .replace("/usr/local/bin/litestream", "true");
    let value = |key: &str| {
        let mut lines = text.lines();
        let found = lines.find_map(|line| line.trim().strip_prefix(key));
        found.unwrap().to_owned()
    };
    std::fs::write(project.join("recipe"), &text).unwrap();
    match name {
        "cron" => text.lines().last().unwrap()["*/5 * * * * ".len()..].to_owned(),
        "init" => "sh ./recipe start && sh ./recipe status".to_owned(),
        "inittab" => value("::respawn:"),
        "openrc" => "ebegin() { :; }; eend() { return $1; }; . ./recipe; start".to_owned(),
        "procd" => "for name in open_instance set_param close_instance; do eval \"procd_$name() { :; }\"; done; . ./recipe; start_service".to_owned(),
        "app.service" | "litestream.yml" => "true".to_owned(),
        // What it prints is for Ansible.
        "ansible.yaml" => format!("{} >/dev/null", value("cmd: ")),
        "app-migrate.service" => value("ExecStart="),
        "migrate.conf" => value("ExecStartPre="),
        "check.conf" => format!("{}; test $? = 0 -o $? = 3", value("ExecCondition=")),
        "entrypoint.sh" => "sh ./recipe true".to_owned(),
        "Dockerfile" | "kubernetes.yaml" => "litemigrate -m sqlpage/migrations -D sqlpage/sqlpage.db --lock-wait 30".to_owned(),
        _ => "sh ./recipe".to_owned(),
    }
}

/// As root in folders of others, or that others may write to.
#[test]
fn every_recipe_is_as_easy_for_root_in_what_belongs_to_others() {
    let Some(place) = place("recipes") else {
        return;
    };
    let layouts = [
        ("the-apps", "chown -R 1234:1234 .; chmod -R g+w .", 1234),
        ("of-the-web-server", "chown -R 0:33 .; GROUP", 0),
        (
            "scripts-of-roots",
            "chown 1234:1234 . sqlpage; chmod g+w . sqlpage",
            1234,
        ),
        (
            "database-of-roots",
            "litemigrate -q --to 1; chown -R 0:33 .; chown 0:0 sqlpage/sqlpage.db; GROUP",
            0,
        ),
        (
            "database-of-the-apps",
            "litemigrate -q --to 1; chown -R 0:33 .; chown 1234:1234 sqlpage/sqlpage.db; GROUP",
            1234,
        ),
    ];
    let project = root().join("fixtures/quickstart/sqlpage");
    let make = |name: &str, prepare: &str| {
        let prepare = prepare.replace("GROUP", "find . -type d -exec chmod 0775 {} +");
        let copy = format!(
            "rm -rf {name}; mkdir {name}; cd {name}; cp -R {} .; {prepare}",
            project.display()
        );
        shell(&place, &copy);
        place.join(name)
    };
    for entry in std::fs::read_dir(root().join("fixtures/recipes")).unwrap() {
        let recipe = entry.unwrap().file_name().into_string().unwrap();
        let only_looks = ["app.service", "litestream.yml", "check.conf"].contains(&recipe.as_str());
        for (name, prepare, owner) in layouts {
            let project = make(name, prepare);
            let start = start(&recipe, &project);
            let (code, said) = run(&project, &start);
            assert_eq!(code, 0, "{recipe}, {name}: {said}");
            // A group that may write to the scripts is told of, and nothing else.
            let warnings = said.matches("warning").count();
            let of_group = said.matches("can be written by group 33").count();
            assert!(
                warnings == of_group && of_group <= 1,
                "{recipe}, {name}: {said}"
            );
            if only_looks {
                continue;
            }
            assert!(is_up_to_date(&project), "{recipe}, {name}");
            let database = project.join("sqlpage/sqlpage.db").metadata().unwrap();
            assert_eq!(database.uid(), owner, "{recipe}, {name}");
            assert_eq!(
                run(&project, &start),
                (0, String::new()),
                "{recipe}, {name}"
            );
        }
        // An app's own scripts do not become root's, nor change a database of root's.
        let named = [
            "Dockerfile",
            "kubernetes.yaml",
            "app.service",
            "litestream.yml",
        ];
        if !named.contains(&recipe.as_str()) {
            let theirs = "litemigrate -q --to 1; chown -R 1234:1234 .; chown 0 sqlpage/sqlpage.db";
            let project = make("refused", theirs);
            let (code, said) = run(&project, &start(&recipe, &project));
            assert!(code != 0, "{recipe}: {said}");
            assert!(said.contains("chown 1234"), "{recipe}: {said}");
        }
    }
    done(&place);
}

fn is_up_to_date(project: &Path) -> bool {
    shell_output(project, "litemigrate check").status.success()
}

/// Ansible itself runs the tasks, on this machine.
#[test]
fn ansible() {
    if !has_tool("ansible-playbook") {
        return;
    }
    let project = project();
    let tasks = recipe("ansible.yaml", &project.path);
    let play = "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n    - ansible.builtin.import_tasks: ansible.yaml\n";
    std::fs::write(project.path.join("ansible.yaml"), tasks).unwrap();
    std::fs::write(project.path.join("play.yaml"), play).unwrap();
    let run = |options: &str| {
        let play = format!("LC_ALL=C.UTF-8 ansible-playbook {options} play.yaml 2>&1");
        let output = shell_output(&project.path, &play);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said)
    };
    let recap = |said: &str, ok: u8, changed: u8| {
        let line = said.lines().find(|line| line.starts_with("localhost"));
        let words: Vec<&str> = line.unwrap_or(said).split_whitespace().collect();
        words.contains(&format!("ok={ok}").as_str())
            && words.contains(&format!("changed={changed}").as_str())
    };
    let (succeeded, said) = run("--check");
    assert!(succeeded && recap(&said, 1, 1), "{said}");
    assert!(!is_migrated(&project));
    let (succeeded, said) = run("");
    assert!(succeeded && recap(&said, 2, 2), "{said}");
    assert!(is_migrated(&project));
    let (succeeded, said) = run("");
    assert!(succeeded && recap(&said, 1, 0), "{said}");
    std::fs::write(
        project.path.join("sqlpage/migrations/6_bad.sql"),
        "SELECT nosuch;",
    )
    .unwrap();
    let (succeeded, said) = run("");
    assert!(
        !succeeded && said.contains("no such column: nosuch"),
        "{said}"
    );
}
