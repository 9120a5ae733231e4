//! Explores what may happen to a run of litemigrate on a simulated machine.
//!
//! Without arguments everything, with `quick` a part of it, with `planted TARGET` only the
//! faults in litemigrate's source; with the words that a failure prints, that failure again.

mod calls;
mod cases;
mod crashes;
mod disk;
mod errors;
mod fault;
mod interleavings;
mod jobs;
mod judge;
mod mirror;
mod planted;
mod scripts;
mod subject;
mod vfs;
mod world;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::Instant;

/// After so many failures a job ends: one defect shows in many states.
const LIMIT: usize = 3;

fn main() -> ExitCode {
    vfs::register();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        [] => explore(false),
        ["quick"] => explore(true),
        ["planted", target] => find_planted(Path::new(target)),
        _ => one_job(&words),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn one_job(words: &[&str]) -> Result<bool, String> {
    let explored = jobs::perform(words, LIMIT);
    // It is there only if a case needed it.
    let _ = std::fs::remove_dir_all(mirror::folder());
    let explored = explored?;
    for failure in &explored.failures {
        println!("WRONG: {}", failure.message.trim_end());
        println!("replay: {}", failure.replay);
    }
    println!("states {}", explored.states);
    Ok(explored.failures.is_empty())
}

/// A job that is to be done, and whether it is to find something.
struct Order {
    program: std::path::PathBuf,
    job: String,
    fault: Option<String>,
}

/// How a job ended.
struct Ended {
    found: bool,
    states: u64,
    output: String,
}

fn explore(quick: bool) -> Result<bool, String> {
    let clock = Instant::now();
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = program.parent().and_then(Path::parent).ok_or("no target")?;
    let order = |job: &str, fault: Option<String>| Order {
        program: program.clone(),
        job: job.to_owned(),
        fault,
    };
    let mut orders: Vec<Order> = jobs::all(quick)
        .iter()
        .map(|job| order(job, None))
        .collect();
    orders.extend(jobs::PLANTED.iter().map(|job| {
        let words: Vec<&str> = job.split(' ').collect();
        let fault = match (words[1], words[2]) {
            ("litemigrate", "honest") => words[3],
            ("litemigrate", lie) => lie,
            (mistake, _) => mistake,
        };
        order(job, Some(fault.to_owned()))
    }));
    if !quick {
        orders.extend(jobs::without_mistakes().iter().map(|job| order(job, None)));
    }
    let mut good = carry_out(&orders)?;
    if !quick {
        good &= find_planted(target)?;
    }
    println!("{} s", clock.elapsed().as_secs());
    Ok(good)
}

/// The faults in litemigrate's own source, built one after the other in the same place.
fn find_planted(target: &Path) -> Result<bool, String> {
    let mut good = true;
    for planted in &planted::PLANTED {
        let program = planted::build(planted, target)?;
        let fault = Some(planted.name.to_owned());
        let job = planted.job.to_owned();
        good &= carry_out(&[Order {
            program,
            job,
            fault,
        }])?;
    }
    Ok(good)
}

/// Does the jobs, on each processor one. Prints what they explored.
fn carry_out(orders: &[Order]) -> Result<bool, String> {
    let next = Mutex::new(0..orders.len());
    let ended: Mutex<Vec<(usize, Ended)>> = Mutex::new(Vec::new());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let worker = || -> Result<(), String> {
            loop {
                let Some(number) = next.lock().map_err(|e| e.to_string())?.next() else {
                    return Ok(());
                };
                let one = run(&orders[number])?;
                ended.lock().map_err(|e| e.to_string())?.push((number, one));
            }
        };
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            let result = worker.join();
            result.unwrap_or_else(|_| Err("a worker panicked".to_owned()))
        })
    })?;
    let mut ended = ended.into_inner().map_err(|e| e.to_string())?;
    ended.sort_by_key(|(number, _)| *number);
    let mut good = true;
    let mut states = std::collections::BTreeMap::new();
    for (number, one) in ended {
        let order = &orders[number];
        match &order.fault {
            None => {
                let part = order.job.split(' ').next().unwrap_or_default();
                *states.entry(part.to_owned()).or_insert(0) += one.states;
                if one.found {
                    good = false;
                    println!("{}:\n{}", order.job, one.output.trim_end());
                }
            }
            Some(fault) if one.found => {
                println!("planted: {fault}: found after {} states", one.states)
            }
            Some(fault) => {
                good = false;
                println!(
                    "planted: {fault}: NOT FOUND by `{}`\n{}",
                    order.job, one.output
                );
            }
        }
    }
    for (part, count) in states {
        println!("{part}: {count} states explored");
    }
    Ok(good)
}

fn run(order: &Order) -> Result<Ended, String> {
    let output = Command::new(&order.program)
        .args(order.job.split(' '))
        // A simulated machine is small and made anew for each state: memory that glibc
        // gives back and takes again costs a fifth of the time.
        .env("MALLOC_TRIM_THRESHOLD_", "1000000000")
        .output()
        .map_err(|error| format!("{}: {error}", order.program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let states = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("states ")?.parse().ok());
    // 1: explored, and something is wrong. Whatever else it is, it is no finding.
    match (output.status.code(), states) {
        (Some(0 | 1), Some(states)) => Ok(Ended {
            found: output.status.code() == Some(1),
            states,
            output: text,
        }),
        _ => Err(format!(
            "`{}` broke down:\n{text}{}",
            order.job,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
