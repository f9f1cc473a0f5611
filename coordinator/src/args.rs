//! The command line of `coordinator`.
//!
//! Every flag is also read from an environment variable, and from a file that `--config` names. The command line
//! outweighs the environment, and the environment outweighs the file.

use crate::{
    alerts::AlertArgs,
    error::Error,
    web::{Http, Origin},
};
use clap::Parser;
use config::{Asked, RunConfig};
use program::{BadVariable, Format, Traces, Usage, address, arguments};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs,
    io::Read,
    iter,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// Steers a training run: waits for workers, trains, evaluates, saves, and answers predictions meanwhile.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "coordinator",
    version,
    after_help = "coordinator serve RUN_OR_CHECKPOINT answers predictions without training: coordinator serve --help\n\
                  coordinator view RUN_DIR... shows runs that are over in a browser: coordinator view --help"
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that a person types")]
pub struct Args {
    /// Workers to wait for before the first step
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub workers: usize,

    /// Workers without which training pauses
    #[arg(long, value_name = "M", default_value_t = 1)]
    pub min_workers: usize,

    /// Let processors of different kinds take part together: the weights then depend on which computes what
    #[arg(long)]
    pub allow_mixed: bool,

    /// Start the workers on this machine's CPU
    #[arg(long)]
    pub local: bool,

    /// What decides the weights
    #[command(flatten)]
    pub asked: Asked,

    /// The data set: cifar10, cifar100 (its 100 classes) or cifar100-coarse (its 20) [default: cifar10, or what the run has]
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,

    /// Where the data set's files are
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// Micro-batches of a shard, one after the other: a large batch on a small GPU. Each is a logical shard of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub accumulate: u32,

    /// Where the run is kept [default: runs/MODEL]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,

    /// auto: go on where the run directory is; never: refuse if it holds a run; or a checkpoint to begin from. That is taken
    /// in once, and the same command then goes on from the run's own newest one
    #[arg(long, value_name = "auto|never|PATH", default_value = "auto")]
    pub resume: String,

    /// Checkpoints to keep, beside the best
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub keep: usize,

    /// Steps between two checkpoints within an epoch, without stopping: what is redone at the most if everything dies
    /// [default: only at an epoch's end]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..))]
    pub checkpoint_every: Option<u32>,

    /// The address for workers and clients
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = one_machine)]
    pub listen: SocketAddr,

    /// The address of the page that shows the run in a browser, or off. Without a port it takes the first that is free from 8080
    /// on [default: the address of --listen, without its port]
    #[arg(long, value_name = "ADDR|off")]
    pub http: Option<Http>,

    /// Let pages of this site ask and steer the run in a browser, such as https://host:8000. May be given several times. Pages of
    /// other sites may not
    #[arg(long, value_name = "SITE", value_delimiter = ',')]
    pub http_origin: Vec<Origin>,

    /// How long a silent or stuck worker is waited for, from 500ms to 1h; the other time-outs follow from it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub failure_timeout: Duration,

    /// Print all time-outs and what they are for, and end
    #[arg(long)]
    pub explain_timeouts: bool,

    /// Have local workers write where the time of a step goes. NAME.json in this directory is a trace for Perfetto or Chrome
    /// [without DIR, or as yes: profile in the run directory]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub profile: Option<Traces>,

    /// Go on answering predictions when training is over
    #[arg(long)]
    pub serve: bool,

    /// Who is told at once when something happens
    #[command(flatten)]
    pub alerts: AlertArgs,

    /// What pictures that are to be predicted may take of the memory in all, in MiB; what does not fit waits, or is refused
    #[arg(long, value_name = "MIB", default_value_t = 640, value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    pub predict_memory: u32,

    /// Send spans of the run to the OpenTelemetry collector at this URL, over gRPC, or off
    #[arg(long, value_name = "URL|off", value_parser = telemetry::endpoint)]
    pub otlp_endpoint: Option<String>,

    /// Log lines as text or as JSON
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub log_format: Format,

    /// A file in TOML that sets any of these flags
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Args {
    /// Reads the command line, the environment and the file that `--config` names.
    ///
    /// # Errors
    /// If the file cannot be read or sets what is no flag, or what was given makes no sense.
    pub fn read(line: &[OsString]) -> Result<Self, Error> {
        let mut command = arguments::command::<Self>(&[]);
        let file = arguments::value_of(line, "--config");
        let file = file.or_else(|| program::variable(&arguments::variable_of("config"))).map(PathBuf::from);
        if let Some(path) = &file {
            command = with_file(command, path)?;
        }
        let args: Self = arguments::read(command, line, &[])?;
        args.check_what_was_not_typed(line, file)?;
        Ok(args)
    }

    /// Refuses an impossible setting that was not typed. Only here is it known which variable or file set it.
    fn check_what_was_not_typed(&self, line: &[OsString], file: Option<PathBuf>) -> Result<(), Error> {
        let Err(impossible) = RunConfig::settings().check(&self.asked.0.values) else { return Ok(()) };
        let mut settings = RunConfig::settings().iter();
        let Some(setting) = settings.find(|setting| setting.flag == impossible.flag) else { return Ok(()) };
        let mut names = iter::once(&setting.flag).chain(&setting.alias);
        if names.any(|name| arguments::value_of(line, &format!("--{name}")).is_some()) {
            return Ok(());
        }
        let name = arguments::variable_of(&setting.id());
        let why = impossible.to_string();
        match file {
            _ if program::variable(&name).is_some() => Err(Usage::from(BadVariable { name, why }).into()),
            Some(path) => Err(Error::ConfigFile { path, why }),
            None => Ok(()),
        }
    }
}

