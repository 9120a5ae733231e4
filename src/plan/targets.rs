//! Which scripts a run is to run, or why it may not run at all.
//!
//! Owns every refusal that comes before the first write. Writes nothing; reads a
//! script only to say in what it differs from what was applied.

use crate::diagnostics::error::Error;
use crate::diagnostics::problem::{Finding, Problem};
use crate::diagnostics::sorted::sort;
use crate::files::folder::duplicates;
use crate::files::migration::{Kind, Migration};
use crate::files::read;
use crate::plan::history::AppliedMigration;
use crate::plan::policy::Options;
use crate::plan::{Plan, Policy, State, plan};
use std::collections::{BTreeMap, VecDeque};

/// Which way a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// What a run is to do, as the history is now.
#[derive(Debug)]
pub(crate) struct Targets<'a> {
    /// The scripts, in the order in which they are to be run.
    pub scripts: VecDeque<&'a Migration>,
    /// Of those that are not run because they replace others: the versions whose
    /// rows theirs takes the place of.
    pub replaced: BTreeMap<i64, Vec<i64>>,
    /// What a person should know.
    pub warnings: Vec<Finding>,
}

/// Decides that, from the files and the history, or refuses: the first look and the
/// one under the lock ask the same question.
///
/// # Errors
///
/// [`Error::NoSuchVersion`] if no file has the version to stop after;
/// [`Error::Refused`] with every problem of the plan; [`Error::Unusable`] if a
/// script cannot be part of the single transaction that was asked for.
pub(crate) fn targets<'a>(
    migrations: &'a [Migration],
    history: &[AppliedMigration],
    options: &Options,
    direction: Direction,
) -> Result<Targets<'a>, Error> {
    let plan = plan(migrations, history);
    match direction {
        Direction::Up => to_apply(migrations, &plan, options),
        Direction::Down => to_undo(migrations, &plan, options),
    }
}

/// What is pending, oldest first.
fn to_apply<'a>(
    migrations: &'a [Migration],
    plan: &Plan<'_>,
    options: &Options,
) -> Result<Targets<'a>, Error> {
    refuse_unknown_target(migrations, options.to)?;
    refuse_problems(plan, &options.policy)?;
    let versions: Vec<i64> = plan.pending(options.to).map(|m| m.version).collect();
    let is_pending = |migration: &&Migration| {
        migration.kind != Kind::Down && versions.binary_search(&migration.version).is_ok()
    };
    let mut scripts: Vec<&Migration> = match versions.is_empty() {
        true => Vec::new(),
        false => migrations.iter().filter(is_pending).collect(),
    };
    sort(&mut scripts, &|a, b| a.version.cmp(&b.version));
    let findings = duplicates(&scripts, &[]);
    if !findings.is_empty() {
        return Err(unusable(findings));
    }
    let replaced = versions.into_iter().filter_map(|version| {
        let rows = plan.replaced_by(version)?;
        Some((version, rows.to_vec()))
    });
    let targets = Targets {
        replaced: replaced.collect(),
        scripts: VecDeque::from(scripts),
        warnings: plan.warnings(&options.policy, options.to),
    };
    refuse_outside(&targets, options)?;
    Ok(targets)
}

/// What is applied above the version `to` of the options, or else the newest,
/// newest first. As for sqlx, 0 is below every version. Refuses, too, if one of them
/// has no script that undoes it.
fn to_undo<'a>(
    migrations: &'a [Migration],
    plan: &Plan<'_>,
    options: &Options,
) -> Result<Targets<'a>, Error> {
    let is_known = |to| to == 0 || plan.state(to).is_some();
    if let Some(version) = options.to.filter(|to| !is_known(*to)) {
        return Err(Error::NoSuchVersion { version });
    }
    refuse_problems(plan, &options.policy)?;
    let undoes = migrations.iter().filter(|m| m.kind == Kind::Down);
    let undoes: BTreeMap<i64, &Migration> = undoes.map(|m| (m.version, m)).collect();
    let applied = plan.states.iter().rev().filter(|s| s.row().is_some());
    let wanted: Vec<&State<'_>> = match options.to {
        Some(to) => applied.take_while(|state| state.version() > to).collect(),
        None => applied.take(1).collect(),
    };
    let mut scripts = VecDeque::new();
    let mut problems = Vec::new();
    for state in wanted {
        let version = state.version();
        let replaces = match state {
            State::ReplacedRow(..) => plan.replacement_of(version),
            state => state.migration().filter(|file| !file.replaces.is_empty()),
        };
        match (undoes.get(&version), replaces) {
            (Some(migration), None) => scripts.push_back(*migration),
            (_, replaces) => problems.push(Problem::NotReversible {
                version,
                replaces: replaces.map(|file| file.path.clone()),
            }),
        }
    }
    if !problems.is_empty() {
        return Err(Error::Refused { problems });
    }
    let targets = Targets {
        scripts,
        replaced: BTreeMap::new(),
        warnings: Vec::new(),
    };
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
        if let Problem::Modified {
            version,
            recorded,
            difference,
            ..
        } = problem
            && let Some(State::Modified(migration, _)) = plan.state(*version)
        {
            let found = read::spelling_difference(migration, recorded);
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
fn refuse_outside(targets: &Targets<'_>, options: &Options) -> Result<(), Error> {
    let is_outside = |migration: &&&Migration| {
        !migration.transactional && !targets.replaced.contains_key(&migration.version)
    };
    match targets.scripts.iter().find(is_outside) {
        Some(migration) if options.single_transaction && !options.dry_run => {
            let message = "begins with `-- no-transaction`, so it cannot be part of a single transaction: run it, and what comes before it, without --single-transaction first (--to)";
            Err(unusable(vec![Finding::new(
                "no-transaction",
                &migration.path,
                message,
            )]))
        }
        _ => Ok(()),
    }
}

/// Scripts of one folder that cannot be run.
fn unusable(findings: Vec<Finding>) -> Error {
    let path = findings.first().map(|found| found.path.clone());
    let path = path.unwrap_or_default();
    Error::Unusable {
        directory: path.parent().unwrap_or(&path).to_owned(),
        findings,
        warnings: Vec::new(),
    }
}
