//! Which explorations are made, each in a process of its own: SQLite's random numbers are
//! one for a whole process, and a schedule must be the same when it is replayed.
//!
//! Owns the lists, long and short, and the words by which a job is named.

use crate::cases::Case;
use crate::crashes::{self, Effort};
use crate::errors;
use crate::fault::Lies;
use crate::interleavings::{self, Bounds, MEETINGS};
use crate::judge::Explored;
use crate::subject::{MISTAKES, Mistake, Subject};

/// `PART SUBJECT LIES` and what the part needs: the arguments of this program.
pub type Job = String;

pub fn all(quick: bool) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut add = |job: String| jobs.push(job);
    // The long ones first, so that no processor is idle at the end.
    if !quick {
        for case in ["short/delete", "short/wal", "rebuild/delete", "rebuild/wal"] {
            add(format!("meet litemigrate honest two-runs {case} 3 200"));
            add(format!("meet litemigrate honest three-runs {case} 2 8"));
            add(format!(
                "meet litemigrate honest run-and-application {case} 2 1"
            ));
            add(format!(
                "meet litemigrate honest run-and-reader {case} 3 200"
            ));
            add(format!(
                "meet litemigrate honest two-runs-and-application {case} 2 4"
            ));
        }
        for case in ["outside/delete", "outside/wal"] {
            add(format!("meet litemigrate honest two-runs {case} 2 1"));
        }
        for case in ["up-and-restore/delete", "up-and-restore/wal"] {
            add(format!(
                "meet litemigrate honest run-and-restore {case} 2 1"
            ));
            add(format!(
                "meet litemigrate honest restore-and-run {case} 2 1"
            ));
        }
        for case in [
            "repair/delete",
            "repair/wal",
            "baseline/delete",
            "baseline/wal",
        ] {
            add(format!("meet litemigrate honest two-runs {case} 2 1"));
            add(format!("meet litemigrate honest run-and-reader {case} 2 1"));
        }
        for case in ["together/delete", "together/wal", "down/delete", "down/wal"] {
            add(format!("meet litemigrate honest two-runs {case} 2 1"));
            add(format!("meet litemigrate honest run-and-reader {case} 2 1"));
        }
    } else {
        add("meet litemigrate honest two-runs rebuild/delete 2 6".to_owned());
        add("meet litemigrate honest two-runs short/wal 2 6".to_owned());
        add("meet litemigrate honest run-and-application short/wal 1 1".to_owned());
        add("meet litemigrate honest run-and-reader short/delete 1 1".to_owned());
        add("meet litemigrate honest two-runs outside/wal 1 3".to_owned());
        add("meet litemigrate honest run-and-restore up-and-restore/delete 1 3".to_owned());
        add("meet litemigrate honest two-runs repair/delete 1 1".to_owned());
    }
    for case in Case::all(quick) {
        let (few, many, cuts, calls) = match (quick, case.name.starts_with("large")) {
            (true, true) => (2, 1, 7, 7),
            (true, false) => (3, 2, 1, 2),
            (false, true) => (8, 60, 1, 1),
            (false, false) => (10, 100, 1, 1),
        };
        add(format!(
            "crashes litemigrate honest {} {few} {many} {cuts}",
            case.name
        ));
        add(format!("errors litemigrate honest {} {calls}", case.name));
    }
    jobs
}

/// What finds each planted fault. The first word of the job's subject or lies is the fault.
pub const PLANTED: [&str; 20] = [
    "crashes RowAfterwards honest short/delete 6 20 1",
    "crashes RowBeforehand honest short/wal 6 20 1",
    "crashes Autocommit honest short/delete 6 20 1",
    "meet NoSecondLook honest two-runs short/delete 1 1",
    "crashes SynchronousFull honest short/delete 6 20 1",
    "crashes SynchronousNormal honest short/wal 6 20 1",
    "crashes SynchronousOff honest large/delete 6 20 1",
    "crashes JournalInMemory honest large/delete 6 20 1",
    "crashes AnnouncedEarly honest short/delete 6 20 1",
    "errors CommitErrorIgnored honest short/delete 1",
    "errors StatementErrorIgnored honest large/delete 1",
    "crashes KeysLeftOff honest rebuild/delete 6 20 1",
    "meet DeferredBegin honest run-and-application short/wal 1 1",
    "meet NoPatience honest two-runs short/delete 1 1",
    "meet NoPatienceAtCommit honest run-and-reader short/delete 2 1",
    "meet litemigrate honest run-and-hasty-reader short/delete 2 1",
    "crashes litemigrate sync short/delete 6 20 1",
    "crashes litemigrate directory-sync short/delete 6 20 1",
    "crashes litemigrate sync-after-removal short/delete 6 20 1",
    "meet litemigrate locks two-runs short/delete 1 1",
];

