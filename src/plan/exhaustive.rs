//! The plan's specification: every small folder against every small history.

use crate::diagnostics::problem::Renumbering;
use crate::files::migration::{Checksum, Kind, Migration};
use crate::plan::history::AppliedMigration;
use crate::plan::settled::Matching;
use crate::plan::{OutOfOrder, Policy, State, plan};
use std::path::PathBuf;

fn file(version: i64, kind: Kind, content: u8) -> Migration {
    Migration {
        version,
        // As after a renumbering: the name goes with the content.
        description: format!("d{content}"),
        kind,
        path: PathBuf::from(format!("{version}_d.sql")),
        checksum: Checksum([content; 48]),
        transactional: true,
        replaces: Vec::new(),
        embedded: None,
    }
}

fn row(version: i64, content: u8, success: bool) -> AppliedMigration {
    AppliedMigration {
        version,
        description: format!("d{content}"),
        installed_on: String::new(),
        success,
        checksum: vec![content; 48],
        execution_time: 1,
    }
}

/// The five things that can be in a folder about a version, and the four in a history.
const FILES: [&[Kind]; 5] = [
    &[],
    &[Kind::Simple],
    &[Kind::Up, Kind::Down],
    &[Kind::Down],
    &[Kind::Up],
];
const ROWS: [Option<(u8, bool)>; 4] = [None, Some((1, true)), Some((2, true)), Some((1, false))];

/// A version, the kinds of its files, and the content and success of its row.
type Choice = (i64, &'static [Kind], Option<(u8, bool)>);

/// What is in the file or was in it, different for each version.
fn content(version: i64, number: u8) -> u8 {
    u8::try_from(version).unwrap() * 16 + number
}

/// The state that one version must get: the specification, case by case.
fn expected(files: &[Kind], row: Option<(u8, bool)>) -> Option<&'static str> {
    let applies = files.iter().any(|kind| *kind != Kind::Down);
    match (files.is_empty(), applies, row) {
        (_, _, Some((_, false))) => Some("failed"),
        (true, _, Some(_)) => Some("missing"),
        (_, false, Some(_)) => Some("applied"),
        (_, true, Some((1, _))) => Some("applied"),
        (_, true, Some(_)) => Some("modified"),
        (_, true, None) => Some("pending"),
        (_, false, None) => None,
    }
}

#[test]
fn every_combination_of_three_versions_has_exactly_the_states_it_should() {
    let cases = FILES.len() * ROWS.len();
    for number in 0..cases.pow(3) {
        let choices: Vec<Choice> = (0..3)
            .map(|place| {
                let choice = number / cases.pow(place) % cases;
                (i64::from(place) + 1, FILES[choice % 5], ROWS[choice / 5])
            })
            .collect();
        let migrations: Vec<_> = choices
            .iter()
            .flat_map(|(v, files, _)| files.iter().map(|kind| file(*v, *kind, content(*v, 1))))
            .collect();
        let history: Vec<_> = choices
            .iter()
            .filter_map(|(v, _, r)| r.map(|(c, s)| row(*v, content(*v, c), s)))
            .collect();
        let plan = plan(&migrations, &history);

        let states: Vec<_> = plan
            .states
            .iter()
            .map(|state| (state.version(), state.name()))
            .collect();
        let wanted: Vec<_> = choices
            .iter()
            .filter_map(|(v, files, row)| Some((*v, expected(files, *row)?)))
            .collect();
        assert_eq!(states, wanted, "{choices:?}");

        let mut matching = Matching::new(&migrations);
        let fits = |row: &AppliedMigration| matching.fits(row.version, row.success, &row.checksum);
        let settled = history.iter().all(fits) && matching.newest().is_some();
        // A file that undoes, alone, is left to the plan.
        let is_applied = |choice: &Choice| match choice {
            (_, files, None) => files.is_empty() || files[..] == [Kind::Down],
            (_, files, row) => {
                files[..] != [Kind::Down] && expected(files, *row) == Some("applied")
            }
        };
        let all_applied = !history.is_empty() && choices.iter().all(is_applied);
        assert_eq!(settled, all_applied, "{choices:?}");

        let newest_file = migrations.iter().map(|m| m.version).max();
        let newest_applied = history.iter().map(|r| r.version).max();
        for policy_number in 0..12 {
            let policy = Policy {
                allow_missing: policy_number % 2 == 1,
                allow_newer: policy_number / 2 % 2 == 1,
                out_of_order: [OutOfOrder::Warn, OutOfOrder::Allow, OutOfOrder::Refuse]
                    [policy_number / 4],
            };
            let problems: Vec<_> = plan
                .problems(&policy)
                .iter()
                .map(|p| (p.version(), p.kind()))
                .collect();
            let wanted: Vec<_> = wanted
                .iter()
                .filter_map(|(version, state)| {
                    let late = newest_applied.is_some_and(|newest| *version < newest);
                    let newer = newest_file.is_some_and(|newest| *version > newest);
                    let kind = match *state {
                        "failed" | "modified" => *state,
                        "missing" if newer => (!policy.allow_newer).then_some("newer")?,
                        "missing" => (!policy.allow_missing).then_some("missing")?,
                        "pending" => (late && policy.out_of_order == OutOfOrder::Refuse)
                            .then_some("out-of-order")?,
                        _ => return None,
                    };
                    Some((*version, kind))
                })
                .collect();
            let wanted = match (newest_file, newest_applied, policy.allow_missing) {
                (None, Some(newest), false) => vec![(newest, "no-files")],
                _ => wanted,
            };
            assert_eq!(problems, wanted, "{choices:?} {policy:?}");
            for to in [None, Some(0), Some(1), Some(2), Some(3)] {
                let pending: Vec<_> = plan.pending(to).map(|m| m.version).collect();
                let wanted: Vec<_> = plan
                    .states
                    .iter()
                    .filter(|s| s.name() == "pending" && to.is_none_or(|to| s.version() <= to))
                    .map(State::version)
                    .collect();
                assert_eq!(pending, wanted);
                let late = pending
                    .iter()
                    .filter(|version| newest_applied.is_some_and(|newest| **version < newest))
                    .count();
                let warned = if policy.out_of_order == OutOfOrder::Warn {
                    late
                } else {
                    0
                };
                assert_eq!(plan.warnings(&policy, to).len(), warned);
            }
        }
    }
}

