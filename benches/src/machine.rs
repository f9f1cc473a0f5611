//! The machine that figures are of, and what processes take of it.

use anyhow::{Context, Result};
use std::{fmt, fs, thread};

/// A machine, and what else it did at a moment. As text it is what a table is headed with.
#[derive(Debug)]
pub struct Machine {
    processor: String,
    cores: usize,
    load: String,
}

impl Machine {
    /// This one, now.
    ///
    /// # Errors
    /// If Linux does not tell.
    pub fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
        let field = |name: &str| {
            let line = text.lines().find(|line| line.split(':').next().is_some_and(|field| field.trim() == name));
            line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
        };
        let has = |flag: &str| field("flags").split(' ').any(|found| found == flag);
        let units = [("avx2", "AVX2"), ("avx512f", "AVX-512"), ("avx512_bf16", "AVX512-BF16"), ("amx_bf16", "AMX")];
        let units: Vec<&str> = units.iter().filter(|(flag, _)| has(flag)).map(|(_, name)| *name).collect();
        let processor = format!("{} (model {}; {})", field("model name"), field("model"), units.join(", "));
        let load = fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        Ok(Self { processor, cores: thread::available_parallelism().map_or(1, usize::from), load })
    }

    /// Processor cores.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, load } = self;
        write!(out, "{processor}, {cores} cores, load average {load} before it began")
    }
}

/// Processor time of `process` so far, in seconds.
///
/// # Errors
/// If there is no such process.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    /// What the fields of /proc count in, on every Linux.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("no stat")?.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok());
    Ok((ticks(11).context("no utime")? + ticks(12).context("no stime")?) / TICKS)
}

/// A figure of the memory of `process`, such as `RssAnon:`.
///
/// # Errors
/// If there is no such process, or no such figure.
pub fn kilobytes(process: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
