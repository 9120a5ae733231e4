//! Several processes at once: every schedule with a few preemptions.
//!
//! Owns who meets whom, and what is true of all of them together. A process runs until it
//! waits for a lock or ends; a preemption takes the turn from it before a call that others
//! can notice. Other points in between lead to the same meetings.

use crate::cases::{Case, held};
use crate::disk::{Choice, Durable, Random};
use crate::fault::{Call, Lies};
use crate::judge::{Explored, complete, inspect, look, run};
use crate::subject::{Said, Subject, restored};
use crate::world::World;
use litemigrate::internals::read_history;
use litemigrate::rusqlite::{self, Connection};
use std::sync::Arc;

/// Who meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    Run,
    /// Copies the backup back.
    Restore,
    /// Writes rows of its own.
    Application,
    /// Plans on a connection of its own, again and again.
    Reader,
    /// The same, but reads history and schema in two transactions: a mistake.
    HastyReader,
}

#[derive(Debug, Clone, Copy)]
pub struct Meeting {
    pub name: &'static str,
    pub processes: &'static [Process],
}

pub const MEETINGS: [Meeting; 8] = [
    Meeting {
        name: "two-runs",
        processes: &[Process::Run, Process::Run],
    },
    Meeting {
        name: "run-and-application",
        processes: &[Process::Run, Process::Application],
    },
    Meeting {
        name: "run-and-reader",
        processes: &[Process::Run, Process::Reader],
    },
    Meeting {
        name: "three-runs",
        processes: &[Process::Run, Process::Run, Process::Run],
    },
    Meeting {
        name: "two-runs-and-application",
        processes: &[Process::Run, Process::Application, Process::Run],
    },
    Meeting {
        name: "run-and-restore",
        processes: &[Process::Run, Process::Restore],
    },
    Meeting {
        name: "restore-and-run",
        processes: &[Process::Restore, Process::Run],
    },
    Meeting {
        name: "run-and-hasty-reader",
        processes: &[Process::Run, Process::HastyReader],
    },
];

/// What a process did.
struct Done {
    /// How long the disk's log was when a step was announced, and which version it was.
    announced: Vec<(usize, i64)>,
    /// Of a run, what it said.
    said: Option<Said>,
    /// Of an application, how many rows it committed.
    rows: i64,
}

/// How far it goes.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub preemptions: usize,
    /// Of the schedules with that many, every how many is tried; all with fewer.
    pub stride: u64,
}

pub fn explore(
    subject: Subject,
    case: &Case,
    lies: Lies,
    meeting: Meeting,
    bounds: Bounds,
    limit: usize,
) -> Explored {
    let mut explored = Explored::until(limit);
    let mut random = Random::new(7);
    let mut open: Vec<Vec<(usize, usize)>> = vec![Vec::new()];
    while let Some(schedule) = open.pop() {
        let world = case.world(&case.before, lies);
        let result = meet(subject, case, &world, meeting, &schedule);
        let replay = || {
            let points: Vec<String> = schedule
                .iter()
                .map(|(call, process)| format!("{call}:{process}"))
                .collect();
            format!(
                "schedule {} {} {}",
                meeting.name,
                case.name,
                points.join(" ")
            )
        };
        if !explored.note(replay, result) {
            return explored;
        }
        if schedule.len() == bounds.preemptions {
            continue;
        }
        let calls = std::mem::take(&mut world.state().calls);
        let from = schedule.last().map_or(0, |(call, _)| call + 1);
        for (at, (process, call)) in calls.iter().enumerate().skip(from) {
            if !call.is_visible() {
                continue;
            }
            for other in 0..meeting.processes.len() {
                let runs_later = calls[at..].iter().any(|(later, _)| *later == other);
                if other == *process || !runs_later {
                    continue;
                }
                if schedule.len() + 1 == bounds.preemptions && random.below(bounds.stride) != 0 {
                    continue;
                }
                let mut longer = schedule.clone();
                longer.push((at, other));
                open.push(longer);
            }
        }
    }
    explored
}

