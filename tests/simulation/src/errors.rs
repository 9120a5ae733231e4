//! Calls that fail: each call of a run, once and from then on, with each of its errors.
//!
//! Owns which calls fail, and what is true of what a run then says.

use crate::cases::Case;
use crate::disk::{Choice, Durable};
use crate::fault::{Fault, Lies, Span};
use crate::judge::{Explored, check_good_run, complete, look, run, survive};
use crate::subject::Subject;

const SPANS: [Span; 3] = [Span::Once, Span::Kind, Span::Every];

pub fn explore(subject: Subject, case: &Case, lies: Lies, stride: usize, limit: usize) -> Explored {
    let mut explored = Explored::until(limit);
    let ran = match check_good_run(subject, case, lies) {
        Ok(ran) => ran,
        Err(message) => {
            explored.note(|| format!("run {}", case.name), Err(message));
            return explored;
        }
    };
    let calls = calls_of_a_run(subject, case, lies);
    drop(ran);
    for at in (0..calls.len()).step_by(stride) {
        for error in 0..calls[at].errors().len() {
            for (number, span) in SPANS.into_iter().enumerate() {
                let fault = Fault { at, error, span };
                let result = fail(subject, case, lies, fault, false);
                let replay = || format!("error {} {at} {error} {number}", case.name);
                if !explored.note(replay, result) {
                    return explored;
                }
            }
        }
    }
    explored
}

fn calls_of_a_run(subject: Subject, case: &Case, lies: Lies) -> Vec<crate::fault::Call> {
    let world = case.world(&case.before, lies);
    run(subject, case, &world);
    let calls = std::mem::take(&mut world.state().calls);
    calls.into_iter().map(|(_, call)| call).collect()
}

fn fail(subject: Subject, case: &Case, lies: Lies, fault: Fault, tell: bool) -> Result<(), String> {
    let world = case.world(&case.before, lies);
    world.fail(fault);
    let ran = run(subject, case, &world);
    let failed = world.state().failed;
    world.heal();
    let announced = ran.announced.len();
    if tell {
        println!(
            "{failed:?} fails; {announced} announced; said: {:?}",
            ran.said
        );
    }
    // A power cut right after it: what was announced is durable, unless the disk goes on
    // failing to sync, and promises nothing.
    if fault.span == Span::Once {
        let log = std::mem::take(&mut world.state().disk.log);
        let mut durable = Durable::of(&case.before);
        log.iter().for_each(|change| durable.follow(change));
        for choice in [
            Choice::Extreme(0),
            Choice::Extreme(3),
            Choice::Seed(fault.at as u64),
        ] {
            survive(subject, case, &durable.image(&choice), announced)
                .map_err(|message| format!("{failed:?} failed, then a power cut: {message}"))?;
        }
    }
    let in_words = |message: String| format!("{failed:?} failed: {message}; said: {:?}", ran.said);
    let state = look(case, &world).map_err(in_words)?;
    if state.steps < announced {
        let message = format!("{announced} announced, {} there", state.steps);
        return Err(in_words(message));
    }
    if let Ok(said) = &ran.said {
        if said.success && state != *case.last() {
            return Err(in_words(format!("success after {} steps", state.steps)));
        }
        let newest = state.held.history.last().map(|row| row.0);
        // Who can no longer read cannot know. To say so is true; to say so needlessly is not.
        let can_know = match fault.span {
            Span::Once if said.unsure && said.newest.is_some() => {
                return Err(in_words("needlessly unsure".to_owned()));
            }
            Span::Once => !said.unsure,
            Span::Kind => failed.is_none_or(|call| !call.is_needed_to_read()) && !said.unsure,
            Span::Every => false,
        };
        if let Some(told) = said.newest
            && told != newest
            && can_know
        {
            return Err(in_words(format!(
                "said to be at {told:?}, is at {newest:?}"
            )));
        }
        // At least these: the one that failed may have been done before it failed.
        if let Some(kept) = said.kept
            && can_know
            && state.steps == announced
            && state.statements < kept
        {
            let message = format!("{kept} statements kept, {} there", state.statements);
            return Err(in_words(message));
        }
        // What failed without a word about the history changed nothing that was not announced.
        if !said.success
            && can_know
            && said.newest.is_none()
            && state.steps > announced
            && subject == Subject::Litemigrate
        {
            return Err(in_words(format!(
                "{announced} announced, {} there",
                state.steps
            )));
        }
    }
    let next = run(subject, case, &world);
    complete(case, &next, &state).map_err(in_words)
}

pub fn replay(subject: Subject, case: &Case, lies: Lies, words: &[&str]) -> Result<(), String> {
    let numbers: Option<Vec<usize>> = words.iter().map(|word| word.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[at, error, span]) if span < 3 => {
            let span = SPANS[span];
            fail(subject, case, lies, Fault { at, error, span }, true)
        }
        _ => Err(
            "a call, an error and a span (0 once, 1 its kind, 2 every) belong together".to_owned(),
        ),
    }
}