/// Three files of three contents or none against three rows of the same: nothing is
/// run twice and nothing passed over, whatever was renumbered.
#[test]
fn whatever_was_renumbered_is_found_and_nothing_else() {
    for number in 0..4_usize.pow(6) {
        let choice = |place: u32| u8::try_from(number / 4_usize.pow(place) % 4).unwrap();
        let migrations: Vec<_> = (0..3)
            .filter(|place| choice(*place) > 0)
            .map(|place| file(i64::from(place) + 1, Kind::Simple, choice(place)))
            .collect();
        let history: Vec<_> = (0..3)
            .filter(|place| choice(place + 3) > 0)
            .map(|place| row(i64::from(place) + 1, choice(place + 3), true))
            .collect();
        let before = plan(&migrations, &history);
        let is_clear =
            |moved: &&crate::plan::renumbered::Moved<'_>| moved.verdict == Renumbering::Clear;
        for moved in before.renumbered().iter().filter(is_clear) {
            assert_eq!(moved.row.checksum, moved.file.checksum.0);
            assert_ne!(moved.row.version, moved.file.version);
        }
        for state in &before.states {
            let (State::Missing(row) | State::Modified(_, row)) = state else {
                continue;
            };
            let elsewhere = before.states.iter().any(|other| {
                matches!(other, State::Pending(file) | State::Modified(file, _)
                    if file.checksum.0[..] == row.checksum[..])
            });
            let is_told = before.renumbered().iter().any(|m| m.row == *row);
            assert_eq!(elsewhere, is_told, "{migrations:?} {history:?}");
            let strict = before.problems(&Policy::default());
            let kind = |p: &crate::diagnostics::problem::Problem| {
                p.version() == row.version && p.kind() == "renumbered"
            };
            assert!(migrations.is_empty() || strict.iter().any(kind) == elsewhere);
        }
        if before.renumbered().iter().any(|moved| !is_clear(&moved)) {
            continue;
        }
        // What `repair --renumbered` does.
        let mut after: Vec<_> = history
            .iter()
            .map(|row| {
                let mut row = row.clone();
                if let Some(file) = before.moved_to(row.version) {
                    row.version = file.version;
                }
                row
            })
            .collect();
        after.sort_by_key(|row| row.version);
        assert!(after.windows(2).all(|two| two[0].version < two[1].version));
        let now = plan(&migrations, &after);
        assert!(now.renumbered().is_empty(), "{migrations:?} {history:?}");
        let applied = |plan: &crate::plan::Plan<'_>| {
            let states = plan.states.iter();
            states.filter(|s| s.name() == "applied").count()
        };
        assert_eq!(applied(&now), applied(&before) + before.renumbered().len());
    }
}