fn meet(
    subject: Subject,
    case: &Case,
    world: &Arc<World>,
    meeting: Meeting,
    schedule: &[(usize, usize)],
) -> Result<(), String> {
    crate::vfs::seed();
    let processes = meeting.processes.iter().enumerate().map(|(me, process)| {
        let work: Box<dyn FnOnce() -> Result<Done, String> + Send + '_> = match process {
            Process::Run => Box::new(|| Ok(one_run(subject, case, world))),
            Process::Restore => Box::new(|| Ok(one_restore(case, world))),
            Process::Application => Box::new(move || {
                application(case, me as i64).map_err(|e| format!("application: {e}"))
            }),
            Process::Reader => Box::new(|| reader(case, true)),
            Process::HastyReader => Box::new(|| reader(case, false)),
        };
        work
    });
    let done: Result<Vec<Done>, String> = world
        .run(processes.collect(), schedule)
        .into_iter()
        .collect();
    let done = done?;
    if meeting.processes.contains(&Process::Restore) {
        judge_restore(subject, case, world, &done)?;
        return cut_somewhere(case, world, &[], schedule);
    }
    // Each step exactly once, by whomever, and every run ended well.
    let mut announced: Vec<i64> = Vec::new();
    for (number, process) in done.iter().enumerate() {
        announced.extend(process.announced.iter().map(|(_, version)| version));
        if let Some(said) = &process.said
            && !said.success
        {
            return Err(format!("process {number}, a run, failed: {}", said.text));
        }
    }
    let state = look(case, world)?;
    if state != *case.last() {
        return Err(format!("after all of them {} steps are done", state.steps));
    }
    announced.sort_unstable();
    let steps = case.last().steps;
    if announced.len() != steps || announced.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(format!("{steps} steps, announced {announced:?}"));
    }
    let rows: i64 = done.iter().map(|process| process.rows).sum();
    let found = world
        .alone(|| rows_of_application(case))
        .map_err(|e| e.to_string())?;
    if rows != found {
        return Err(format!(
            "the application committed {rows} rows, {found} are there"
        ));
    }
    cut_somewhere(case, world, &done, schedule)
}

/// A run and a restore: both end well, and what is there then is what the one that wrote
/// last made of what the other left.
fn judge_restore(
    subject: Subject,
    case: &Case,
    world: &Arc<World>,
    done: &[Done],
) -> Result<(), String> {
    let mut restored_at = None;
    for process in done {
        if let Some(said) = &process.said
            && !said.success
        {
            return Err(format!("a process failed: {}", said.text));
        }
        let restored = process.announced.iter().find(|(_, version)| *version == 0);
        restored_at = restored_at.or(restored.map(|(at, _)| *at));
    }
    let restored_at = restored_at.ok_or("the restore was not announced")?;
    let state = look(case, world)?;
    let announced = done.iter().flat_map(|process| &process.announced);
    let ran_later = announced
        .filter(|(at, version)| *at > restored_at && *version != 0)
        .count();
    if ran_later > 0 && state != *case.last() {
        return Err(format!(
            "the run went on, and {} steps are done",
            state.steps
        ));
    }
    let next = run(subject, case, world);
    complete(case, &next, &state)
}

/// The machine's power was cut during all this.
fn cut_somewhere(
    case: &Case,
    world: &Arc<World>,
    done: &[Done],
    schedule: &[(usize, usize)],
) -> Result<(), String> {
    let log = std::mem::take(&mut world.state().disk.log);
    let seed = schedule.iter().fold(1, |seed, (call, process)| {
        (seed * 31 + *call as u64) * 7 + *process as u64
    });
    let position = Random::new(seed).below(log.len() as u64 + 1) as usize;
    let mut durable = Durable::of(&case.before);
    log[..position]
        .iter()
        .for_each(|change| durable.follow(change));
    let image = durable.image(&Choice::Seed(seed));
    let points = done.iter().flat_map(|process| &process.announced);
    let announced = points.filter(|(at, _)| *at <= position).count();
    let cut = |message: String| format!("power cut at {position}, seed {seed}: {message}");
    let state = look(case, &case.world(&image, Lies::default())).map_err(cut)?;
    match state.steps < announced {
        true => Err(cut(format!("{announced} announced, {} there", state.steps))),
        false => Ok(()),
    }
}

fn one_run(subject: Subject, case: &Case, world: &Arc<World>) -> Done {
    let mut announced = Vec::new();
    let said = subject.run(case, &mut |version| {
        announced.push((world.state().disk.log.len(), version));
    });
    Done {
        announced,
        said: Some(said.unwrap_or_else(Said::failed)),
        rows: 0,
    }
}

