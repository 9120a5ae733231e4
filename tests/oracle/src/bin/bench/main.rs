//! Whole processes, in turn, so that what is compared ran on the same machine at
//! the same time: ratios to litemigrate, and counts that no machine changes. At the end
//! the rows of README's table.
//!
//! `bench PROGRAM [--without-large] [WORDS]`: PROGRAM is litemigrate, the other two are
//! beside this one; only the workloads whose names have all of WORDS.

mod counts;
mod gigabyte;
mod place;
mod table;
mod workloads;

use counts::Counts;
use oracle::measure::{self, Cost, PATIENCE, cost, median};
use place::{Place, Stage};
use std::path::PathBuf;
use workloads::Workload;

/// What one program cost in all rounds.
pub struct Measured {
    pub costs: Vec<Cost>,
    pub counts: Counts,
}

impl Measured {
    pub fn median(&self, pick: fn(&Cost) -> f64) -> f64 {
        median(self.costs.iter().map(pick).collect())
    }

    /// Ratio to another, the median of pairs.
    pub fn ratio(&self, ours: &Self, pick: fn(&Cost) -> f64) -> f64 {
        let pairs = self.costs.iter().zip(&ours.costs);
        median(
            pairs
                .map(|(theirs, ours)| pick(theirs) / pick(ours).max(1e-6))
                .collect(),
        )
    }
}

fn main() {
    if measure::as_child() {
        return;
    }
    let mut arguments = std::env::args_os().skip(1);
    let program = PathBuf::from(arguments.next().expect("the program"));
    let words: Vec<String> = arguments
        .filter_map(|word| word.into_string().ok())
        .collect();
    let (options, words): (Vec<_>, Vec<_>) = words
        .into_iter()
        .partition(|word| word.starts_with("--without"));
    let place = Place::new(program.canonicalize().expect("a path"));
    println!(
        "ratios to litemigrate, median of pairs; wall time and peak memory; counts by strace and callgrind"
    );
    let mut rows = Vec::new();
    for workload in workloads::all() {
        if !words
            .iter()
            .all(|word| workload.name.contains(word.as_str()))
            || workload.large && !options.is_empty()
        {
            continue;
        }
        let stage = (workload.make)(&place);
        let measured = run(&workload, &stage);
        print(&workload, &stage, &measured);
        rows.extend(table::row(&workload, &stage, &measured));
        drop(stage);
        place.clear();
    }
    place.remove();
    println!("\nREADME's table:\n");
    for row in rows {
        println!("{row}");
    }
}

/// Each program in turn, the first round to warm up.
fn run(workload: &Workload, stage: &Stage) -> Vec<Measured> {
    let mut costs: Vec<Vec<Cost>> = stage.runners.iter().map(|_| Vec::new()).collect();
    let mut out: Vec<bool> = stage.runners.iter().map(|_| false).collect();
    for round in 0..=workload.rounds {
        for (index, (_, command)) in stage.runners.iter().enumerate() {
            if out[index] {
                continue;
            }
            stage.fresh();
            match cost(command).filter(|cost| cost.status == 0) {
                Some(cost) => {
                    // A slow one is not asked so often.
                    let slow = cost.wall > 10.0;
                    if round > 0 || slow {
                        costs[index].push(cost);
                    }
                    out[index] = slow;
                }
                None => out[index] = true,
            }
        }
    }
    let counted = stage.runners.iter().zip(costs);
    counted
        .map(|((_, command), costs)| {
            let mut measured = Measured {
                costs,
                counts: Counts::default(),
            };
            if measured.median(|cost| cost.cpu) < 1.0 {
                stage.fresh();
                measured.counts.calls(command, &stage.log);
            }
            if measured.median(|cost| cost.cpu) < 0.4 {
                stage.fresh();
                measured.counts.instructions(command);
            }
            measured
        })
        .collect()
}

fn print(workload: &Workload, stage: &Stage, measured: &[Measured]) {
    println!("\n{}", workload.name);
    println!(
        "  {:<36} {:>8} {:>8} {:>8} {:>13} {:>11}",
        "", "wall", "CPU", "peak", "wall", "peak"
    );
    let ours = &measured[0];
    for ((name, _), one) in stage.runners.iter().zip(measured) {
        if one.costs.is_empty() {
            println!("  {name:<36} more than {} s, or failed", PATIENCE.as_secs());
            continue;
        }
        println!(
            "  {name:<36} {:>8.2} {:>8.2} {:>8.2} {:>10.1} ms {:>7.1} MB {}",
            one.ratio(ours, |cost| cost.wall),
            one.ratio(ours, |cost| cost.cpu),
            one.ratio(ours, |cost| cost.peak_kib),
            one.median(|cost| cost.wall * 1e3),
            one.median(|cost| cost.peak_kib / 1024.0),
            one.counts
        );
    }
}