/// A file that replaces two of three, under any number, against every history.
#[test]
fn what_is_replaced_is_neither_run_nor_missed() {
    const RANGES: [&[(i64, i64)]; 4] = [&[(1, 3)], &[(1, 1), (3, 3)], &[(1, 2)], &[(2, 2)]];
    for number in 0..4 * 4 * 8 * 16 {
        let ranges = RANGES[number % 4];
        let own = i64::try_from(number / 4 % 4).unwrap() + 1;
        let (files, rows) = (number / 16 % 8, number / 128);
        let has = |set: usize, version: i64| set >> (version - 1) & 1 == 1;
        let mut migrations: Vec<_> = (1..=3)
            .filter(|version| has(files, *version) && *version != own)
            .map(|version| file(version, Kind::Simple, content(version, 1)))
            .collect();
        let mut squash = file(own, Kind::Simple, 200);
        squash.replaces = ranges.iter().map(|(a, b)| *a..=*b).collect();
        migrations.push(squash);
        // The fourth bit: whether the file itself was applied.
        let history: Vec<_> = (1..=4)
            .filter(|version| has(rows, *version) && (*version != own || *version < 4))
            .map(|version| row(version, content(version, 1), true))
            .filter(|row| row.version <= 3)
            .chain((own == 4 && has(rows, 4)).then(|| row(4, 200, true)))
            .collect();
        let plan = plan(&migrations, &history);
        let among = |version: i64| ranges.iter().any(|(a, b)| (*a..=*b).contains(&version));
        let recorded = |version: i64| history.iter().any(|row| row.version == version);
        let is_applied = history.iter().any(|row| row.checksum == vec![200; 48]);
        let some = (1..=3).any(|version| among(version) && recorded(version));
        let all = ranges.iter().all(|(a, b)| recorded(*a) && recorded(*b));
        let others = (1..=3).any(|v| among(v) && recorded(v) && v != own);
        let own_is_free = !recorded(own) || (among(own) && (all || others));
        let takes_over = !is_applied && some && own_is_free;
        let state = plan.state(own).unwrap().name();
        let told = format!("{own} {ranges:?} {files:b} {rows:b} {plan:?}");
        let wanted = match (is_applied, takes_over, recorded(own)) {
            (true, ..) => "applied",
            (_, true, _) => "replaces",
            (_, _, true) => "modified",
            _ => "pending",
        };
        assert_eq!(state, wanted, "{told}");
        for version in (1..=3).filter(|version| among(*version) && *version != own) {
            let Some(state) = plan.state(version) else {
                continue;
            };
            let wanted = match (recorded(version), has(files, version)) {
                (true, _) if takes_over => "replaced",
                (true, true) => "applied",
                (true, false) => "missing",
                (false, _) => "replaced",
            };
            assert_eq!(state.name(), wanted, "{told}");
        }
        let rows: Vec<i64> = (1..=3).filter(|v| among(*v) && recorded(*v)).collect();
        assert_eq!(
            plan.replaced_by(own),
            takes_over.then_some(&rows[..]),
            "{told}"
        );
        let problems = plan.problems(&Policy::default());
        let some_only = problems.iter().any(|p| p.kind() == "replaces-some");
        assert_eq!(some_only, takes_over && !all, "{told}");
        assert_eq!(
            plan.pending(None).filter(|m| m.version == own).count(),
            usize::from(wanted == "pending" || wanted == "replaces")
        );
    }
}

/// The newer of two files that replace a version has it, whether its row was there first
/// or comes now.
#[test]
fn a_version_goes_with_the_newest_file_that_replaces_it() {
    let replacing = |version, last| {
        let mut file = file(version, Kind::Simple, content(version, 1));
        file.replaces = vec![1..=last];
        file
    };
    let migrations = [replacing(3, 2), replacing(4, 1)];
    for newer_is_applied in [false, true] {
        let versions = if newer_is_applied { 1..=4 } else { 1..=2 };
        let history: Vec<_> = versions
            .filter(|version| *version != 3)
            .map(|version| row(version, content(version, 1), true))
            .collect();
        let plan = plan(&migrations, &history);
        assert_eq!(plan.replaced_by(3), Some(&[2][..]));
        let of_newer = (!newer_is_applied).then_some(&[1][..]);
        assert_eq!(plan.replaced_by(4), of_newer);
    }
}

/// Two scripts of one text, each with its own name, are told apart by it.
#[test]
fn scripts_of_one_text_are_found_by_their_names() {
    let named = |version, name: &str| {
        let mut file = file(version, Kind::Simple, 7);
        file.description = name.to_owned();
        file
    };
    let migrations = [named(11, "one"), named(12, "two")];
    let history: Vec<_> = [(1, "two"), (2, "one")]
        .into_iter()
        .map(|(version, name)| {
            let mut row = row(version, 7, true);
            row.description = name.to_owned();
            row
        })
        .collect();
    let plan = plan(&migrations, &history);
    let now = |version| plan.moved_to(version).map(|file| file.version);
    assert_eq!((now(1), now(2)), (Some(12), Some(11)));
}