fn one_restore(case: &Case, world: &Arc<World>) -> Done {
    let mut announced = Vec::new();
    let said = restored(case, &mut |version| {
        announced.push((world.state().disk.log.len(), version));
    });
    Done {
        announced,
        said: Some(said),
        rows: 0,
    }
}

fn application(case: &Case, me: i64) -> rusqlite::Result<Done> {
    let connection = case.open()?;
    for row in 0..2 {
        // A transaction that reads first, as many do, and one that only writes.
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let next: i64 =
            connection.query_row("SELECT count(*) FROM app_log", [], |row| row.get(0))?;
        connection.execute("INSERT INTO app_log VALUES (?1, ?2)", (next + 100, me))?;
        connection.execute_batch("COMMIT")?;
        connection.execute("INSERT INTO app_log VALUES (?1, ?2)", (me * 1000 + row, me))?;
    }
    Ok(Done {
        announced: Vec::new(),
        said: None,
        rows: 4,
    })
}

fn rows_of_application(case: &Case) -> rusqlite::Result<i64> {
    let connection = case.open()?;
    let table = "SELECT count(*) FROM sqlite_schema WHERE name = 'app_log'";
    let count = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    match count(table)? {
        0 => Ok(0),
        _ => count("SELECT count(*) FROM app_log"),
    }
}

fn reader(case: &Case, careful: bool) -> Result<Done, String> {
    let failed = |error: rusqlite::Error| format!("reader: {error}");
    let connection = case.open().map_err(failed)?;
    let mut steps = 0;
    for _ in 0..3 {
        // On its own, as `status` does.
        let history = read_history(&connection).map_err(|error| format!("reader: {error}"))?;
        let versions: Vec<i64> = history.iter().map(|row| row.version).collect();
        let known = |state: &&crate::cases::State| {
            let rows = state.held.history.iter().map(|row| row.0);
            rows.eq(versions.iter().copied())
        };
        let state = case
            .states
            .iter()
            .filter(|state| state.steps >= steps)
            .find(known);
        steps = state
            .ok_or(format!("reader: {versions:?} was never the history"))?
            .steps;
        let plan = litemigrate::plan(&case.migrations, &history);
        let pending = plan.pending(None).count();
        if pending + versions.len() != case.steps().len() {
            return Err(format!("reader: {pending} pending after {versions:?}"));
        }
        // History and content together.
        let state = snapshot(&connection, case, careful)?;
        if state < steps {
            return Err(format!("reader: {state} steps after {steps}"));
        }
        steps = state;
    }
    Ok(Done {
        announced: Vec::new(),
        said: None,
        rows: 0,
    })
}

fn snapshot(connection: &Connection, case: &Case, careful: bool) -> Result<usize, String> {
    let failed = |error: rusqlite::Error| format!("reader: {error}");
    let held = if careful {
        connection.execute_batch("BEGIN").map_err(failed)?;
        let (integrity, held) = inspect(connection).map_err(failed)?;
        connection.execute_batch("COMMIT").map_err(failed)?;
        if integrity != "ok" {
            return Err(format!("reader: {integrity}"));
        }
        held
    } else {
        held(connection).map_err(failed)?
    };
    let state = case
        .place(&held)
        .map_err(|message| format!("reader: {message}"))?;
    Ok(state.steps)
}

pub fn replay(subject: Subject, lies: Lies, words: &[&str]) -> Result<(), String> {
    let [meeting, case, points @ ..] = words else {
        return Err("a meeting, a case and the points of a schedule belong together".to_owned());
    };
    let meeting = MEETINGS.into_iter().find(|known| known.name == *meeting);
    let meeting = meeting.ok_or("no such meeting")?;
    let case = Case::named(case).ok_or("no such case")?;
    let schedule: Option<Vec<(usize, usize)>> = points
        .iter()
        .map(|point| {
            let (call, process) = point.split_once(':')?;
            Some((call.parse().ok()?, process.parse().ok()?))
        })
        .collect();
    let schedule = schedule.ok_or("a point is CALL:PROCESS")?;
    let world = case.world(&case.before, lies);
    let result = meet(subject, &case, &world, meeting, &schedule);
    let calls = std::mem::take(&mut world.state().calls);
    let mut last: Option<(usize, Call)> = None;
    for (at, (process, call)) in calls.into_iter().enumerate() {
        if last.is_none_or(|(before, _)| before != process) {
            println!("{at}: process {process}");
        }
        println!("    {call:?}");
        last = Some((process, call));
    }
    result
}
