//! The real SQLPage as judge: sites that are configured in every way it knows are
//! migrated by litemigrate and then served by SQLPage, and the reverse; the databases
//! that are then there, and what is in them, must be the same.
//!
//! `sqlpage_server LITEMIGRATE SQLPAGE FIXTURES`

use rusqlite::Connection;
use rusqlite::types::Value;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that is not there after that long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder, and how both programs are started in it.
struct Site {
    name: &'static str,
    files: Vec<(&'static str, &'static str)>,
    variables: Vec<(&'static str, &'static str)>,
    arguments: Vec<&'static str>,
    /// The folder in which both are started.
    folder: &'static str,
    /// Both refuse it, and make no database.
    refused: bool,
}

fn site(name: &'static str, files: &[(&'static str, &'static str)]) -> Site {
    Site {
        name,
        files: files.to_vec(),
        variables: Vec::new(),
        arguments: Vec::new(),
        folder: "",
        refused: false,
    }
}

fn refused(name: &'static str, files: &[(&'static str, &'static str)]) -> Site {
    Site {
        refused: true,
        ..site(name, files)
    }
}

const PAGE: &str = "SELECT 'text' AS component, 'rows: ' || count(*) AS contents FROM t;\n";
const SCRIPT: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE);\nINSERT INTO t (name) VALUES ('É'), (upper('ß')), ('zoë');\n";

/// What every site has unless it brings its own.
const COMMON: [(&str, &str); 2] = [
    ("index.sql", PAGE),
    ("sqlpage/migrations/0001_t.sql", SCRIPT),
];

