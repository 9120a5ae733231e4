//! The completions, made from the same table as the help.
//!
//! Owns what bash, zsh and fish want. Prints nothing.

use crate::program::arguments::help::topics;
use crate::program::arguments::table::{COMMANDS, CommandHelp, FLAGS, Flag, Name};
use std::fmt::Write;

fn words(command: &CommandHelp) -> String {
    let mut words = Vec::new();
    for flag in FLAGS.iter().filter(|flag| flag.goes_with(command)) {
        words.push(format!("--{}", flag.long));
        words.extend(flag.short.map(|short| format!("-{short}")));
    }
    words.join(" ")
}

fn command_words() -> String {
    let words: Vec<&str> = COMMANDS.iter().map(|command| command.word).collect();
    words.join(" ")
}

/// What the value of an option is, to a shell.
enum Value {
    Words(String),
    Directory,
    File,
    Other,
}

fn value(flag: &Flag) -> Option<Value> {
    let text = flag.value?;
    let words = flag.words();
    Some(if !words.is_empty() {
        Value::Words(words.join(" "))
    } else if text == "DIR" {
        Value::Directory
    } else if text.starts_with("FILE") || text.starts_with("PATH") {
        Value::File
    } else {
        Value::Other
    })
}

/// For bash: how the value of each option is completed.
fn bash_values() -> String {
    let mut values = String::new();
    for flag in FLAGS {
        let Some(value) = value(flag) else { continue };
        let reply = match value {
            Value::Words(words) => {
                format!("mapfile -t COMPREPLY < <(compgen -W '{words}' -- \"$current\")")
            }
            Value::Directory => "_litemigrate_paths -d".to_owned(),
            Value::File => "_litemigrate_paths -f".to_owned(),
            Value::Other => "COMPREPLY=()".to_owned(),
        };
        let short = flag
            .short
            .map_or(String::new(), |short| format!("|-{short}"));
        let _ = writeln!(values, "        --{}{short}) {reply}; return ;;", flag.long);
    }
    values
}

/// The completion for bash; it needs nothing but bash.
pub(crate) fn bash() -> String {
    let values = bash_values();
    let mut commands = String::new();
    for command in COMMANDS {
        let _ = writeln!(
            commands,
            "        {}) options='{}' ;;",
            command.word,
            words(command)
        );
    }
    format!(
        r#"# bash completion for litemigrate; made by `litemigrate --generate bash`
# Only what is a path is treated as one: a folder of the same name gives no slash to a
# command.
_litemigrate_paths() {{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -P "$head" -- "$current")
}}
_litemigrate() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command='' options='' head='' index word
    # Bash takes = for a word of its own.
    if [[ $current == '=' ]]; then
        current=''
    elif [[ $previous == '=' ]]; then
        previous=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    # The value may stand in the option's own word.
    if [[ $current == -[{letters}]?* ]]; then
        head=${{current:0:2}} previous=${{current:0:2}} current=${{current:2}}
    fi
    case $previous in
{values}    esac
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${{COMP_WORDS[index]}}
        if [[ ' {commands_list} ' == *" $word "* ]]; then
            command=$word
            break
        fi
    done
    case $command in
{commands}        *) options='{all}' ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{commands_list}' -- "$current")
    elif [[ $command == restore ]]; then
        _litemigrate_paths -f
    elif [[ $command == import ]]; then
        _litemigrate_paths -d
    elif [[ $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{topics}' -- "$current")
    fi
}}
complete -F _litemigrate litemigrate
"#,
        letters = FLAGS
            .iter()
            .filter(|flag| flag.value.is_some())
            .filter_map(|flag| flag.short)
            .collect::<String>(),
        commands_list = command_words(),
        all = words(&COMMANDS[0]),
        topics = topics().join(" "),
    )
}

/// A text between single quotes, where a colon separates.
fn zsh_quoted(text: &str) -> String {
    text.replace('\'', "'\\''").replace(':', "\\:")
}

