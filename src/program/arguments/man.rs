//! The man page, made from the same table as the help.
//!
//! Owns what roff(7) wants. Prints nothing.

use crate::program::arguments::table::{
    COMMANDS, ENVIRONMENT, EXAMPLES, EXIT_CODES, FLAGS, RELEASED, SUMMARY,
};
use crate::program::arguments::topics::{FILES, TOPICS};
use std::fmt::Write;

/// The man page, in the language of man(7).
pub(crate) fn man() -> String {
    let mut page = format!(
        ".TH LITEMIGRATE 1 \"{RELEASED}\" \"litemigrate {}\" \"User Commands\"\n.nh\n.ad l\n.SH NAME\nlitemigrate \\- {SUMMARY}\n.SH SYNOPSIS\n.B litemigrate\n.RI [ COMMAND ]\n.RI [ OPTIONS ]\n.SH DESCRIPTION\n",
        env!("CARGO_PKG_VERSION")
    );
    push_text(&mut page, FILES);
    page.push_str(".SH COMMANDS\n");
    for command in COMMANDS {
        let _ = writeln!(
            page,
            ".TP\n.B {}",
            roff(&format!("{}{}", command.word, command.operand))
        );
        push_text(&mut page, command.about);
    }
    page.push_str(".SH OPTIONS\n");
    for flag in FLAGS {
        let value = flag
            .value
            .map_or(String::new(), |value| format!(" \\fI{}\\fR", roff(value)));
        let short = flag
            .short
            .map_or(String::new(), |short| format!("\\fB\\-{short}\\fR, "));
        let _ = writeln!(
            page,
            ".TP\n{short}\\fB\\-\\-{}\\fR{value}\n{}.",
            roff(flag.long),
            roff(&sentence(flag.help))
        );
        let commands: Vec<&str> = COMMANDS
            .iter()
            .filter(|command| flag.goes_with(command))
            .map(|command| command.word)
            .collect();
        if commands.len() < COMMANDS.len() {
            let _ = writeln!(page, "Goes with {}.", commands.join(", "));
        }
    }
    for (word, _, text) in TOPICS.iter().filter(|(.., text)| *text != FILES) {
        let _ = writeln!(page, ".SH {}", word.to_uppercase());
        push_topic(&mut page, text);
    }
    page.push_str(".SH \"EXIT STATUS\"\n");
    for line in EXIT_CODES.lines() {
        let (code, meaning) = line.trim().split_once("  ").unwrap_or_default();
        let _ = writeln!(page, ".TP\n.B {code}\n{}", roff(meaning));
    }
    page.push_str(".SH ENVIRONMENT\n");
    for (name, meaning) in ENVIRONMENT {
        let _ = writeln!(page, ".TP\n.B {name}\n{}.", roff(&sentence(meaning)));
    }
    page.push_str(".SH EXAMPLES\n");
    for (command, meaning) in EXAMPLES {
        let _ = writeln!(
            page,
            ".TP\n\\fB{}\\fR\n{}.",
            roff(command),
            roff(&sentence(meaning))
        );
    }
    page.push_str(".SH \"SEE ALSO\"\n.BR sqlite3 (1)\n");
    page
}

/// A topic's paragraphs, its headings with what is indented under them, its sessions.
fn push_topic(page: &mut String, text: &str) {
    for (index, paragraph) in text.trim_end().split("\n\n").enumerate() {
        let indented = paragraph.find("\n    ");
        if paragraph.starts_with("    ") {
            page.push_str(".PP\n.nf\n.RS 4\n");
            for line in paragraph.lines() {
                page.push_str(&roff(line.strip_prefix("    ").unwrap_or(line)));
                page.push('\n');
            }
            page.push_str(".RE\n.fi\n");
        } else if let Some(at) = indented {
            page.push_str(".PP\n");
            push_text(page, &paragraph[..at]);
            page.push_str(".RS 4\n");
            push_text(page, &paragraph[at..]);
            page.push_str(".RE\n");
        } else {
            // The heading begins the first.
            page.push_str(if index > 0 { ".PP\n" } else { "" });
            push_text(page, paragraph);
        }
    }
}

/// Paragraphs of plain text; a blank line ends one. man(7) wants short lines.
fn push_text(page: &mut String, text: &str) {
    for (index, paragraph) in text.trim_end().split("\n\n").enumerate() {
        if index > 0 {
            page.push_str(".PP\n");
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.len() + word.len() > 60 {
                page.push_str(&roff(&line));
                page.push('\n');
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        page.push_str(&roff(&line));
        page.push('\n');
    }
}

/// A line that roff(7) prints as it is: no macro, no escape, real hyphens.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    match escaped.starts_with(['.', '\'']) {
        true => format!("\\&{escaped}"),
        false => escaped,
    }
}

/// With a capital letter at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