#[rustfmt::skip] // One site after the other, to be read as a table.
fn sites() -> Vec<Site> {
    vec![
        site("nothing is set", &[]),
        site("the old default", &[("sqlpage.db", "")]),
        site(".env, with all that it knows", &[(".env", "# here\nNAME=it\nexport SQLPAGE_DATABASE_URL=\"sqlite://${NAME}s.db?mode=\"'rwc' # yes\nDATABASE_URL=sqlite://no.db\n")]),
        Site { folder: "site", ..site(".env of a folder above", &[(".env", "DATABASE_URL='sqlite://above.db?mode=rwc'\n"), ("site/index.sql", PAGE), ("site/sqlpage/migrations/0001_t.sql", SCRIPT)]) },
        site(".env, whose first line counts", &[(".env", "DATABASE_URL=sqlite://one.db?mode=rwc\nDATABASE_URL=sqlite://two.db?mode=rwc\n")]),
        site(".env with a line that cannot be read", &[(".env", "DATABASE_URL=sqlite://one.db?mode=rwc\nthis is no line\n")]),
        Site { variables: vec![("DATABASE_URL", "sqlite://set.db?mode=rwc")], ..site(".env overrides nothing", &[(".env", "DATABASE_URL=sqlite://file.db?mode=rwc\n")]) },
        site(".env names the configuration directory", &[(".env", "CONFIGURATION_DIRECTORY=conf\n"), ("conf/migrations/0001_t.sql", SCRIPT)]),
        site("TOML", &[("sqlpage/sqlpage.toml", "# x\noidc_scopes = \"\"\"\ndatabase_url = 'sqlite://no.db'\n\"\"\"\ndatabase_url = \"sqlite://toml\\u002Edb?mode=rwc\" # y\nsqlite_extensions = [\n]\n[table]\ndatabase_url = 1\n")]),
        site("YAML", &[("sqlpage/sqlpage.yaml", "---\n# x\noidc_protected_paths:\n- '/a'\noidc_scopes: |\n  database_url: no\ndatabase_url: sqlite://yaml.db?mode=rwc # y\nsqlite_extensions: []\n")]),
        site("YAML, as .yml", &[("sqlpage/sqlpage.yml", "database_url: \"sqlite://y\\x6Dl.db?mode=rwc\"\n")]),
        site("JSON5", &[("sqlpage/sqlpage.json5", "// x\n{database_url: 'sqlite://five.db?mode=rwc',}\n")]),
        site("a setting twice in JSON", &[("sqlpage/sqlpage.json", "{\"database_url\": \"sqlite://a.db?mode=rwc\", \"database_url\": \"sqlite://b.db?mode=rwc\"}")]),
        site("TOML before JSON before YAML", &[("sqlpage/sqlpage.json", "{\"database_url\": \"sqlite://json.db?mode=rwc\"}"), ("sqlpage/sqlpage.toml", "database_url = 'sqlite://toml.db?mode=rwc'"), ("sqlpage/sqlpage.yaml", "database_url: sqlite://yaml.db?mode=rwc")]),
        site("JSON before YAML before JSON5", &[("sqlpage/sqlpage.json5", "{database_url: 'sqlite://five.db?mode=rwc'}"), ("sqlpage/sqlpage.json", "{\"database_url\": \"sqlite://json.db?mode=rwc\"}"), ("sqlpage/sqlpage.yml", "database_url: sqlite://yaml.db?mode=rwc")]),
        site("a file that hides the settings", &[("sqlpage/sqlpage", ""), ("sqlpage/sqlpage.json", "{\"database_url\": \"sqlite://json.db?mode=rwc\"}")]),
        site("INI and RON", &[("sqlpage/sqlpage.ini", "database_url=sqlite://ini.db?mode=rwc\n"), ("sqlpage/sqlpage.ron", "(database_url: \"sqlite://ron.db?mode=rwc\")")]),
        site("a key in upper case", &[("sqlpage/sqlpage.json", "{\"DATABASE_URL\": \"sqlite://json.db?mode=rwc\"}")]),
        site("a byte order mark", &[("sqlpage/sqlpage.json", "\u{FEFF}{\"database_url\": \"sqlite://json.db?mode=rwc\"}")]),
        site("a password", &[("sqlpage/sqlpage.json", "{\"database_url\": \"sqlite://json.db?mode=rwc\", \"database_password\": \"x\"}")]),
        Site { arguments: vec!["-c", "etc/my.toml"], ..site("a file that names the directory", &[("etc/my.toml", "configuration_directory = 'conf'\n"), ("conf/migrations/0001_t.sql", SCRIPT), ("etc/migrations/0001_t.sql", "no"), ("conf/sqlpage.json", "no")]) },
        Site { arguments: vec!["-d", "conf"], ..site("a directory", &[("conf/sqlpage.json", "{\"database_url\": \"sqlite://d.db?mode=rwc\", \"configuration_directory\": \"no\"}"), ("conf/migrations/0001_t.sql", SCRIPT)]) },
        Site { variables: vec![("DATABASE_URL", "sqlite://a.db?mode=rwc"), ("Sqlpage_Database_Url", "sqlite://b.db?mode=rwc")], ..site("names in the environment", &[]) },
        Site { variables: vec![("DATABASE_URL", "")], ..site("an empty name in the environment", &[("sqlpage/sqlpage.json", "{\"database_url\": \"sqlite://json.db?mode=rwc\"}")]) },
        Site { variables: vec![("DATABASE_URL", "sqlite://my%20%3Fdata.db?mode=rwc")], ..site("an escaped URL", &[]) },
        Site { variables: vec![("DATABASE_URL", "sqlite:sqlite://x.db?mode=rwc&cache=private")], ..site("a scheme twice", &[]) },
        Site { variables: vec![("DATABASE_URL", "sqlite://file:j.db?mode=rwc")], ..site("a URI inside of a URL", &[]) },
        Site { variables: vec![("DATABASE_URL", "sqlite://file:j%2541.db?mode=rwc")], ..site("an escaped URI inside of a URL", &[]) },
        Site { variables: vec![("SQLITE_EXTENSIONS", "./probe")], ..site("an extension", &[]) },
        site("on_connect.sql", &[("sqlpage/on_connect.sql", "PRAGMA foreign_keys = ON;\nCREATE TABLE IF NOT EXISTS connected (x);\n")]),
        site("a rebuild", &[("sqlpage/migrations/0002_rebuild.sql", "CREATE TABLE new_t (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE);\nINSERT INTO new_t SELECT id, name FROM t;\nDROP TABLE t;\nALTER TABLE new_t RENAME TO t;\nCREATE UNIQUE INDEX by_name ON t (name);\n")]),
        site("up and down", &[("sqlpage/migrations/0002_u.up.sql", "INSERT INTO t (name) SELECT lower(name) || 'Ÿ' FROM t;\n"), ("sqlpage/migrations/0002_u.down.sql", "DELETE FROM t;\n"), ("sqlpage/migrations/-3_early.sql", "CREATE TABLE early (x);\n")]),
        refused("a URL that is null", &[("sqlpage/sqlpage.json", "{\"database_url\": null}")]),
        refused("a URL that is null in YAML", &[("sqlpage/sqlpage.yaml", "database_url:\n")]),
        refused("extensions that are null", &[("sqlpage/sqlpage.json", "{\"sqlite_extensions\": null}")]),
        refused("a URL whose path is not UTF-8", &[("sqlpage/sqlpage.json", "{\"database_url\": \"sqlite://a%FF.db?mode=rwc\"}")]),
        refused("comments in JSON", &[("sqlpage/sqlpage.json", "{\n // x\n}")]),
        refused("a trailing comma in JSON", &[("sqlpage/sqlpage.json", "{\"port\": 8080,}")]),
        refused("a setting twice in TOML", &[("sqlpage/sqlpage.toml", "database_url = 'sqlite://a.db?mode=rwc'\ndatabase_url = 'sqlite://a.db?mode=rwc'\n")]),
        refused("a setting twice in YAML", &[("sqlpage/sqlpage.yaml", "database_url: sqlite://a.db?mode=rwc\ndatabase_url: sqlite://a.db?mode=rwc\n")]),
        refused("part of a setting", &[("sqlpage/sqlpage.json", "{\"database_url.x\": \"sqlite://a.db?mode=rwc\"}")]),
        refused("a list in place of a URL", &[("sqlpage/sqlpage.toml", "database_url = ['sqlite://a.db?mode=rwc']\n")]),
        Site { variables: vec![("DATABASE_URL", "sqlite://missing.db")], ..refused("a database that must exist", &[]) },
        Site { variables: vec![("DATABASE_URL", "data.db")], ..refused("a URL that is none", &[]) },
        Site { variables: vec![("DATABASE_URL", "sqlite://a.db?mode=rwc&x=1")], ..refused("an unknown parameter", &[]) },
        Site { variables: vec![("DATABASE_URL", "sqlite://file://host/a.db?mode=rwc")], ..refused("a URI with a host", &[]) },
        Site { variables: vec![("SQLITE_EXTENSIONS", "./nosuch")], ..refused("an extension that is not there", &[]) },
        Site { variables: vec![("SQLITE_EXTENSIONS", "")], ..refused("an extension without a name", &[]) },
        Site { arguments: vec!["-c", "nosuch.json"], ..refused("a file that is not there", &[]) },
    ]
}

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let mut next =
        || fs::canonicalize(arguments.next().expect("three arguments")).expect("it is there");
    let (litemigrate, sqlpage, fixtures) = (next(), next(), next());
    let work = std::env::temp_dir().join(format!("sqlpage-server-{}", std::process::id()));
    fs::create_dir_all(&work).expect("a directory for the work");
    let judge = Judge {
        litemigrate,
        sqlpage,
        work,
    };
    judge.compile_extension();
    let mut failures = 0;
    let mut served = 0;
    let mut refusals = 0;
    for site in sites() {
        let result = match site.refused {
            true => judge.refuses(&site).map(|()| refusals += 1),
            false => judge.serves(&site, None).map(|()| served += 1),
        };
        if let Err(what) = result {
            failures += 1;
            println!("{}: {what}", site.name);
        }
    }
    let quickstart = site("quickstart", &[]);
    match judge.serves(&quickstart, Some(&fixtures.join("quickstart"))) {
        Ok(()) => served += 1,
        Err(what) => {
            failures += 1;
            println!("quickstart: {what}");
        }
    }
    let _ = fs::remove_dir_all(&judge.work);
    println!("{served} sites served both ways, {refusals} refused by both, {failures} differences");
    std::process::exit(i32::from(failures > 0));
}

