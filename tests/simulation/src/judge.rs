//! What must be true of a database, whatever happened to it.
//!
//! Owns the promises: whole, a state that a prefix of the scripts makes, nothing that was
//! announced missing, and the next run completes.

use crate::cases::{Case, DATABASE, Held, State, held};
use crate::disk::{Change, Image};
use crate::fault::Lies;
use crate::scripts::{Action, Found};
use crate::subject::Subject;
use crate::vfs;
use crate::world::World;
use litemigrate::rusqlite::Connection;
use std::sync::Arc;

/// What was explored, and what was wrong.
pub struct Explored {
    pub states: u64,
    pub failures: Vec<Failure>,
    /// After so many failures nothing more is explored.
    limit: usize,
}

/// Something that must not be, and the argument that shows it again.
pub struct Failure {
    pub replay: String,
    pub message: String,
}

impl Explored {
    pub fn until(limit: usize) -> Self {
        Self {
            states: 0,
            failures: Vec::new(),
            limit,
        }
    }

    /// Notes what one state showed; whether to go on.
    pub fn note(&mut self, replay: impl FnOnce() -> String, result: Result<(), String>) -> bool {
        self.states += 1;
        if let Err(message) = result {
            let replay = replay();
            self.failures.push(Failure { replay, message });
        }
        self.failures.len() < self.limit
    }
}

/// A run by the only process of a machine.
pub struct Ran {
    pub world: Arc<World>,
    /// How long the disk's log was when each step was announced.
    pub announced: Vec<usize>,
    pub said: Result<crate::subject::Said, String>,
}

impl Ran {
    /// How many steps were announced before a change of the disk.
    pub fn announced_at(&self, position: usize) -> usize {
        self.announced.iter().filter(|at| **at <= position).count()
    }
}

pub fn run(subject: Subject, case: &Case, world: &Arc<World>) -> Ran {
    vfs::seed();
    let mut announced = Vec::new();
    let said =
        world.alone(|| subject.run(case, &mut |_| announced.push(world.state().disk.log.len())));
    Ran {
        world: Arc::clone(world),
        announced,
        said,
    }
}

/// Without any fault, a run completes, and the next one has nothing to do and writes
/// nothing.
pub fn check_good_run(subject: Subject, case: &Case, lies: Lies) -> Result<Ran, String> {
    let world = case.world(&case.before, lies);
    let ran = run(subject, case, &world);
    let said = ran.said.clone()?;
    if !said.success {
        return Err(format!("the run failed: {}", said.text));
    }
    let state = look(case, &world)?;
    if state != *case.last() {
        return Err(format!("the run succeeded after {} steps", state.steps));
    }
    let steps = case.last().steps;
    if ran.announced.len() != steps {
        return Err(format!("{steps} steps, {} announced", ran.announced.len()));
    }
    if case.action == Action::Restore {
        return Ok(ran);
    }
    let again = case.world(&world.state().disk.seen(), lies);
    run(subject, case, &again);
    let log = std::mem::take(&mut again.state().disk.log);
    let writes =
        |change: &&Change| matches!(change, Change::Write { .. } | Change::Truncate { .. });
    match log.iter().find(writes) {
        Some(change) if subject == Subject::Litemigrate => {
            Err(format!("a run with nothing to do writes: {change:?}"))
        }
        _ => Ok(ran),
    }
}

/// A new process looks: the database is whole, and in one of the states.
pub fn look(case: &Case, world: &Arc<World>) -> Result<State, String> {
    let found = world.alone(|| {
        let connection = case.open()?;
        inspect(&connection)
    });
    if case.found == Some(Found::Damaged) && !matches!(&found, Ok((ok, _)) if ok == "ok") {
        // To the byte, or it is half replaced.
        let disk = world.state().disk.seen();
        return match disk.get(DATABASE) == case.before.get(DATABASE) {
            true => Ok(case.states[0].clone()),
            false => Err("neither the damaged database nor the backup".to_owned()),
        };
    }
    let (integrity, held) = found.map_err(|error| format!("it cannot be read: {error}"))?;
    if integrity != "ok" {
        return Err(integrity);
    }
    case.place(&held).cloned()
}

pub fn inspect(connection: &Connection) -> litemigrate::rusqlite::Result<(String, Held)> {
    let text = |query: &str| connection.query_row(query, [], |row| row.get::<_, String>(0));
    let mut integrity =
        text("SELECT group_concat(integrity_check, '; ') FROM pragma_integrity_check")?;
    let orphans = "SELECT count(*) FROM pragma_foreign_key_check";
    if connection.query_row(orphans, [], |row| row.get::<_, i64>(0))? > 0 {
        integrity = "rows that refer to nothing".to_owned();
    }
    Ok((integrity, held(connection)?))
}

/// After a power cut: what is left, and whether the next run completes.
pub fn survive(
    subject: Subject,
    case: &Case,
    image: &Image,
    announced: usize,
) -> Result<Ran, String> {
    let state = look(case, &case.world(image, Lies::default()))?;
    if state.steps < announced {
        return Err(format!(
            "{announced} steps were announced, {} are there",
            state.steps
        ));
    }
    let world = case.world(image, Lies::default());
    let ran = run(subject, case, &world);
    complete(case, &ran, &state)?;
    Ok(ran)
}

/// The next run has done what was left to do.
pub fn complete(case: &Case, next: &Ran, state: &State) -> Result<(), String> {
    let said = next.said.clone()?;
    if !said.success {
        return Err(format!("the next run failed: {}", said.text));
    }
    let end = look(case, &next.world)?;
    if end != *case.last() {
        return Err(format!("the next run succeeded after {} steps", end.steps));
    }
    let (steps, announced) = (case.last().steps - state.steps, next.announced.len());
    // A restore copies whatever is there.
    if steps != announced && case.action != Action::Restore {
        return Err(format!(
            "the next run did {steps} steps and announced {announced}"
        ));
    }
    Ok(())
}
