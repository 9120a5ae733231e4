//! The rows of README's table.

use crate::Measured;
use crate::place::{Stage, called};
use crate::workloads::{Told, Workload};
use oracle::Who;
use oracle::measure::PATIENCE;

pub fn row(workload: &Workload, stage: &Stage, measured: &[Measured]) -> Option<String> {
    let told = workload.told.as_ref()?;
    let ours = &measured[0];
    let mut cells = vec![String::from(workload.name)];
    for who in [Who::Sqlx, Who::Fork, Who::Shell] {
        let index = stage
            .runners
            .iter()
            .position(|(name, _)| name == called(who));
        cells.push(match index.map(|index| &measured[index]) {
            None => String::from("–"),
            Some(theirs) if theirs.costs.is_empty() => {
                format!("more than {} s", PATIENCE.as_secs())
            }
            Some(theirs) => {
                let wall = theirs.ratio(ours, |cost| cost.wall);
                let cpu = theirs.ratio(ours, |cost| cost.cpu);
                format!("{}, {}", short(wall), short(cpu))
            }
        });
    }
    let walls = ours.costs.iter().map(|cost| cost.wall);
    // The others of a busy machine make it longer, never shorter.
    let seconds = walls.fold(f64::INFINITY, f64::min);
    let mut cell = match seconds < 0.1 {
        true => format!("{} ms", short(seconds * 1e3)),
        false => format!("{} s", short(seconds)),
    };
    match told {
        Told::CallsInstructionsWrites => {
            let calls = ours.counts.calls.map(thousands).unwrap_or_default();
            let instructions = short(ours.counts.instructions.unwrap_or_default() / 1e6);
            let writes = ours.counts.writes;
            cell +=
                &format!(", {calls} system calls, {instructions} M instructions, {writes} writes");
        }
        Told::Syncs => cell += &format!(", {} syncs", thousands(ours.counts.syncs)),
        Told::Memory => {
            let megabytes = ours.median(|cost| cost.peak_kib / 1024.0);
            cell += &format!(", {} MB of memory", short(megabytes));
        }
    }
    cells.push(cell);
    Some(format!("| {} |", cells.join(" | ")))
}

/// Two digits that count.
fn short(value: f64) -> String {
    match value {
        value if value < 0.995 => format!("{value:.2}"),
        value if value < 9.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn thousands(count: usize) -> String {
    match count {
        0..1_000 => count.to_string(),
        _ => format!("{},{:03}", count / 1_000, count % 1_000),
    }
}
