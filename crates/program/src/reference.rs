//! The reference page of flags, made of the commands themselves.
//!
//! The page has a section a program, between two marks. Each program holds its own section against its command, in a test:
//! with [`WRITE`] set that test writes it.

use crate::arguments::{Alias, variable_of};
use clap::{Arg, Command};
use std::{env, fmt::Write, fs, path::Path};

/// The variable with which the tests write the page, instead of comparing it.
pub const WRITE: &str = "COXSWAIN_WRITE_REFERENCE";

/// The section of `command`: a table for each group of its flags, and for each of its subcommands.
#[must_use]
pub fn section(command: &Command, aliases: &[Alias]) -> String {
    let mut text = format!("## {}\n\n{}\n", command.get_name(), about(command));
    tables(&mut text, command, |_| true, aliases);
    // Variables stand for flags before the subcommand alone.
    let is_named = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
    for subcommand in command.get_subcommands() {
        let name = format!("{} {}", command.get_name(), subcommand.get_name());
        // Writing to a String cannot fail, here and below.
        let _ = write!(text, "\n### {name}\n\n{}\n", about(subcommand));
        tables(&mut text, subcommand, is_named, aliases);
    }
    text
}

/// Holds the section of `name` in the page against `section`, or writes it if [`WRITE`] is set.
///
/// # Errors
/// If it is another, or the page cannot be read or written; in words.
pub fn check(page: &Path, name: &str, section: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", page.display());
    let text = fs::read_to_string(page).map_err(failed)?;
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?)));
    let (before, (found, after)) = parts.ok_or_else(|| format!("{} has no {begin}and {end}", page.display()))?;
    if found == section {
        return Ok(());
    }
    if env::var_os(WRITE).is_some() {
        return fs::write(page, [before, &begin, section, &end, after].concat()).map_err(failed);
    }
    let line = found.lines().zip(section.lines()).find(|(found, now)| found != now);
    let (found, now) = line.unwrap_or(("", "another number of lines"));
    Err(format!(
        "{} says of {name}:\n  {found}\nand the program:\n  {now}\nRun the test again with {WRITE}=1 to write it",
        page.display()
    ))
}

fn about(command: &Command) -> String {
    command.get_long_about().or(command.get_about()).map_or_else(String::new, ToString::to_string)
}

/// Tables of the flags of `command`. A flag has a variable if `is_named` says so.
fn tables(text: &mut String, command: &Command, is_named: impl Fn(&str) -> bool, aliases: &[Alias]) {
    let flags = || command.get_arguments().filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"));
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in flags() {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    for heading in headings {
        if let Some(heading) = heading {
            let _ = write!(text, "\n**{heading}**\n");
        }
        text.push_str("\n| flag | what it does | default | variable |\n| --- | --- | --- | --- |\n");
        for arg in flags().filter(|arg| arg.get_help_heading() == heading) {
            row(text, arg, is_named(arg.get_id().as_str()), aliases);
        }
    }
}

fn row(text: &mut String, arg: &Arg, is_named: bool, aliases: &[Alias]) {
    let id = arg.get_id().as_str();
    let is_switch = !arg.get_action().takes_values() || arg.get_value_names().is_some_and(|names| names[0] == "BOOL");
    let value = match arg.get_value_names() {
        Some(names) if !is_switch => {
            format!(" {}", names.iter().map(clap::builder::Str::as_str).collect::<Vec<_>>().join(" "))
        }
        _ => String::new(),
    };
    let (name, variables) = match arg.get_long() {
        Some(long) => {
            let others = aliases.iter().filter(|(alias, _)| *alias == id).map(|(_, name)| format!(", `{name}`"));
            let mut name = format!("`--{long}{value}`");
            for alias in arg.get_visible_aliases().into_iter().flatten() {
                let _ = write!(name, ", `--{alias}`");
            }
            let variables = format!("`{}`{}", variable_of(id), others.collect::<String>());
            (name, if is_named { variables } else { String::new() })
        }
        None => (format!("`{}`", value.trim()), String::new()),
    };
    let help = arg.get_help().map_or_else(String::new, ToString::to_string);
    let (help, told) = match help.split_once(" [default: ") {
        Some((help, told)) => (help.to_owned(), told.trim_end_matches(']').to_owned()),
        None => (help, String::new()),
    };
    let values = arg.get_possible_values();
    let values: Vec<String> = if is_switch {
        Vec::new()
    } else {
        values
            .iter()
            .map(|value| {
                let words = value
                    .get_help()
                    .map_or_else(String::new, |help| format!(" ({})", help.to_string().trim_end_matches('.')));
                format!("`{}`{words}", value.get_name())
            })
            .collect()
    };
    let choice = if values.is_empty() { String::new() } else { format!(": {}", values.join("; ")) };
    let given: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let default = if told.is_empty() && !is_switch { given.join(",") } else { told };
    let cell = |text: String| text.replace('|', "\\|").replace('\n', " ");
    let _ = writeln!(text, "| {} | {} | {} | {variables} |", cell(name), cell(help + &choice), cell(default));
}
