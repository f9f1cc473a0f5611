//! Flags, and the variables that stand for them. One rule for all programs:
//!
//! - Every flag is also read from a variable: `--give-up-after` from `COXSWAIN_GIVE_UP_AFTER`. Some have a second one, which
//!   other programs set too: an [`Alias`].
//! - A flag that was typed outweighs its variable, and the variables of flags that exclude it: `--cpu` outweighs
//!   `LOCAL_RANK`, which stands for `--gpu`. In the same way a variable of ours outweighs an alias.
//! - An empty variable is as good as one that is not set.
//! - Yes and no are said as 1, true, yes, on or 0, false, no, off, in letters of any size.
//! - A value that makes no sense is refused, with the variable's name.

mod plain;

pub use plain::some_time;

use crate::{BadVariable, Format, address, print, text, variable};
use clap::{
    ArgAction, Command, Parser,
    builder::{BoolishValueParser, Resettable},
    error::ErrorKind,
    parser::ValueSource,
};
use plain::plain;
use std::{
    borrow::Cow,
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
};
use thiserror::Error;

/// A flag, by its id, and a variable that stands for it and that other programs set too.
pub type Alias = (&'static str, &'static str);

/// The exit code of a wrong command line.
const WRONG: u8 = 2;
/// The exit code of a program whose output cannot be written.
const UNPRINTED: u8 = 1;

/// Why flags and variables are no command.
#[derive(Debug, Error)]
pub enum Usage {
    /// What was typed is wrong, or asks for help.
    #[error("{}", address::hide_users(&.0.to_string()))]
    Line(#[from] clap::Error),
    /// A variable is wrong.
    #[error(transparent)]
    Variable(#[from] BadVariable),
    /// What the flags say together makes no sense.
    #[error("{0}")]
    Contradiction(String),
}

impl Usage {
    /// Says what is wrong, or gives the help that was asked for, and returns the exit code.
    #[must_use]
    pub fn tell(&self, program: &str, format: Format) -> u8 {
        match self {
            Self::Line(error) if !error.use_stderr() => {
                let text = rendered(error, io::stdout().is_terminal());
                if print(&text).is_ok() { 0 } else { UNPRINTED }
            }
            Self::Line(error) if format == Format::Text => {
                print::write_soon(rendered(error, io::stderr().is_terminal()));
                WRONG
            }
            Self::Line(error) => {
                format.say(program, &first_part(error));
                WRONG
            }
            other => {
                format.say(program, other);
                WRONG
            }
        }
    }
}

/// The error in clap's own layout. It has colours on a terminal where they are wanted (<https://no-color.org>). The value that is
/// wrong is in it, and may be an address with a password.
fn rendered(error: &clap::Error, terminal: bool) -> String {
    let text = error.render();
    let plain = text.to_string();
    if let Cow::Owned(hidden) = address::hide_users(&plain) {
        return hidden;
    }
    if terminal && variable("NO_COLOR").is_none() { text.ansi().to_string() } else { plain }
}

/// Our own variable for the flag `id`.
#[must_use]
pub fn variable_of(id: &str) -> String {
    format!("COXSWAIN_{}", id.to_uppercase())
}

/// The command of `T`, changed by the rule above: switches take yes or no, and the help names the variables.
#[must_use]
pub fn command<T: Parser>(aliases: &[Alias]) -> Command {
    T::command().mut_args(|arg| {
        let mut names = vec![variable_of(arg.get_id().as_str())];
        names.extend(aliases.iter().filter(|(id, _)| arg.get_id() == id).map(|(_, name)| (*name).to_owned()));
        let told = format!("[env: {}]", names.join(", "));
        let help = arg.get_help().map_or_else(|| told.clone(), |help| format!("{help} {told}"));
        let has_long = arg.get_long().is_some();
        let arg = if has_long { arg.help(help) } else { arg };
        // clap itself would not read variables by this rule.
        let arg = arg.env(Resettable::Reset);
        match arg.get_action() {
            ArgAction::SetTrue => arg
                .action(ArgAction::Set)
                .value_name("BOOL")
                .num_args(0..=1)
                .require_equals(true)
                .default_value("false")
                .default_missing_value("true")
                .hide_default_value(true)
                .hide_possible_values(true)
                .value_parser(BoolishValueParser::new()),
            _ => arg,
        }
    })
}

/// Reads `line`, which begins with the program's name, and the environment, as `command` says.
///
/// # Errors
/// What is wrong, or which help was asked for.
pub fn read<T: Parser>(command: Command, line: &[OsString], aliases: &[Alias]) -> Result<T, Usage> {
    read_with(command, line, aliases, variable)
}

/// Flags that are declared more than once. clap looks for them itself, but not in an optimised program, and tests are
/// optimised.
#[must_use]
pub fn declared_twice(command: &Command) -> Vec<String> {
    let reserved = ["help", "version"].map(str::to_owned);
    let own = |command: &Command| {
        let flags = command.get_arguments().flat_map(|arg| {
            let long = arg.get_long().map(|long| long.replace('-', "_"));
            let names = [Some(arg.get_id().as_str().to_owned()), long];
            // Both names of an argument are usually the same.
            names.into_iter().flatten().collect::<BTreeSet<_>>()
        });
        flags.collect::<Vec<_>>()
    };
    let twice = |names: Vec<String>| {
        let mut seen: BTreeSet<String> = reserved.clone().into();
        names.into_iter().filter(|name| !seen.insert(name.clone())).collect::<Vec<_>>()
    };
    let globals: Vec<String> =
        command.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().as_str().to_owned()).collect();
    let of_subcommands = command.get_subcommands().flat_map(|sub| twice([globals.clone(), own(sub)].concat()));
    twice(own(command)).into_iter().chain(of_subcommands).collect()
}

/// Whether `text` says yes or no; `None` if it says neither.
#[must_use]
pub fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" | "t" => Some(true),
        "0" | "false" | "no" | "off" | "n" | "f" => Some(false),
        _ => None,
    }
}

