//! Whole processes, in turn, so that what is compared ran on the same machine at
//! the same time: ratios to litemigrate, and counts that no machine changes.
//!
//! `bench PROGRAM`: PROGRAM is litemigrate, the other two are beside this one.

use oracle::Who;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ALL: [Who; 4] = [Who::Us, Who::Sqlx, Who::Fork, Who::Shell];

fn called(who: Who) -> &'static str {
    match who {
        Who::Us => "litemigrate",
        Who::Sqlx => "sqlx",
        Who::Fork => "SQLPage's fork",
        Who::Shell => "sqlite3 shell",
    }
}

/// What one run cost.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
    peak_kib: f64,
}

/// After this long a run is given up.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    program: PathBuf,
    here: PathBuf,
    work: PathBuf,
}

impl Bench {
    fn command(&self, who: Who, folder: &Path, database: &Path) -> Command {
        who.command(&self.program, &self.here, folder, database)
    }

    /// Runs it to the end, or for as long as there is patience, as the child of a
    /// small process, so that our own memory is not taken for its.
    fn cost(&self, who: Who, folder: &Path, database: &Path) -> Option<Cost> {
        let command = self.command(who, folder, database);
        let output = Command::new(self.here.join("bench"))
            .arg("--measure")
            .arg(command.get_program())
            .args(command.get_args())
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut numbers = text.split_whitespace().map(str::parse::<f64>);
        let mut next = || numbers.next()?.ok();
        Some(Cost {
            wall: next()?,
            cpu: next()?,
            peak_kib: next()?,
        })
    }

    /// One workload: `prepared` is copied to the database before each run.
    fn workload(&self, name: &str, folder: &Path, prepared: Option<&Path>, rounds: usize) {
        let database = self.work.join("app.db");
        let fresh = || {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let _ = fs::remove_file(self.work.join(format!("app.db{suffix}")));
            }
            if let Some(prepared) = prepared {
                fs::copy(prepared, &database).expect("a copy");
            }
        };
        let mut costs: [Vec<Cost>; 4] = [const { Vec::new() }; 4];
        let mut out = [false; 4];
        out[3] = prepared.is_some();
        for round in 0..=rounds {
            for (index, who) in ALL.into_iter().enumerate() {
                if out[index] {
                    continue;
                }
                fresh();
                match self.cost(who, folder, &database) {
                    Some(cost) => {
                        if round > 0 {
                            costs[index].push(cost);
                        }
                        // A slow one is not asked so often.
                        if round > 0 && cost.wall > 5.0 {
                            out[index] = true;
                        }
                    }
                    None => out[index] = true,
                }
            }
        }
        for (index, who) in ALL.into_iter().enumerate() {
            if who == Who::Shell && prepared.is_some() {
                continue;
            }
            fresh();
            let mut counts = self.counts(who, folder, &database, !costs[index].is_empty());
            if prepared.is_some() {
                counts.push_str(&self.instructions(who, folder, &database));
            }
            let line = match costs[index].len() {
                0 => format!("more than {} s, or failed", PATIENCE.as_secs()),
                _ => {
                    let ratio = |pick: fn(&Cost) -> f64| {
                        let pairs = costs[index]
                            .iter()
                            .zip(&costs[0])
                            .map(|(theirs, ours)| pick(theirs) / pick(ours).max(1e-6));
                        median(pairs.collect())
                    };
                    let wall = median(costs[index].iter().map(|cost| cost.wall * 1e3).collect());
                    format!(
                        "{:>8.2} {:>8.2} {:>8.2} {wall:>10.1} ms",
                        ratio(|c| c.wall),
                        ratio(|c| c.cpu),
                        ratio(|c| c.peak_kib)
                    )
                }
            };
            println!("{name:<28} {:<15} {line} {counts}", called(who));
        }
    }

    /// System calls, syncs and instructions, where the tools to count them are.
    fn counts(&self, who: Who, folder: &Path, database: &Path, fast: bool) -> String {
        if !fast || fs::read_dir(folder).map_or(0, Iterator::count) == 1 {
            return String::new();
        }
        let log = self.work.join("count");
        let mut traced = Command::new("strace");
        let command = self.command(who, folder, database);
        traced
            .args(["-f", "-o"])
            .arg(&log)
            .arg(command.get_program())
            .args(command.get_args());
        let ran = traced.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !ran.is_ok_and(|status| status.success()) {
            return String::new();
        }
        let text = fs::read_to_string(&log).unwrap_or_default();
        let calls = text
            .lines()
            .filter(|line| line.contains('(') && !line.contains("resumed>"))
            .count();
        let syncs = text
            .lines()
            .filter(|line| line.contains("fsync(") || line.contains("fdatasync("))
            .count();
        let writes = text
            .lines()
            .filter(|line| {
                line.contains(" pwrite64(")
                    || line.contains(" ftruncate(")
                    || line.contains(" unlink(")
            })
            .count();
        format!("{calls:>8} calls {syncs:>6} syncs {writes:>6} writes")
    }

    /// Instructions by callgrind, where it is installed.
    fn instructions(&self, who: Who, folder: &Path, database: &Path) -> String {
        let command = self.command(who, folder, database);
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(command.get_program())
            .args(command.get_args())
            .output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        let text = text.unwrap_or_default();
        let count = text.lines().find_map(|line| {
            line.split("Collected : ")
                .nth(1)?
                .trim()
                .parse::<f64>()
                .ok()
        });
        count.map_or(String::new(), |count| {
            format!(" {:>7.2} M instructions", count / 1e6)
        })
    }

    fn folder(&self, name: &str, scripts: impl Iterator<Item = String>) -> PathBuf {
        let folder = self.work.join(name).join("migrations");
        fs::create_dir_all(&folder).expect("a directory");
        let mut all = String::new();
        for (index, script) in scripts.enumerate() {
            let path = folder.join(format!("{:04}_t.sql", index + 1));
            fs::write(&path, script).expect("a script");
            all.push_str(&format!("BEGIN;\n.read '{}'\nCOMMIT;\n", path.display()));
        }
        fs::write(self.work.join(name).join("all"), all).expect("a file");
        folder
    }
}

