//! Log lines on standard error, as text or as JSON. Whoever logs never waits for a terminal.

use crate::{BadVariable, FAREWELL, Outlet, print, text, variable};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::{
    fmt::{self, Display},
    io::{self, Write},
    panic,
    sync::Arc,
};
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    fmt::{
        MakeWriter,
        format::{Writer, debug_fn},
        time::{FormatTime, SystemTime},
    },
};

/// What decides which lines are logged.
const FILTER: &str = "RUST_LOG";

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// An object a line, for machines
    Json,
}

impl Format {
    /// The value of `--log-format` that asks for it.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// A line without an event of `tracing` behind it.
    fn line(self, program: &str, level: &str, message: &dyn Display) -> String {
        match self {
            Self::Text => print::line(program, message),
            Self::Json => {
                let mut timestamp = String::new();
                // Writing to a String cannot fail.
                let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
                let fields = json!({"message": message.to_string()});
                format!("{}\n", json!({"timestamp": timestamp, "level": level, "fields": fields, "program": program}))
            }
        }
    }

    /// Says on standard error that `program` cannot go on, where no log was started.
    pub fn say(self, program: &str, message: &dyn Display) {
        print::write_soon(self.line(program, "ERROR", message));
    }
}

/// Writes a line to where log lines go.
type Put = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// The log of this process. A thread of its own writes the lines. If a terminal blocks, only the first few thousand
/// lines wait. Then the log says how many are missing.
#[derive(Clone)]
pub struct Log {
    program: &'static str,
    format: Format,
    outlet: Outlet,
    write: Put,
}

impl fmt::Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Log").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Log {
    /// A log of `program` that writes its lines to standard error by `write`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn new(
        program: &'static str,
        format: Format,
        write: impl Fn(&[u8]) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let write: Put = Arc::new(write);
        let of_lost = Arc::clone(&write);
        let outlet = Outlet::start("log", move |count| {
            let message = format!("{count} log lines are missing here: standard error took none for too long");
            of_lost(format.line(program, "WARN", &message).as_bytes());
        })?;
        Ok(Self { program, format, outlet, write })
    }

    /// Logs everything that is traced from here on. RUST_LOG says which lines, or else `level`. A panic is a line too.
    ///
    /// # Errors
    /// If RUST_LOG cannot be understood.
    pub fn start(&self, level: &str, colours: bool) -> Result<(), BadVariable> {
        let filter = filter(level)?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_target(false)
            // Who reads standard error may be gone; a complaint about that would be a panic.
            .log_internal_errors(false)
            .with_ansi(colours && variable("NO_COLOR").is_none())
            .with_writer(self.clone());
        match self.format {
            Format::Json => log.json().init(),
            // What is logged holds words of others, so it is made safe.
            Format::Text => log
                .fmt_fields(
                    debug_fn(|writer, field, value| {
                        let value = text::one_line(&format!("{value:?}"));
                        if field.name() == "message" {
                            write!(writer, "{value}")
                        } else {
                            write!(writer, "{field}={value}")
                        }
                    })
                    .delimited(" "),
                )
                .init(),
        }
        panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
        Ok(())
    }

    /// The outlet that writes the lines. Others may write through its thread too.
    #[must_use]
    pub fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// How its lines look.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Passes on a line that another program, `from`, has logged.
    pub fn pass_on(&self, from: &str, line: &str) {
        let line = match self.format {
            Format::Text => format!("{}\n", text::one_line(line)),
            Format::Json if is_object(line) => format!("{line}\n"),
            // A line of a library that knows nothing of formats.
            Format::Json => self.format.line(from, "WARN", &line),
        };
        self.put(line.into_bytes());
    }

    /// Says why the program ends, and waits a little until everything is written.
    pub fn last_words(&self, message: &dyn Display) {
        self.put(self.format.line(self.program, "ERROR", message).into_bytes());
        self.finish();
    }

    /// Waits a little until everything is written.
    pub fn finish(&self) {
        self.outlet.finish(FAREWELL);
    }

    fn put(&self, line: Vec<u8>) {
        let write = Arc::clone(&self.write);
        self.outlet.push(move || write(&line));
    }
}

fn is_object(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object())
}

fn filter(level: &str) -> Result<EnvFilter, BadVariable> {
    let Some(wanted) = variable(FILTER) else { return Ok(EnvFilter::new(level)) };
    let bad = |why: String| BadVariable { name: FILTER.to_owned(), why };
    let wanted = wanted.to_str().ok_or_else(|| bad("it is no text".to_owned()))?;
    EnvFilter::builder().parse(wanted).map_err(|error| bad(format!("{wanted:?} is no filter: {error}")))
}

/// Writes one line to the log.
#[derive(Debug)]
pub struct LogLine(Log);

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line.to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn log(format: Format) -> (Log, mpsc::Receiver<String>) {
        let (sender, receiver) = mpsc::channel();
        let write = move |line: &[u8]| sender.send(String::from_utf8(line.to_owned()).unwrap()).unwrap();
        (Log::new("test", format, write).unwrap(), receiver)
    }

    #[test]
    fn json_stays_json_whoever_speaks() {
        let (log, written) = log(Format::Json);
        log.pass_on("worker", "{\"level\":\"INFO\"}");
        log.pass_on("worker", "[W1126] a library \u{1b}[31m complains");
        log.last_words(&"no such\nrun \u{1b}[2J");
        let lines: Vec<Value> = written.try_iter().map(|line| serde_json::from_str(&line).unwrap()).collect();
        assert_eq!(lines[0], json!({"level": "INFO"}));
        assert_eq!(lines[1]["fields"]["message"], "[W1126] a library \u{1b}[31m complains");
        assert_eq!(
            (&lines[2]["level"], &lines[2]["fields"]["message"]),
            (&json!("ERROR"), &json!("no such\nrun \u{1b}[2J"))
        );
        assert!(lines[2]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn text_has_no_escapes() {
        let (log, written) = log(Format::Text);
        log.pass_on("worker", "a \u{1b}[31m line");
        log.last_words(&"no such\nrun");
        assert_eq!(written.try_iter().collect::<Vec<_>>(), ["a \\u{1b}[31m line\n", "test: no such\n  run\n"]);
    }
}