struct Judge {
    litemigrate: PathBuf,
    sqlpage: PathBuf,
    work: PathBuf,
}

impl Judge {
    fn compile_extension(&self) {
        let source = self.work.join("probe.c");
        fs::write(&source, "int sqlite3_probe_init(void *db, char **error, const void *api) { (void)db; (void)error; (void)api; return 0; }\n").expect("probe.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(self.work.join("probe.so"))
            .arg(source)
            .status();
        assert!(status.expect("cc").success());
    }

    /// A fresh copy of the site.
    fn copy(&self, site: &Site, original: Option<&Path>) -> PathBuf {
        let root = self.work.join("site");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).expect("a site");
        if let Some(original) = original {
            let status = Command::new("cp")
                .arg("-R")
                .arg(original.join("."))
                .arg(&root)
                .status();
            assert!(status.expect("cp").success());
            return root;
        }
        let common = COMMON.iter().filter(|_| site.folder.is_empty());
        for (path, content) in common.chain(&site.files) {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
        fs::copy(self.work.join("probe.so"), root.join("probe.so")).expect("probe.so");
        root
    }

    fn command(&self, program: &Path, site: &Site, root: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(&site.arguments)
            .current_dir(root.join(site.folder))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(site.variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Runs litemigrate; its exit code, and what it said.
    fn migrate(&self, site: &Site, root: &Path, word: &str) -> (Option<i32>, String) {
        let output = self
            .command(&self.litemigrate, site, root)
            .arg(word)
            .output();
        let output = output.expect("litemigrate runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }

    /// Starts SQLPage, asks for a page, and stops it; what it said if it did not start.
    fn serve(&self, site: &Site, root: &Path) -> Result<String, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port").to_string();
        let mut command = self.command(&self.sqlpage, site, root);
        command
            .env("LISTEN_ON", &address)
            .env("DATABASE_CONNECTION_RETRIES", "0")
            .env("RUST_LOG", "sqlpage=warn");
        let mut child = command.spawn().expect("SQLPage runs");
        let clock = Instant::now();
        loop {
            if child.try_wait().expect("a child").is_some() {
                return Err(said(&mut child));
            }
            if let Ok(page) = get(&address) {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(page);
            }
            if clock.elapsed() > PATIENCE {
                let _ = child.kill();
                return Err(format!("SQLPage hangs: {}", said(&mut child)));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn serves(&self, site: &Site, original: Option<&Path>) -> Result<(), String> {
        let root = self.copy(site, original);
        let (code, said) = self.migrate(site, &root, "up");
        if code != Some(0) {
            return Err(format!("litemigrate: {code:?}: {said}"));
        }
        let ours = databases(&root);
        let our_page = self.serve(site, &root)?;
        let after = databases(&root);
        same("SQLPage changed what litemigrate made", &ours, &after)?;
        let root = self.copy(site, original);
        let their_page = self.serve(site, &root)?;
        let theirs = databases(&root);
        same("the databases differ", &ours, &theirs)?;
        let (code, said) = self.migrate(site, &root, "check");
        if code != Some(0) {
            return Err(format!("litemigrate check after SQLPage: {code:?}: {said}"));
        }
        same(
            "litemigrate changed what SQLPage made",
            &theirs,
            &databases(&root),
        )?;
        let rows = |page: &str| page.split("rows: ").nth(1).map(|rest| rest[..1].to_owned());
        let as_expected = original.is_some() || rows(&our_page).is_some();
        match rows(&our_page) == rows(&their_page) && as_expected {
            true => Ok(()),
            false => Err(format!("the pages differ:\n{our_page}\n{their_page}")),
        }
    }

    fn refuses(&self, site: &Site) -> Result<(), String> {
        let root = self.copy(site, None);
        let (code, said) = self.migrate(site, &root, "up");
        if matches!(code, None | Some(0 | 1 | 70)) {
            return Err(format!("litemigrate: {code:?}: {said}"));
        }
        let made = databases(&root);
        if !made.is_empty() {
            return Err(format!("litemigrate refused it, and made {made}"));
        }
        match self.serve(site, &root) {
            Err(_) => Ok(()),
            Ok(_) => Err(format!("SQLPage serves it, litemigrate: {said}")),
        }
    }
}

fn same(what: &str, one: &str, other: &str) -> Result<(), String> {
    match one == other {
        true => Ok(()),
        false => Err(format!("{what}:\n{one}---\n{other}")),
    }
}

fn said(child: &mut Child) -> String {
    let mut text = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut text);
    }
    let _ = child.wait();
    text
}

/// The page at `/`, if somebody answers there.
fn get(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut page = Vec::new();
    stream.read_to_end(&mut page)?;
    let page = String::from_utf8_lossy(&page).into_owned();
    match page.starts_with("HTTP/1.1 200") {
        true => Ok(page),
        false => Err(std::io::Error::other(page)),
    }
}

/// Every database below the folder, by name, with all that it holds but times.
fn databases(root: &Path) -> String {
    let mut text = String::new();
    for path in files(root) {
        let header = fs::read(&path).unwrap_or_default();
        let is_database = header.starts_with(b"SQLite format 3\0");
        let name = path.strip_prefix(root).unwrap_or(&path).display();
        if is_database {
            let _ = writeln!(
                text,
                "{name}\n{}",
                content(&path).unwrap_or_else(|error| error.to_string())
            );
        } else if path.extension().is_some_and(|extension| extension == "db") && !header.is_empty()
        {
            let _ = writeln!(text, "{name} is no database");
        }
    }
    text
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn content(path: &Path) -> rusqlite::Result<String> {
    let connection = Connection::open(path)?;
    let mut text = String::new();
    let mut statement =
        connection.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY name")?;
    let objects = statement.query_map([], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, Value>(2)?,
        ))
    })?;
    for object in objects {
        let (kind, name, sql) = object?;
        let _ = writeln!(text, " {kind} {name} {sql:?}");
        if kind != "table" {
            continue;
        }
        let columns = match name.as_str() {
            "_sqlx_migrations" => "version, description, success, checksum, execution_time >= 0",
            _ => "*",
        };
        let mut rows = connection.prepare(&format!("SELECT {columns} FROM \"{name}\""))?;
        let count = rows.column_count();
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<Value> = (0..count)
                .map(|index| row.get(index))
                .collect::<Result<_, _>>()?;
            let _ = writeln!(text, "  {values:?}");
        }
    }
    Ok(text)
}
