//! What litemigrate reads of `.env`, TOML and YAML, beside the crates that SQLPage reads
//! them with: every text of a few nasty pieces. Where litemigrate gives an answer, it
//! must be theirs; refusing is always right.
//!
//! `readers [PIECES]`: so many pieces in one text, 4 if nothing is said.

use config::{File, FileFormat, Source, ValueKind};
use std::collections::HashMap;

#[path = "../../../../src/sqlpage/dotenv.rs"]
#[expect(dead_code, reason = "nothing is looked for here")]
mod dotenv;
#[path = "../../../../src/sqlpage/settings/escapes.rs"]
mod escapes;
#[path = "../../../../src/sqlpage/settings/toml.rs"]
mod toml;
#[path = "../../../../src/sqlpage/settings/yaml.rs"]
mod yaml;

// What the readers need of the file above them.

struct Entry {
    key: String,
    value: Value,
    #[expect(dead_code, reason = "only messages need it")]
    at: Option<usize>,
}

enum Value {
    Text(String),
    List(Vec<String>),
    Null,
    Other,
}

struct Unreadable;

impl Unreadable {
    fn at(_: usize) -> Self {
        Self
    }
}

/// What `.env` sets, and whether all of it was read.
fn by_litemigrate(text: &str) -> (Vec<(String, String)>, bool) {
    let pairs = ENVIRONMENT.into_iter();
    let mut known = pairs
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    let mut set = Vec::new();
    let stopped = dotenv::load(text.as_bytes(), &mut known, &mut |key, value| {
        set.push((key, value));
    });
    set.sort();
    (set, stopped.is_none())
}

const ENVIRONMENT: [(&str, &str); 2] = [("A", "a b"), ("Z", "z")];

/// The same by dotenvy, which changes the environment of this process.
fn by_dotenvy(text: &str) -> (Vec<(String, String)>, bool) {
    let names: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
    for name in names {
        // SAFETY: this program has one thread.
        unsafe { std::env::remove_var(name) };
    }
    for (name, value) in ENVIRONMENT {
        // SAFETY: as above.
        unsafe { std::env::set_var(name, value) };
    }
    let result = dotenvy::from_read(text.as_bytes());
    let before: HashMap<_, _> = ENVIRONMENT.into_iter().collect();
    let is_new = |(name, _): &(String, String)| !before.contains_key(name.as_str());
    let mut set: Vec<_> = std::env::vars().filter(is_new).collect();
    set.sort();
    (set, result.is_ok())
}

/// Whether litemigrate reads `k` as SQLPage does, or refuses the text.
fn agrees(text: &str, format: FileFormat) -> bool {
    let ours = match format {
        FileFormat::Toml => toml::entries(text),
        _ => yaml::entries(text, &["k"]),
    };
    let Ok(entries) = ours else {
        return true;
    };
    let mut found = entries
        .iter()
        .filter(|entry| entry.key == "k")
        .map(|entry| &entry.value);
    let first = found.next();
    // Twice is refused, and so is what is no text and no list.
    if found.next().is_some() || matches!(first, Some(Value::Null | Value::Other)) {
        return true;
    }
    let collected = std::panic::catch_unwind(|| File::from_str(text, format).collect());
    let Ok(Ok(theirs)) = collected else {
        // SQLPage does not start with that.
        return true;
    };
    match (first, theirs.get("k").map(|value| &value.kind)) {
        (None, None) => true,
        (Some(Value::Text(ours)), Some(ValueKind::String(theirs))) => ours == theirs,
        (Some(Value::List(ours)), Some(ValueKind::Array(theirs))) => {
            let same = |(ours, theirs): (&String, &config::Value)| matches!(&theirs.kind, ValueKind::String(theirs) if theirs == ours);
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
        }
        _ => false,
    }
}

/// Every text of a beginning and up to `most` pieces; counts those that fail.
fn all(
    name: &str,
    beginnings: &[&str],
    pieces: &[&str],
    most: usize,
    agrees: impl Fn(&str) -> bool,
) -> u32 {
    let mut texts = 0_u64;
    let mut failures = 0;
    for beginning in beginnings {
        for length in 0..=most {
            let mut indices = vec![0; length];
            loop {
                let mut text = beginning.to_string();
                text.extend(indices.iter().map(|index: &usize| pieces[*index]));
                texts += 1;
                if !agrees(&text) {
                    failures += 1;
                    println!("{name}: {text:?} is read otherwise");
                }
                let Some(next) = indices.iter().position(|index| index + 1 < pieces.len()) else {
                    break;
                };
                indices[..next].fill(0);
                indices[next] += 1;
            }
        }
    }
    println!("{name}: {texts} texts, {failures} read otherwise");
    failures
}

#[rustfmt::skip] // Pieces and beginnings, to be read as lists.
fn main() {
    let most = std::env::args().nth(1).map_or(4, |most| most.parse().expect("a number"));
    // The crates panic now and then: that is no answer.
    std::panic::set_hook(Box::new(|_| {}));
    let failures = [
        all(".env", &["", "B=", "B=1\nA="],
            &["A", "=", "\"", "'", "\\", "$", "{", "}", " ", "#", "\n", "B", "export ", "\r\n", "\t", "é", "n"],
            most, |text| by_litemigrate(text) == by_dotenvy(text)),
        all("TOML", &["", "k=", "a=", "a=1\nk=\"", "k=["],
            &["k", "=", "\"", "'", "\\", "[", "]", "{", "}", " ", "#", "\n", "1", ",", ".", "a\r\n", "\"\"\"", "k='v'\n"],
            most, |text| agrees(text, FileFormat::Toml)),
        all("YAML", &["", "k: ", "a: ", "a:\n  ", "k: [", "k:\n- ", "a: [", "a: \"", "a: 'k: v\n"],
            &["k", ": ", ":", "\"", "'", "\\", "[", "]", "{", "}", " ", "#", "\n", "1", ",", "- ", "a\r\n", "|\n", "&a ", "k: v\n", "\nk: v", " #", "!x ", "*a", "? ", "\t"],
            most, |text| agrees(text, FileFormat::Yaml)),
    ];
    std::process::exit(i32::from(failures.iter().sum::<u32>() > 0));
}
