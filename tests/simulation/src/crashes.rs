//! Power cuts: after every change of the disk, with everything that may be left of it.
//!
//! Owns which cuts are tried. Between two changes nothing can be left that was not left
//! after the first of them, so these are the cuts after every call.

use crate::cases::Case;
use crate::disk::{Choice, Durable, Image, Random, fingerprint};
use crate::fault::Lies;
use crate::judge::{Explored, Ran, check_good_run, survive};
use crate::subject::Subject;
use std::collections::HashSet;

/// How much is tried.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Up to 2^few subsets are tried all.
    pub few: u32,
    /// Of more subsets this many, beside the extremes.
    pub many: u32,
    /// Every how many cuts one is made.
    pub stride: usize,
}

pub fn explore(
    subject: Subject,
    case: &Case,
    lies: Lies,
    effort: Effort,
    limit: usize,
) -> Explored {
    let mut explored = Explored::until(limit);
    let ran = match check_good_run(subject, case, lies) {
        Ok(ran) => ran,
        Err(message) => {
            explored.note(|| format!("run {}", case.name), Err(message));
            return explored;
        }
    };
    let log = std::mem::take(&mut ran.world.state().disk.log);
    let mut durable = Durable::of(&case.before);
    let mut seen = HashSet::new();
    for position in 0..=log.len() {
        if position > 0 {
            durable.follow(&log[position - 1]);
        }
        if position % effort.stride != 0 {
            continue;
        }
        let announced = ran.announced_at(position);
        for (choice, image) in durable.images(effort.few, effort.many, position as u64) {
            if !seen.insert((fingerprint(&image), announced)) {
                continue;
            }
            let replay = || format!("cut {} {position} {choice}", case.name);
            match survive(subject, case, &image, announced) {
                Err(message) => {
                    if !explored.note(replay, Err(message)) {
                        return explored;
                    }
                }
                Ok(next) => {
                    explored.note(replay, Ok(()));
                    let again = seen.len() % 8 == 0;
                    if again
                        && !cut_again(
                            subject,
                            case,
                            &image,
                            &next,
                            announced,
                            &mut explored,
                            replay,
                        )
                    {
                        return explored;
                    }
                }
            }
        }
    }
    explored
}

/// The run after the power cut is cut, too.
fn cut_again(
    subject: Subject,
    case: &Case,
    image: &Image,
    next: &Ran,
    announced: usize,
    explored: &mut Explored,
    first: impl Fn() -> String,
) -> bool {
    let log = std::mem::take(&mut next.world.state().disk.log);
    let mut random = Random::new(fingerprint(image));
    for _ in 0..2 {
        let position = random.below(log.len() as u64 + 1) as usize;
        let mut durable = Durable::of(image);
        log[..position]
            .iter()
            .for_each(|change| durable.follow(change));
        let choice = Choice::Seed(position as u64);
        let announced = announced + next.announced_at(position);
        let result = survive(subject, case, &durable.image(&choice), announced).map(|_| ());
        if !explored.note(|| format!("{} {position} {choice}", first()), result) {
            return false;
        }
    }
    true
}

/// One cut, or one and another in the run after it.
pub fn replay(subject: Subject, case: &Case, lies: Lies, words: &[&str]) -> Result<(), String> {
    let mut ran = check_good_run(subject, case, lies)?;
    let mut image = case.before.clone();
    let mut announced = 0;
    for pair in words.chunks(2) {
        let [position, choice] = pair else {
            return Err("a position and a choice belong together".to_owned());
        };
        let position: usize = position.parse().map_err(|_| "no position".to_owned())?;
        let choice: Choice = choice.parse()?;
        let log = std::mem::take(&mut ran.world.state().disk.log);
        let mut durable = Durable::of(&image);
        for (number, change) in log.iter().enumerate() {
            if number < position {
                durable.follow(change);
            }
            if number + 12 > position && number <= position {
                println!("{}: {}", number + 1, brief(change));
            }
        }
        announced += ran.announced_at(position);
        image = durable.image(&choice);
        for (name, content) in &image {
            println!("left: {name}, {} bytes", content.len());
        }
        ran = survive(subject, case, &image, announced)?;
    }
    Ok(())
}

fn brief(change: &crate::disk::Change) -> String {
    match change {
        crate::disk::Change::Write { file, offset, data } => {
            format!(
                "Write {{ file: {file}, offset: {offset}, {} bytes }}",
                data.len()
            )
        }
        other => format!("{other:?}"),
    }
}
