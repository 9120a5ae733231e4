//! Conditions and values that SQLite takes otherwise than they read.
//!
//! Owns the few that nobody means, told by their tokens: a comparison with NULL, a value
//! between OR and the end, comparisons in a chain, AND between what SET sets, and `+` where
//! text is joined. Asks nobody.

use crate::schema::tokens::{Kind, Token, tokens};

/// Something that is not meant: where it stands, what it does, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unmeant {
    pub at: usize,
    pub message: &'static str,
    pub remedy: &'static str,
    /// Whether it can make a condition true that is not meant to be.
    pub takes_more: bool,
}

const NULL: (&str, &str) = (
    "a comparison with NULL by a sign is true for no row",
    "write IS NULL or IS NOT NULL",
);
const OR: (&str, &str) = (
    "a value alone beside OR is a condition of its own, the same for every row",
    "repeat what it is compared with, or write IN (…)",
);
const CHAIN: (&str, &str) = (
    "comparisons in a chain compare 0 or 1, what the first of them gives, with the last value",
    "write BETWEEN, or two comparisons with AND",
);
const SET: (&str, &str) = (
    "AND makes one condition of what follows SET: the column gets 0 or 1, and the other is not set",
    "write a comma between what is to be set",
);
const PLUS: (&str, &str) = (
    "+ adds numbers, and a text that is none counts as 0",
    "join texts with ||",
);

/// Whether a statement may hold any of the words and signs, which most do not: the words by
/// how they begin.
fn may_hold(statement: &str) -> bool {
    let mut orders = 0;
    statement.as_bytes().windows(2).any(|pair| {
        let follows = |letter: u8| pair[1].eq_ignore_ascii_case(&letter);
        match pair[0] {
            b'+' => true,
            b'<' | b'>' => {
                orders += 1;
                orders > 1
            }
            // NULL, OR, AND
            b'n' | b'N' => follows(b'u'),
            b'o' | b'O' => follows(b'r'),
            b'a' | b'A' => follows(b'n'),
            _ => false,
        }
    })
}

/// The first of each kind in a statement.
pub(super) fn unmeant(statement: &str) -> Vec<Unmeant> {
    let mut all: Vec<Unmeant> = Vec::new();
    if !may_hold(statement) {
        return all;
    }
    let mut last: [Option<Token<'_>>; 7] = [None; 7];
    // Of each bracket that is open, whether conditions stand in it; and outside of all.
    let mut conditions = vec![false];
    let mut updates = false;
    for token in tokens(statement).map(Some).chain([None]) {
        last.rotate_left(1);
        last[6] = token;
        let [_, _, _, _, second, before, this] = last;
        let found = match (second, before, this) {
            (Some(sign), Some(null), _)
                if null.is_word("null")
                    && is_equality(&sign)
                    && conditions.last() == Some(&true) =>
            {
                Some((sign, NULL))
            }
            (Some(or), Some(value), next)
                if or.is_word("or") && is_value(&value) && value.text != "0" && ends(next) =>
            {
                Some((or, OR))
            }
            (Some(first), Some(operand), Some(next))
                if is_order(&first) && is_order(&next) && operand.kind != Kind::Sign =>
            {
                Some((next, CHAIN))
            }
            (Some(operand), Some(plus), Some(text))
                if plus.text == "+" && is_words(&text) && is_operand(&operand) =>
            {
                Some((plus, PLUS))
            }
            // Not what is taken out of JSON by it.
            (before, Some(text), Some(plus))
                if plus.text == "+"
                    && is_words(&text)
                    && !before.is_some_and(|before| before.text.starts_with("->")) =>
            {
                Some((plus, PLUS))
            }
            _ => None,
        };
        let found =
            found.or_else(|| Some((sets_two(&last, updates && conditions.len() == 1)?, SET)));
        if let Some((token, (message, remedy))) = found
            && !all.iter().any(|other| other.message == message)
        {
            all.push(Unmeant {
                at: token.at(statement),
                message,
                remedy,
                takes_more: message != NULL.0,
            });
        }
        let Some(token) = token else {
            break;
        };
        updates |= token.is_word("update") && conditions.len() == 1;
        let inner = conditions.last().copied().unwrap_or_default();
        match token.text {
            "(" => conditions.push(inner),
            ")" => drop(conditions.pop()),
            _ => {
                let begins = ["where", "on", "having", "when", "check"];
                let ends = ["set", "select", "from", "then", "values", "default"];
                let is_word = |word: &&str| token.is_word(word);
                if let Some(now) = conditions.last_mut() {
                    *now = (*now || begins.iter().any(is_word)) && !ends.iter().any(is_word);
                }
            }
        }
    }
    all
}

/// The AND of `SET a = 1 AND b = 2`, where the list of an UPDATE may stand.
fn sets_two<'a>(last: &[Option<Token<'a>>; 7], is_list: bool) -> Option<Token<'a>> {
    let [set, name, sign, value, and, other, equals] = *last;
    let (set, name, value, and, other) = (set?, name?, value?, and?, other?);
    let is_meant = !is_list
        || !(set.is_word("set") || set.text == ",")
        || sign?.text != "="
        || !is_value(&value)
        || !and.is_word("and")
        || equals?.text != "="
        || name.kind == Kind::Sign
        || other.kind == Kind::Sign;
    (!is_meant).then_some(and)
}

