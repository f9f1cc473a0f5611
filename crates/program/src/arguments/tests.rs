use super::*;
use clap::{ArgGroup, Subcommand, builder::RangedU64ValueParser};

#[derive(Debug, Parser, PartialEq)]
#[command(name = "test", group(ArgGroup::new("device").required(true).args(["cpu", "gpu"])))]
struct Args {
    /// On the processor
    #[arg(long)]
    cpu: bool,
    #[arg(long)]
    gpu: Option<usize>,
    #[arg(long)]
    serve: bool,
    #[arg(long, default_value_t = 1)]
    workers: usize,
    #[arg(long, default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
}

const ALIASES: &[Alias] = &[("gpu", "LOCAL_RANK")];

fn with(line: &str, variables: &[(&str, &str)]) -> Result<Args, Usage> {
    let line: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value)).filter(|value| !value.is_empty())
    };
    read_with(command::<Args>(ALIASES), &line, ALIASES, variable)
}

#[test]
fn the_flag_outweighs_the_variable() {
    let args = with("test --cpu --workers 3", &[("COXSWAIN_WORKERS", "7")]).unwrap();
    assert_eq!(args.workers, 3);
    // Even one that makes no sense.
    assert_eq!(with("test --cpu --workers 3", &[("COXSWAIN_WORKERS", "many")]).unwrap().workers, 3);
    assert_eq!(with("test --cpu", &[("COXSWAIN_WORKERS", "7")]).unwrap().workers, 7);
    assert!(!with("test --cpu --serve=no", &[("COXSWAIN_SERVE", "1")]).unwrap().serve);
}

#[test]
fn a_password_in_a_wrong_value_is_not_shown() {
    let wrong = "http://me:secret@host";
    let typed = with(&format!("test --cpu --workers {wrong}"), &[]).unwrap_err();
    let Usage::Line(error) = &typed else { panic!("{typed}") };
    let set = with("test --cpu", &[("COXSWAIN_WORKERS", wrong)]).unwrap_err().to_string();
    for told in [typed.to_string(), rendered(error, false), rendered(error, true), first_part(error), set] {
        assert!(told.contains("http://***@host") && !told.contains("secret"), "{told}");
    }
}

#[test]
fn an_empty_variable_is_none() {
    let args = with("test --cpu", &[("COXSWAIN_WORKERS", ""), ("COXSWAIN_SERVE", ""), ("LOCAL_RANK", "")]).unwrap();
    assert_eq!((args.workers, args.serve, args.gpu), (1, false, None));
}

#[test]
fn variables_that_exclude_each_other_are_both_named() {
    let error = with("test", &[("COXSWAIN_CPU", "1"), ("COXSWAIN_GPU", "0")]).unwrap_err().to_string();
    assert!(error.contains("COXSWAIN_CPU") && error.contains("COXSWAIN_GPU"), "{error}");
    assert!(with("test", &[("COXSWAIN_CPU", "0"), ("COXSWAIN_GPU", "0")]).is_ok());
    assert!(with("test", &[("COXSWAIN_CPU", "1"), ("LOCAL_RANK", "0")]).unwrap().cpu);
}

#[test]
fn yes_and_no() {
    for yes in ["1", "true", "yes", "on", "TRUE", "Yes", "ON"] {
        assert!(with("test --cpu", &[("COXSWAIN_SERVE", yes)]).unwrap().serve, "{yes}");
    }
    for no in ["0", "false", "no", "off", "FALSE", "No", "OFF"] {
        assert!(!with("test --cpu", &[("COXSWAIN_SERVE", no)]).unwrap().serve, "{no}");
    }
    assert!(with("test --cpu --serve", &[]).unwrap().serve);
}