/// For zsh: the options of a command.
fn zsh_options(command: &CommandHelp) -> String {
    let mut cases = String::new();
    for flag in FLAGS.iter().filter(|flag| flag.goes_with(command)) {
        let action = value(flag).map_or(String::new(), |value| {
            let action = match value {
                Value::Words(words) => format!("({words})"),
                Value::Directory => "_files -/".to_owned(),
                Value::File => "_files".to_owned(),
                Value::Other => String::new(),
            };
            format!(":{}:{action}", zsh_quoted(flag.value.unwrap_or_default()))
        });
        let help = zsh_quoted(flag.wording(command))
            .replace('[', "\\[")
            .replace(']', "\\]");
        let equals = if flag.value.is_some() { "=" } else { "" };
        let _ = writeln!(
            cases,
            "            '*--{}{equals}[{help}]{action}'",
            flag.long
        );
        if let Some(short) = flag.short {
            let plus = if flag.value.is_some() { "+" } else { "" };
            let _ = writeln!(cases, "            '*-{short}{plus}[{help}]{action}'");
        }
    }
    cases
}

/// The completion for zsh, a file `_litemigrate` in its `fpath`.
pub(crate) fn zsh() -> String {
    let mut commands = String::new();
    for command in COMMANDS {
        let _ = writeln!(
            commands,
            "        '{}:{}'",
            command.word,
            zsh_quoted(command.summary)
        );
    }
    let mut cases = String::new();
    for command in COMMANDS {
        let _ = writeln!(cases, "    {})\n        options=(", command.word);
        cases.push_str(&zsh_options(command));
        let operand = match command.name {
            Name::Restore => "            '*:backup:_files'\n".to_owned(),
            Name::Import => "            '*:folder:_files -/'\n".to_owned(),
            Name::Help => format!("            '*:topic:({})'\n", topics().join(" ")),
            _ if command.operand.is_empty() => String::new(),
            _ => "            '*:operand:()'\n".to_owned(),
        };
        let _ = writeln!(cases, "{operand}        )\n        ;;");
    }
    format!(
        r#"#compdef litemigrate
# zsh completion for litemigrate; made by `litemigrate --generate zsh`
_litemigrate() {{
    local -a commands options
    local command word
    commands=(
{commands}    )
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        if (( ${{commands[(I)$word:*]}} )); then
            command=$word
            break
        fi
    done
    case ${{command:-up}} in
{cases}    esac
    if [[ -z $command ]]; then
        options+=('1:command:{{ _describe -t commands command commands }}')
    else
        words=("${{(@)words:#$command}}")
        (( CURRENT-- ))
    fi
    _arguments -s -S $options
}}
_litemigrate "$@"
"#
    )
}

/// The completion for fish.
pub(crate) fn fish() -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let all = command_words();
    let mut script = format!(
        "# fish completion for litemigrate; made by `litemigrate --generate fish`\ncomplete -c litemigrate -f\nset -l commands {all}\n"
    );
    for command in COMMANDS {
        let _ = writeln!(
            script,
            "complete -c litemigrate -n \"not __fish_seen_subcommand_from $commands\" -a {} -d '{}'",
            command.word,
            quoted(command.summary)
        );
    }
    for flag in FLAGS {
        let known: Vec<&str> = COMMANDS
            .iter()
            .filter(|command| flag.goes_with(command))
            .map(|command| command.word)
            .collect();
        // Without a command it is up.
        let condition = match (known.len() == COMMANDS.len(), flag.goes_with(&COMMANDS[0])) {
            (true, _) => String::new(),
            (false, false) => format!(" -n '__fish_seen_subcommand_from {}'", known.join(" ")),
            (false, true) => format!(
                " -n \"not __fish_seen_subcommand_from $commands; or __fish_seen_subcommand_from {}\"",
                known.join(" ")
            ),
        };
        let short = flag
            .short
            .map_or(String::new(), |short| format!(" -s {short}"));
        let value = value(flag).map_or(String::new(), |value| match value {
            Value::Words(words) => format!(" -x -a '{words}'"),
            Value::Directory => " -x -a '(__fish_complete_directories)'".to_owned(),
            Value::File => " -r -F".to_owned(),
            Value::Other => " -x".to_owned(),
        });
        let _ = writeln!(
            script,
            "complete -c litemigrate{condition}{short} -l {}{value} -d '{}'",
            flag.long,
            quoted(flag.help)
        );
    }
    let _ = writeln!(
        script,
        "complete -c litemigrate -n '__fish_seen_subcommand_from restore' -F\ncomplete -c litemigrate -n '__fish_seen_subcommand_from import' -a '(__fish_complete_directories)'\ncomplete -c litemigrate -n '__fish_seen_subcommand_from help' -a '{}'",
        topics().join(" ")
    );
    script
}
