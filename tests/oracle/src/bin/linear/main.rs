//! How CPU time grows with the work: each workload at n and at 4n, the ratio, and that of
//! the sqlite3 shell for the same scripts, since SQLite is quadratic in some: each CREATE
//! and DROP looks through all of the schema. 4 is linear. Asserts nothing.
//!
//! `linear PROGRAM [WORDS]`: only the workloads whose names have all of WORDS.

mod folders;
mod stage;
mod statements;

use oracle::measure;
use stage::Stage;
use std::fs;
use std::path::PathBuf;

fn main() {
    if measure::as_child() {
        return;
    }
    let mut arguments = std::env::args_os().skip(1);
    let program = PathBuf::from(arguments.next().expect("the program"));
    let program = program.canonicalize().expect("a path");
    let words: Vec<String> = arguments
        .filter_map(|word| word.into_string().ok())
        .collect();
    let work = std::env::temp_dir().join(format!("litemigrate-linear-{}", std::process::id()));
    println!("CPU seconds at n and at 4n, and the ratio; in brackets the sqlite3 shell's");
    for (name, n, make) in folders::CASES.iter().chain(statements::CASES) {
        if !words.iter().all(|word| name.contains(word.as_str())) {
            continue;
        }
        let mut ours = Vec::new();
        let mut shell = Vec::new();
        for n in [*n, 4 * n] {
            let stage = Stage::new(&work);
            let run = make(&stage, &program, n);
            ours.push(stage.seconds(&stage.ours(&program, &run), run.status));
            if let Some(first) = run.shell {
                shell.push(stage.seconds(&stage.shell(&run, first), run.status));
            }
        }
        let shell = match shell.is_empty() {
            true => String::new(),
            false => format!("[{}]", told(&shell)),
        };
        println!("{name:<40} n = {n:>6} {} {shell}", told(&ours));
    }
    let _ = fs::remove_dir_all(&work);
}

fn told(seconds: &[Result<f64, String>]) -> String {
    let cell = |seconds: &Result<f64, String>| match seconds {
        Ok(seconds) => format!("{seconds:>8.3}"),
        Err(why) => format!("{why:>8}"),
    };
    let ratio = match seconds {
        [Ok(n), Ok(four)] => format!("{:>6.1}", four / n),
        _ => format!("{:>6}", "–"),
    };
    format!("{} {} {ratio}", cell(&seconds[0]), cell(&seconds[1]))
}