/// The same without the mistake: what finds nothing where there is nothing.
pub fn without_mistakes() -> Vec<Job> {
    let mut jobs: Vec<Job> = PLANTED
        .iter()
        .filter(|job| {
            MISTAKES
                .iter()
                .any(|mistake| job.contains(&format!(" {mistake:?} ")))
        })
        .map(|job| {
            let mut words: Vec<&str> = job.split(' ').collect();
            words[1] = "None";
            words.join(" ")
        })
        .collect();
    jobs.sort();
    jobs.dedup();
    jobs
}

fn subject(word: &str) -> Option<Subject> {
    let named = |mistake: &&Mistake| format!("{mistake:?}") == word;
    match word {
        "litemigrate" => Some(Subject::Litemigrate),
        "None" => Some(Subject::Naive(Mistake::None)),
        _ => MISTAKES
            .iter()
            .find(named)
            .map(|mistake| Subject::Naive(*mistake)),
    }
}

fn lies(word: &str) -> Option<Lies> {
    let mut lies = Lies::default();
    match word {
        "honest" => {}
        "sync" => lies.sync = true,
        "directory-sync" => lies.directory_sync = true,
        "sync-after-removal" => lies.directory_sync_after_removal = true,
        "locks" => lies.locks = true,
        _ => return None,
    }
    Some(lies)
}

/// Does a job until so many failures; each can be replayed with its words.
pub fn perform(words: &[&str], limit: usize) -> Result<Explored, String> {
    let [part, who, how, rest @ ..] = words else {
        return Err("no such job".to_owned());
    };
    let subject = subject(who).ok_or("no such subject")?;
    let lies = lies(how).ok_or("no such lies")?;
    let case = |name: &str| Case::named(name).ok_or(format!("no such case as {name}"));
    let number = |word: &str| {
        word.parse::<u32>()
            .map_err(|_| format!("{word} is no number"))
    };
    let mut explored = match (*part, rest) {
        ("crashes", [name, few, many, stride]) => {
            let effort = Effort {
                few: number(few)?,
                many: number(many)?,
                stride: number(stride)? as usize,
            };
            crashes::explore(subject, &case(name)?, lies, effort, limit)
        }
        ("errors", [name, stride]) => {
            errors::explore(subject, &case(name)?, lies, number(stride)? as usize, limit)
        }
        ("meet", [meeting, name, preemptions, stride]) => {
            let found = MEETINGS.into_iter().find(|known| known.name == *meeting);
            let bounds = Bounds {
                preemptions: number(preemptions)? as usize,
                stride: u64::from(number(stride)?),
            };
            let meeting = found.ok_or("no such meeting")?;
            interleavings::explore(subject, &case(name)?, lies, meeting, bounds, limit)
        }
        ("run", [name]) => crashes::explore(subject, &case(name)?, lies, NOTHING, limit),
        ("cut", [name, rest @ ..]) => once(crashes::replay(subject, &case(name)?, lies, rest)),
        ("error", [name, rest @ ..]) => once(errors::replay(subject, &case(name)?, lies, rest)),
        ("schedule", rest) => once(interleavings::replay(subject, lies, rest)),
        _ => return Err("no such job".to_owned()),
    };
    for failure in &mut explored.failures {
        let (verb, rest) = failure
            .replay
            .split_once(' ')
            .unwrap_or((&failure.replay, ""));
        failure.replay = format!("{verb} {who} {how} {rest}");
    }
    Ok(explored)
}

const NOTHING: Effort = Effort {
    few: 0,
    many: 0,
    stride: usize::MAX,
};

fn once(result: Result<(), String>) -> Explored {
    let mut explored = Explored::until(1);
    explored.note(|| "this".to_owned(), result);
    explored
}
