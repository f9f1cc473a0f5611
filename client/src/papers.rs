//! What goes beside the program: `cox completions` and `cox man`.

use crate::{
    NAME,
    args::{ALIASES, Args, Completions, Man},
    error::Failure,
    output::Output,
};
use clap::Command;
use program::arguments;
use std::{fs, path::Path};

/// Prints what a shell needs to complete commands and flags.
///
/// # Errors
/// If it cannot be written.
pub fn completions(options: &Completions, output: &Output) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut command(), NAME, &mut text);
    output.text(&String::from_utf8_lossy(&text))
}

/// Prints the manual page, or writes one for each command.
///
/// # Errors
/// If it cannot be written.
pub fn man(options: &Man, output: &Output) -> Result<(), Failure> {
    let command = command();
    let Some(directory) = &options.directory else {
        return output.text(&page(command)?);
    };
    fs::create_dir_all(directory).map_err(|why| failed(directory, why))?;
    for subcommand in command.get_subcommands() {
        let name = format!("{NAME}-{}", subcommand.get_name());
        let shown = format!("{NAME} {}", subcommand.get_name());
        let page = page(subcommand.clone().name(name.clone()).bin_name(shown))?;
        write(&directory.join(format!("{name}.1")), &page)?;
    }
    write(&directory.join(format!("{NAME}.1")), &page(command)?)
}

/// The command, with what is common to all of its subcommands in each of them.
fn command() -> Command {
    let mut command = arguments::command::<Args>(ALIASES);
    command.build();
    command
}

fn page(command: Command) -> Result<String, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).map_err(Failure::Output)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|why| failed(path, why))
}

fn failed(path: &Path, why: std::io::Error) -> Failure {
    Failure::File { path: path.display().to_string(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_each_command() {
        let directory = tempfile::tempdir().unwrap();
        let options = Man { directory: Some(directory.path().join("man1")) };
        man(&options, &Output::new(false)).unwrap();
        let page = |name: &str| fs::read_to_string(directory.path().join("man1").join(name)).unwrap();
        assert!(page("cox.1").contains("cox\\-history(1)"), "{}", page("cox.1"));
        let history = page("cox-history.1");
        assert!(history.contains("\\-\\-tail") && history.contains("\\-\\-json"), "{history}");
        let commands = command().get_subcommands().count();
        assert_eq!(fs::read_dir(directory.path().join("man1")).unwrap().count(), commands + 1);
    }

    #[test]
    fn every_shell_is_told_of_every_command() {
        use clap::ValueEnum;
        for shell in clap_complete::Shell::value_variants() {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut command(), NAME, &mut text);
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains("checkpoints") && text.contains("expect-sha256"), "{shell}");
        }
    }
}
