//! Which scripts a run is to run, or why it may not run at all.
//!
//! Owns every refusal that comes before the first write. Writes nothing; reads a
//! script only to say in what it differs from what was applied.

use crate::diagnostics::error::Error;
use crate::diagnostics::problem::{Finding, Problem};
use crate::files::directory;
use crate::files::migration::{Kind, Migration};
use crate::plan::policy::Options;
use crate::plan::{Plan, Policy, State};
use std::collections::VecDeque;

/// The scripts that apply what is pending, oldest first.
///
/// # Errors
///
/// [`Error::NoSuchVersion`] if no file has the version to stop after;
/// [`Error::Refused`] with every problem of the plan; [`Error::Unusable`] if a
/// script cannot be part of the single transaction that was asked for.
pub fn to_apply<'a>(
    migrations: &'a [Migration],
    plan: &Plan<'_>,
    options: &Options,
) -> Result<VecDeque<&'a Migration>, Error> {
    refuse_unknown_target(migrations, options.to)?;
    refuse_problems(plan, &options.policy)?;
    let versions: Vec<i64> = plan.pending(options.to).map(|m| m.version).collect();
    let is_pending = |migration: &&Migration| {
        migration.kind != Kind::Down && versions.binary_search(&migration.version).is_ok()
    };
    let mut targets: Vec<&Migration> = migrations.iter().filter(is_pending).collect();
    targets.sort_by_key(|migration| migration.version);
    if let Some(twice) = targets
        .windows(2)
        .find(|two| two[0].version == two[1].version)
    {
        let message = format!("has the version of {}", twice[0].file_name());
        return Err(unusable(twice[1], "duplicate-version", &message));
    }
    let targets = VecDeque::from(targets);
    refuse_outside(&targets, options)?;
    Ok(targets)
}

/// The scripts that undo what is applied above the version `to` of the options,
/// or else the newest, newest first. As for sqlx, 0 is below every version.
///
/// # Errors
///
/// As [`to_apply`]; [`Error::Refused`] also if a version has no script that
/// undoes it.
pub fn to_undo<'a>(
    migrations: &'a [Migration],
    plan: &Plan<'_>,
    options: &Options,
) -> Result<VecDeque<&'a Migration>, Error> {
    let is_known = |to| to == 0 || plan.states.iter().any(|state| state.version() == to);
    if let Some(version) = options.to.filter(|to| !is_known(*to)) {
        return Err(Error::NoSuchVersion { version });
    }
    refuse_problems(plan, &options.policy)?;
    let applied = plan.states.iter().rev().filter_map(State::row);
    let wanted: Vec<i64> = match options.to {
        Some(to) => applied
            .map(|row| row.version)
            .filter(|version| *version > to)
            .collect(),
        None => applied.map(|row| row.version).take(1).collect(),
    };
    let mut targets = VecDeque::new();
    let mut problems = Vec::new();
    for version in wanted {
        match migrations
            .iter()
            .find(|m| m.version == version && m.kind == Kind::Down)
        {
            Some(migration) => targets.push_back(migration),
            None => problems.push(Problem::NotReversible { version }),
        }
    }
    if !problems.is_empty() {
        return Err(Error::Refused { problems });
    }
    refuse_outside(&targets, options)?;
    Ok(targets)
}

/// Refuses if the plan has problems that the policy does not allow. Edited
/// scripts are compared with what was applied, to say in what they differ.
///
/// # Errors
///
/// [`Error::Refused`] with every problem.
pub fn refuse_problems(plan: &Plan<'_>, policy: &Policy) -> Result<(), Error> {
    let mut problems = plan.problems(policy);
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &mut problems {
        let version = problem.version();
        let state = plan.states.iter().find(|state| state.version() == version);
        if let Problem::Modified {
            recorded,
            difference,
            ..
        } = problem
            && let Some(migration) = state.and_then(State::migration)
        {
            let found = directory::spelling_difference(migration, recorded);
            *difference = found.map(|found| found.to_string());
        }
    }
    Err(Error::Refused { problems })
}

/// Refuses a target version that no file has.
pub(crate) fn refuse_unknown_target(
    migrations: &[Migration],
    to: Option<i64>,
) -> Result<(), Error> {
    let exists = |version| {
        migrations
            .iter()
            .any(|m| m.version == version && m.kind != Kind::Down)
    };
    match to {
        Some(version) if !exists(version) => Err(Error::NoSuchVersion { version }),
        _ => Ok(()),
    }
}

/// Refuses a script that runs outside a transaction if all are to be in one.
fn refuse_outside(targets: &VecDeque<&Migration>, options: &Options) -> Result<(), Error> {
    let outside = targets.iter().find(|migration| !migration.transactional);
    match outside {
        Some(migration) if options.single_transaction && !options.dry_run => {
            let message = "begins with `-- no-transaction`, so it cannot be part of a single transaction: run it, and what comes before it, without --single-transaction first (--to)";
            Err(unusable(migration, "no-transaction", message))
        }
        _ => Ok(()),
    }
}

fn unusable(migration: &Migration, kind: &'static str, message: &str) -> Error {
    let path = &migration.path;
    Error::Unusable {
        directory: path.parent().unwrap_or(path).to_owned(),
        findings: vec![Finding::new(kind, path, message)],
        warnings: Vec::new(),
    }
}