fn is_equality(token: &Token<'_>) -> bool {
    ["=", "==", "<>", "!="].contains(&token.text)
}

fn is_order(token: &Token<'_>) -> bool {
    ["<", ">", "<=", ">="].contains(&token.text)
}

/// A number or a text.
fn is_value(token: &Token<'_>) -> bool {
    token.kind == Kind::String || token.text.starts_with(|c: char| c.is_ascii_digit())
}

/// What `+` can add something to: before a value alone it does nothing.
fn is_operand(token: &Token<'_>) -> bool {
    let words = [
        "select", "where", "and", "or", "not", "when", "then", "else", "by", "on", "in", "like",
        "between", "is", "having", "case", "distinct",
    ];
    let is_word = words.iter().any(|word| token.is_word(word));
    (token.kind != Kind::Sign && !is_word) || token.text == ")"
}

/// A text that is no number.
fn is_words(token: &Token<'_>) -> bool {
    let text = token.text.trim_matches('\'').trim();
    token.kind == Kind::String
        && !token.text.starts_with(['x', 'X'])
        && text.parse::<f64>().is_err()
}

/// Whether a condition is at its end here.
fn ends(next: Option<Token<'_>>) -> bool {
    let words = ["or", "and", "then", "order", "group", "limit", "returning"];
    next.is_none_or(|next| {
        [";", ")"].contains(&next.text) || words.iter().any(|word| next.is_word(word))
    })
}

#[cfg(test)]
mod tests {
    use super::{CHAIN, NULL, OR, PLUS, SET, unmeant};

    #[test]
    fn what_nobody_means_is_told_from_what_they_do() {
        for (statement, expected) in [
            ("DELETE FROM t WHERE x = NULL", Some(NULL)),
            ("UPDATE t SET a = NULL WHERE (b <> NULL)", Some(NULL)),
            ("UPDATE t SET a = CASE WHEN x = NULL THEN 1 END", Some(NULL)),
            ("UPDATE t SET a = NULL", None),
            ("UPDATE t SET a = NULL, b = 1 WHERE c IS NULL", None),
            (
                "INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE a > 1 DO UPDATE SET b = NULL",
                None,
            ),
            (
                "UPDATE t SET b = CASE WHEN a > 1 THEN NULL ELSE NULL END WHERE a = 1",
                None,
            ),
            (
                "SELECT 1 FROM a JOIN b ON a.x = b.x AND a.y = NULL",
                Some(NULL),
            ),
            ("DELETE FROM t WHERE a = 1 OR 2", Some(OR)),
            ("DELETE FROM t WHERE (a = 'x' OR 'y') AND b", Some(OR)),
            ("DELETE FROM t WHERE a = 1 OR 2 = b", None),
            ("DELETE FROM t WHERE a = 1 OR b", None),
            ("SELECT 1 WHERE (1 OR 2)", Some(OR)),
            ("INSERT OR REPLACE INTO t VALUES (1)", None),
            ("DELETE FROM t WHERE 10 < a < 20", Some(CHAIN)),
            ("DELETE FROM t WHERE a < 10 AND b > 20", None),
            ("DELETE FROM t WHERE a < 10 OR 20 > b", None),
            ("UPDATE t SET a = 5 AND b = 6", Some(SET)),
            ("UPDATE t SET a = 5 WHERE c = 1 AND b = 6", None),
            ("UPDATE t SET a = b = 5 AND c", None),
            ("UPDATE t SET c = 1, a = 5 AND b = 6", Some(SET)),
            ("UPDATE t SET a = b = 5 AND c = 1", None),
            ("UPDATE t SET a = (state = 'open' AND b = 0)", None),
            (
                "UPDATE t SET a = x >= 18 AND state = 'open' AND b = 0",
                None,
            ),
            (
                "UPDATE t SET a = (SELECT s = 'open' AND q = 1 FROM o)",
                None,
            ),
            (
                "CREATE TABLE k(a REFERENCES t ON DELETE SET NULL, s, o AS (s = 'x' AND n = 1))",
                None,
            ),
            ("UPDATE t SET a = +'x'", None),
            ("DELETE FROM t WHERE a = 1 OR 0", None),
            (
                "UPDATE t SET a = (SELECT 1 FROM u WHERE x = 5 AND y = 6)",
                None,
            ),
            ("UPDATE t SET a = first + ' ' + last", Some(PLUS)),
            ("UPDATE t SET a = 'x' + b", Some(PLUS)),
            ("UPDATE t SET a = b + '1', c = + 2", None),
            ("UPDATE t SET at = datetime(at, '+1 day')", None),
            ("UPDATE t SET n = data ->> 'a' + 1", None),
        ] {
            let found = unmeant(statement);
            let found = found.first().map(|found| (found.message, found.remedy));
            assert_eq!(found, expected, "{statement}");
        }
    }
}