/// The wanted log format, as far as it can be told from a line that makes no sense as a whole.
#[must_use]
pub fn wanted_format(line: &[OsString]) -> Format {
    const FLAG: &str = "--log-format";
    let typed = value_of(line, FLAG);
    let wanted = typed.or_else(|| variable(&variable_of("log_format")));
    if wanted.is_some_and(|format| format == Format::Json.flag()) { Format::Json } else { Format::Text }
}

/// The value of `flag` in `line`, found before anything else is read.
#[must_use]
pub fn value_of(line: &[OsString], flag: &str) -> Option<OsString> {
    let mut words = line.iter();
    while let Some(word) = words.next() {
        if word == flag {
            return words.next().cloned();
        }
        let value = word.to_str().and_then(|word| word.strip_prefix(flag)).and_then(|rest| rest.strip_prefix('='));
        if let Some(value) = value {
            return Some(value.into());
        }
    }
    None
}

/// Checks that `value` is one for the flag `id` of `command`.
///
/// # Errors
/// Why it is none, in words.
pub fn check(command: &Command, id: &str, value: &OsStr) -> Result<(), String> {
    let Some(flag) = flag_with(command, id, value) else { return Ok(()) };
    let line = [OsString::from(command.get_name()), flag];
    match command.clone().try_get_matches_from(line) {
        Err(error) if is_about_a_value(&error) => Err(first_part(&plain(error, command))),
        // Other errors have other causes than this value.
        _ => Ok(()),
    }
}

fn is_about_a_value(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidValue
            | ErrorKind::ValueValidation
            | ErrorKind::InvalidUtf8
            | ErrorKind::TooManyValues
            | ErrorKind::WrongNumberOfValues
    )
}

/// What clap says of an error, without its prefix and its advice.
fn first_part(error: &clap::Error) -> String {
    let message = error.to_string();
    let message = address::hide_users(&message);
    let part = message.split("\n\n").next().unwrap_or_default();
    text::one_line(part.strip_prefix("error: ").unwrap_or(part))
}