/// What `--listen` takes.
const LISTEN: &str = "give a number of this machine and a port, such as 127.0.0.1:50051, or 0.0.0.0:50051 for all that it has; \
                      of names, only localhost is taken";

/// The address of one machine, as others can reach it.
pub(crate) fn one_machine(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = address::numbered(text).parse().map_err(|_| LISTEN.to_owned())?;
    let ip = address.ip();
    if ip.is_multicast() || ip == Ipv4Addr::BROADCAST {
        return Err(
            "it stands for many machines; give an address of this one, or 0.0.0.0 for all that it has".to_owned()
        );
    }
    Ok(address)
}

/// The most bytes that a file of flags may have.
const LARGEST_FILE: u64 = 1 << 20;

/// Makes the values in the file the defaults of the flags.
fn with_file(mut command: clap::Command, path: &Path) -> Result<clap::Command, Error> {
    let bad = |why: String| Error::ConfigFile { path: path.to_owned(), why };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| bad(error.to_string()))?;
    file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(|error| bad(error.to_string()))?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(bad(format!("it is longer than {LARGEST_FILE} bytes")));
    }
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| bad(error.to_string()))?;
    let flags: Vec<String> = command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect();
    let aliases: BTreeMap<String, String> = command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?, arg.get_visible_aliases()?)))
        .flat_map(|(flag, aliases)| aliases.into_iter().map(|alias| (alias.to_owned(), flag.to_owned())))
        .collect();
    let mut seen = BTreeSet::new();
    for (key, value) in table {
        let flag = key.replace('_', "-");
        let flag = aliases.get(&flag).cloned().unwrap_or(flag);
        if !seen.insert(flag.clone()) {
            return Err(bad(format!("{flag} is set twice, under two spellings of its name")));
        }
        if flag == "config" {
            return Err(bad("a file cannot name another one".to_owned()));
        }
        if !flags.contains(&flag) {
            let distance = |known: &String| strsim::damerau_levenshtein(known, &flag);
            let near =
                flags.iter().filter(|known| distance(known) <= 1 + flag.len() / 4).min_by_key(|known| distance(known));
            // The flag may be one of a kind, with the kind's name left out.
            let nearest = near.or_else(|| flags.iter().find(|known| known.ends_with(&format!("-{flag}"))));
            let nearest = nearest.map_or_else(String::new, |nearest| format!(": did you mean {nearest}?"));
            return Err(bad(format!("there is no flag {key}{nearest}")));
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Array(values) => {
                let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                values.iter().map(text).collect::<Vec<_>>().join(",")
            }
            toml::Value::Table(_) => {
                let why = "is a table, and keys are flat, as flags are: optimizer = \"adamw\" and adamw-beta1 = 0.8";
                return Err(bad(format!("{key} {why}")));
            }
            other => other.to_string(),
        };
        let id = flag.replace('-', "_");
        arguments::check(&command, &id, OsStr::new(&text)).map_err(bad)?;
        command = command.mut_arg(id, |arg| arg.default_value(text));
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use program::reference;

    #[test]
    fn without_flags_it_is_the_default_configuration() {
        let args = read(&[]).unwrap();
        assert_eq!(crate::settings::run_config(&args, None).unwrap(), RunConfig::default());
        assert!(!args.asked.has("precision"));
    }

    #[test]
    fn another_name_of_a_flag_means_the_flag() {
        let rate = |args: &Args| args.asked.0.values["lr"].as_f64();
        assert_eq!(rate(&read(&["--learning-rate", "0.3"]).unwrap()), Some(0.3));
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("flags.toml");
        let of_file = |text: &str| {
            fs::write(&file, text).unwrap();
            read(&["--config", file.to_str().unwrap()])
        };
        assert_eq!(rate(&of_file("learning_rate = 0.2").unwrap()), Some(0.2));
        let twice = of_file("lr = 0.1\nlearning-rate = 0.2").unwrap_err().to_string();
        assert!(twice.contains("lr is set twice"), "{twice}");
    }

    fn read(words: &[&str]) -> Result<Args, Error> {
        let line: Vec<OsString> = ["coordinator"].iter().chain(words).map(OsString::from).collect();
        Args::read(&line)
    }

    #[test]
    fn an_address_that_is_no_machines_own_is_refused() {
        for many in ["255.255.255.255:1", "224.0.0.1:1", "[ff02::1]:1"] {
            let error = read(&["--listen", many]).unwrap_err().to_string();
            assert!(error.contains("it stands for many machines"), "{error}");
        }
        for one in ["0.0.0.0:1", "[::1]:0", "10.0.0.255:9"] {
            assert_eq!(read(&["--listen", one]).unwrap().listen.to_string(), one);
        }
        assert_eq!(read(&["--listen", "localhost:9"]).unwrap().listen.to_string(), "127.0.0.1:9");
        for wrong in ["node-1:9", "127.0.0.1", "localhost", ":9", "127.0.0.1:x"] {
            let error = read(&["--listen", wrong]).unwrap_err().to_string();
            assert!(error.contains("such as 127.0.0.1:50051, or 0.0.0.0:50051"), "{error}");
        }
    }

    #[test]
    fn the_command_line_outweighs_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            file.path(),
            "epochs = 3\nlocal = true\nbatch-size = 64\nschedule = \"multistep\"\nmilestones = [1, 2]\n",
        )
        .unwrap();
        let path = file.path().to_str().unwrap();
        let args = read(&["--config", path, "--batch-size", "32"]).unwrap();
        let config = crate::settings::run_config(&args, None).unwrap();
        assert_eq!((config.epochs, config.batch_size, args.local), (3, 32, true));
        assert_eq!(config.values()["schedule"]["milestones"], serde_json::json!([1, 2]));
    }

    #[test]
    fn traces_go_to_the_run_directory_or_elsewhere() {
        let profile = |words: &[&str]| read(words).unwrap().profile;
        assert_eq!(profile(&[]), None);
        assert_eq!(profile(&["--profile", "--local"]), Some(Traces::Usual));
        assert_eq!(profile(&["--profile=no"]), Some(Traces::Off));
        assert_eq!(profile(&["--profile=traces"]), Some(Traces::To(PathBuf::from("traces"))));
    }

    #[test]
    fn a_wrong_key_gets_the_nearest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "epoch = 3\n").unwrap();
        let error = read(&["--config", file.path().to_str().unwrap()]).unwrap_err().to_string();
        assert!(error.contains("there is no flag epoch: did you mean epochs?"), "{error}");
    }

    #[test]
    fn keys_of_a_file_are_flat_and_each_is_set_once() {
        let refused = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), text).unwrap();
            read(&["--config", file.path().to_str().unwrap()]).unwrap_err().to_string()
        };
        assert!(refused("[optimizer]\nkind = \"adamw\"\n").contains("optimizer is a table, and keys are flat"));
        assert!(refused("batch-size = 64\nbatch_size = 32\n").contains("batch-size is set twice"));
        assert!(refused("beta1 = 0.8\n").contains("did you mean adamw-beta1?"));
        assert!(refused("foo = 1\n").ends_with("there is no flag foo"));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "schedule = \"multistep\"\nmilestones = [\"1\", \"2\"]\n").unwrap();
        let args = read(&["--config", file.path().to_str().unwrap()]).unwrap();
        let config = crate::settings::run_config(&args, None).unwrap();
        assert_eq!(config.values()["schedule"]["milestones"], serde_json::json!([1, 2]));
    }

    #[test]
    fn a_value_of_the_file_that_makes_no_sense_is_refused_with_its_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "workers = \"many\"\n").unwrap();
        let path = file.path().to_str().unwrap();
        let error = read(&["--config", path]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("--config {path}: invalid value 'many' for '--workers <N>'")), "{error}");
    }

    #[test]
    fn a_value_that_is_out_of_range_is_refused_with_where_it_came_from() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "epochs = 0\nlearning-rate = 0.1\n").unwrap();
        let path = file.path().to_str().unwrap();
        let refused = |words: &[&str]| {
            let args = read(&[&["--config", path], words].concat())?;
            crate::settings::run_config(&args, None)
        };
        let why = "--epochs 0 is impossible: it has to be at least 1";
        assert_eq!(refused(&[]).unwrap_err().to_string(), format!("--config {path}: {why}"));
        assert_eq!(refused(&["--epochs=0"]).unwrap_err().to_string(), why, "what was typed needs no name");
        let typed = refused(&["--epochs", "1", "--learning-rate", "-1"]).unwrap_err().to_string();
        assert!(typed.starts_with("--lr -1 is impossible: "), "{typed}");
    }

    #[test]
    fn the_reference_page_tells_of_every_flag() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/settings.md");
        reference::check(&page, "coordinator", &reference::section(&Args::command(), &[])).unwrap();
    }

    #[test]
    fn clap_accepts_the_definition() {
        let command = arguments::command::<Args>(&[]);
        assert_eq!(arguments::declared_twice(&command), [""; 0]);
        command.debug_assert();
    }
}