#[test]
fn a_value_that_makes_no_sense_is_refused_with_the_variables_name() {
    for (name, value) in [("COXSWAIN_WORKERS", "many"), ("COXSWAIN_SERVE", "maybe"), ("COXSWAIN_LOG_FORMAT", "xml")] {
        let error = with("test --cpu", &[(name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("the variable {name}: invalid value '{value}'")), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(with("test", &[("LOCAL_RANK", "x")]).unwrap_err().to_string().contains("LOCAL_RANK"));
    assert!(with("test --help", &[("COXSWAIN_WORKERS", "many")]).unwrap_err().to_string().contains("Usage"));
}

#[test]
fn what_a_launcher_left_contradicts_nobody() {
    let device = |line: &str, variables: &[(&str, &str)]| {
        with(line, variables).map(|args| (args.cpu, args.gpu)).map_err(|error| error.to_string())
    };
    assert_eq!(device("test --cpu", &[("LOCAL_RANK", "0")]), Ok((true, None)));
    assert_eq!(device("test --cpu", &[("LOCAL_RANK", "x")]), Ok((true, None)));
    assert_eq!(device("test --gpu 2", &[("LOCAL_RANK", "0"), ("COXSWAIN_CPU", "1")]), Ok((false, Some(2))));
    assert_eq!(device("test", &[("LOCAL_RANK", "1")]), Ok((false, Some(1))));
    assert_eq!(device("test", &[("LOCAL_RANK", "1"), ("COXSWAIN_CPU", "yes")]), Ok((true, None)));
    assert_eq!(device("test", &[("LOCAL_RANK", "1"), ("COXSWAIN_CPU", "no")]), Ok((false, Some(1))));
    assert_eq!(device("test", &[("LOCAL_RANK", "1"), ("COXSWAIN_GPU", "3")]), Ok((false, Some(3))));
    // Both are meant.
    assert!(device("test", &[("COXSWAIN_CPU", "1"), ("COXSWAIN_GPU", "3")]).is_err());
    assert!(device("test --cpu --gpu 1", &[]).is_err());
    assert!(device("test", &[]).is_err());
}

#[derive(Debug, Parser)]
struct Global {
    #[arg(long, global = true, default_value = "none")]
    coordinator: String,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Status,
}

#[test]
fn a_flag_behind_a_subcommand_outweighs_the_variable_too() {
    let aliases: &[Alias] = &[("coordinator", "COORDINATOR")];
    let read = |line: &[&str]| {
        let line: Vec<OsString> = line.iter().map(OsString::from).collect();
        let variable = |name: &str| (name == "COORDINATOR").then(|| OsString::from("variable"));
        let read: Global = read_with(command::<Global>(aliases), &line, aliases, variable).unwrap();
        assert!(matches!(read.what, What::Status));
        read.coordinator
    };
    assert_eq!(read(&["test", "status", "--coordinator", "flag"]), "flag");
    assert_eq!(read(&["test", "--coordinator=flag", "status"]), "flag");
    assert_eq!(read(&["test", "status"]), "variable");
}

#[test]
fn the_help_names_the_variables() {
    let help = with("test --help", &[]).unwrap_err().to_string();
    assert!(help.contains("On the processor [env: COXSWAIN_CPU]"), "{help}");
    assert!(help.contains("[env: COXSWAIN_GPU, LOCAL_RANK]"), "{help}");
}

#[test]
fn a_flag_that_is_declared_twice_is_found_in_an_optimised_program_too() {
    let arg = |id: &'static str, long: &'static str| clap::Arg::new(id).long(long);
    let command = |args: Vec<clap::Arg>| Command::new("p").args(args);
    assert_eq!(declared_twice(&command(vec![arg("a", "a"), arg("b_c", "b-c")])), [""; 0]);
    assert_eq!(declared_twice(&command(vec![arg("a", "a"), arg("other", "a")])), ["a"]);
    assert_eq!(declared_twice(&command(vec![arg("a_b", "a-b"), arg("a_b", "a_b")])), ["a_b"]);
    assert_eq!(declared_twice(&command(vec![arg("mine", "help")])), ["help"]);
    let sub = Command::new("sub").arg(arg("all", "all"));
    assert_eq!(declared_twice(&command(vec![arg("all", "all").global(true)]).subcommand(sub)), ["all"]);
}

/// A value of each kind that libraries read.
#[derive(Debug, Parser)]
#[command(name = "test deep")]
struct Kinds {
    #[arg(long)]
    whole: Option<u32>,
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
    few: Option<u8>,
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    some: Option<u32>,
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    many: Option<usize>,
    #[arg(long)]
    number: Option<f64>,
    #[arg(long, value_parser = humantime::parse_duration)]
    time: Option<std::time::Duration>,
    #[arg(long, value_parser = some_time)]
    patience: Option<std::time::Duration>,
}

#[test]
fn a_value_that_is_wrong_is_told_in_words_what_to_write() {
    let why = |line: &str, variables: &[(&str, &str)]| {
        let line: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        read_with::<Kinds>(command::<Kinds>(&[]), &line, &[], variable).unwrap_err().to_string()
    };
    let time = "it has to be a time with its unit, such as 500ms, 10s or 2h";
    for (flag, value, words) in [
        ("--whole", "x", "it has to be a whole number"),
        ("--whole", "99999999999", "it has to be from 0 to 4294967295"),
        ("--whole", "99999999999999999999", "it is too large"),
        ("--few", "0", "it has to be from 1 to 255"),
        ("--few", "x", "it has to be a whole number"),
        ("--some", "0", "it has to be at least 1"),
        ("--many", "0", "it has to be at least 1"),
        ("--many", "x", "it has to be a whole number"),
        ("--number", "x", "it has to be a number, such as 0.1"),
        ("--time", "yesterday", time),
        ("--time", "5", time),
        ("--patience", "0", "it has to be longer than 0"),
        ("--patience", "x", time),
    ] {
        let error = why(&format!("deep {flag} {value}"), &[]);
        let name = flag.trim_start_matches('-').to_uppercase();
        assert!(
            error.starts_with(&format!("error: invalid value '{value}' for '{flag} <{name}>': {words}")),
            "{error}"
        );
        assert!(error.ends_with("\n\nFor more information, try '--help'.\n"), "{error}");
        let error = why("deep", &[(&format!("COXSWAIN_{name}"), value)]);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_usage_names_the_whole_command() {
    let line = ["deep", "--nothing"].map(OsString::from);
    let error = read_with::<Kinds>(command::<Kinds>(&[]), &line, &[], |_| None).unwrap_err().to_string();
    assert!(error.contains("Usage: test deep [OPTIONS]"), "{error}");
}