/// `bench --measure COMMAND …` prints its wall time, CPU time and peak memory.
fn measure(mut arguments: std::env::ArgsOs) -> Option<()> {
    let mut command = Command::new(arguments.next()?);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let clock = Instant::now();
    let mut child = command.spawn().ok()?;
    let status = loop {
        if let Some(status) = child.try_wait().ok()? {
            break status;
        }
        if clock.elapsed() > PATIENCE {
            child.kill().ok()?;
            child.wait().ok()?;
            return None;
        }
        let nap = if clock.elapsed().as_millis() < 20 {
            20
        } else {
            500
        };
        std::thread::sleep(Duration::from_micros(nap));
    };
    let wall = clock.elapsed().as_secs_f64();
    // SAFETY: the structure is ours, and a zeroed rusage is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    if status.success() {
        println!("{wall} {cpu} {}", usage.ru_maxrss);
    }
    Some(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn small(count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(|n| format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL);\nCREATE INDEX i{n} ON t{n} (name);\n-- {}\n", "a comment of some length ".repeat(15)))
}

fn inserts(megabytes: usize) -> String {
    let mut text = String::from(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, email TEXT, note TEXT);\n",
    );
    let mut n = 0;
    while text.len() < megabytes * 1_000_000 {
        n += 1;
        text.push_str(&format!(
            "INSERT INTO t VALUES ({n}, 'name {n}', 'user{n}@example.org', 'a note, some text');\n"
        ));
    }
    text
}

fn main() {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == "--measure") {
        measure(arguments);
        return;
    }
    let program = PathBuf::from(std::env::args_os().nth(1).expect("the program"));
    let here = std::env::current_exe()
        .expect("a path")
        .parent()
        .expect("a parent")
        .to_owned();
    let work = std::env::temp_dir().join(format!("litemigrate-bench-{}", std::process::id()));
    fs::create_dir_all(&work).expect("a directory");
    let bench = Bench {
        program,
        here,
        work,
    };
    println!("ratios to litemigrate, median of pairs; wall time of each; counts by strace");
    println!(
        "{:<28} {:<15} {:>8} {:>8} {:>8}",
        "workload", "", "wall", "CPU", "peak"
    );
    for (count, rounds) in [(10, 40), (100, 20), (1000, 7)] {
        let folder = bench.folder(&format!("small-{count}"), small(count));
        let prepared = bench.work.join("prepared.db");
        let _ = fs::remove_file(&prepared);
        bench.cost(Who::Us, &folder, &prepared).expect("we can");
        bench.workload(
            &format!("nothing to do, {count} scripts"),
            &folder,
            Some(&prepared),
            rounds,
        );
    }
    for (count, rounds) in [(1, 20), (10, 10), (100, 5), (1000, 3)] {
        let folder = bench.folder(&format!("small-{count}"), small(count));
        bench.workload(
            &format!("apply {count} small scripts"),
            &folder,
            None,
            rounds,
        );
    }
    for (megabytes, rounds) in [(1, 5), (10, 3), (50, 3)] {
        let folder = bench.folder(
            &format!("inserts-{megabytes}"),
            std::iter::once(inserts(megabytes)),
        );
        bench.workload(&format!("{megabytes} MB of INSERTs"), &folder, None, rounds);
    }
    let blob = format!(
        "CREATE TABLE t (x);\nINSERT INTO t VALUES ('{}');\n",
        "x".repeat(10_000_000)
    );
    let folder = bench.folder("statement", std::iter::once(blob));
    bench.workload("one statement of 10 MB", &folder, None, 5);
    let _ = fs::remove_dir_all(&bench.work);
}