/// `--flag=value`; `None` if there is no such flag, or it has no long name.
fn flag_with(command: &Command, id: &str, value: &OsStr) -> Option<OsString> {
    let long = command.get_arguments().find(|arg| arg.get_id() == id)?.get_long()?;
    let mut flag = OsString::from(format!("--{long}="));
    flag.push(value);
    Some(flag)
}

fn read_with<T: Parser>(
    command: Command,
    line: &[OsString],
    aliases: &[Alias],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<T, Usage> {
    // Its own name, and not the word that the line begins with: `serve` is no program.
    let name = command.get_name().to_owned();
    let command = command.bin_name(name);
    let named = named(&command, line, aliases, variable)?;
    let mut whole: Vec<OsString> = line.iter().take(1).cloned().collect();
    for Named { id, name, value } in named {
        check(&command, &id, &value).map_err(|why| BadVariable { name, why })?;
        whole.extend(flag_with(&command, &id, &value));
    }
    // As if they had been typed before everything else.
    whole.extend(line.iter().skip(1).cloned());
    let matches = command.clone().try_get_matches_from(whole).map_err(|error| plain(error, &command))?;
    Ok(T::from_arg_matches(&matches)?)
}

/// A flag that a variable sets.
struct Named {
    id: String,
    name: String,
    value: OsString,
}

/// The variables that count, with the flags that they set.
fn named(
    command: &Command,
    line: &[OsString],
    aliases: &[Alias],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Named>, Usage> {
    let ids: Vec<String> = command
        .get_arguments()
        .filter(|arg| arg.get_long().is_some())
        .map(|arg| arg.get_id().as_str().to_owned())
        .collect();
    let typed = command.clone().ignore_errors(true).try_get_matches_from(line);
    // Help comes before all else.
    let typed = typed?;
    let is_typed = |id: &String| typed.value_source(id) == Some(ValueSource::CommandLine);
    let mut settled: BTreeSet<String> = ids.iter().filter(|id| is_typed(id)).cloned().collect();
    let ours = ids.iter().map(|id| (id.clone(), variable_of(id))).collect();
    let shared = aliases.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect();
    let mut named = Vec::new();
    let rounds: [Vec<(String, String)>; 2] = [ours, shared];
    for round in rounds {
        let mut known = BTreeSet::new();
        let heard: Vec<Named> = round
            .into_iter()
            .filter(|(id, _)| !settled.contains(id) && rivals(command, id).is_disjoint(&settled))
            .filter_map(|(id, name)| Some(Named { value: variable(&name)?, id, name }))
            .filter(|Named { id, value, .. }| rivals(command, id).is_empty() || !says_no(command, id, value))
            // Of several aliases of one flag the first counts.
            .filter(|Named { id, .. }| known.insert(id.clone()))
            .collect();
        for Named { id, name, .. } in &heard {
            let rivals = rivals(command, id);
            if let Some(other) = heard.iter().find(|other| rivals.contains(&other.id)) {
                let why = format!("{} is set as well, and they exclude each other", other.name);
                return Err(BadVariable { name: name.clone(), why }.into());
            }
        }
        settled.extend(heard.iter().map(|Named { id, .. }| id.clone()));
        named.extend(heard);
    }
    Ok(named)
}

/// The flags that exclude the flag `id`.
fn rivals(command: &Command, id: &str) -> BTreeSet<String> {
    let groups = command.get_groups().filter(|group| !(*group).clone().is_multiple());
    let with = groups.filter(|group| group.get_args().any(|arg| arg == id));
    with.flat_map(clap::ArgGroup::get_args).filter(|arg| *arg != id).map(|arg| arg.as_str().to_owned()).collect()
}

/// Whether `value` says no to a switch. Of switches that exclude each other, one that says no does not count.
fn says_no(command: &Command, id: &str, value: &OsStr) -> bool {
    let Some(flag) = flag_with(command, id, value) else { return false };
    let line = [OsString::from(command.get_name()), flag];
    let matches = command.clone().ignore_errors(true).try_get_matches_from(line);
    matches.is_ok_and(|matches| matches!(matches.try_get_one::<bool>(id), Ok(Some(false))))
}

#[cfg(test)]
mod tests;
