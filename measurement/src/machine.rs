//! What the measurements were made on.

use std::{fs, iter, process::Command, thread};

use serde::Serialize;

/// The machine, what it was busy with, and the versions of everything.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// When it began, in UTC.
    pub date: String,
    /// What was typed, without the path of the program.
    pub command: String,
    /// The model of the processors.
    pub cpu: String,
    /// How many of them the program may use.
    pub processors: usize,
    /// The operating system.
    pub kernel: String,
    /// Of this repository; ends with `-dirty` where files differ from it.
    pub commit: String,
    /// The load averages of one, five and fifteen minutes.
    pub load_before: String,
    /// The same after the measurements.
    pub load_after: String,
    /// Of the processors' time, what the host of a virtual machine gave to others.
    pub stolen_percent: f64,
    /// That of rustc first.
    pub versions: Vec<Version>,
    #[serde(skip)]
    times: Times,
}

/// Which version of something takes part.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// A package, or another program.
    pub program: String,
    /// As it calls it itself.
    pub version: String,
}

/// The program that measures.
#[derive(Clone, Debug)]
pub struct Program {
    /// How it was started, its arguments included.
    pub command: String,
    /// The text of its `Cargo.lock`.
    pub lock: &'static str,
    /// The packages whose versions are worth a mention.
    pub packages: &'static [&'static str],
}

impl Machine {
    /// As it is before anything is measured.
    #[must_use]
    pub fn before(program: Program) -> Self {
        let versions = versions(&program);
        Self {
            date: said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            command: program.command,
            cpu: cpu_model(),
            processors: thread::available_parallelism().map_or(1, usize::from),
            kernel: said_by("uname", &["-sr"]),
            commit: said_by("git", &["describe", "--always", "--dirty"]),
            load_before: load(),
            load_after: String::new(),
            stolen_percent: 0.0,
            versions,
            times: Times::now(),
        }
    }

    /// Adds a version that is known only once something runs.
    pub fn with(&mut self, program: &str, version: impl Into<String>) {
        self.versions.push(Version {
            program: program.to_owned(),
            version: version.into(),
        });
    }

    /// Adds what became of it meanwhile.
    pub fn after(&mut self) {
        self.load_after = load();
        let now = Times::now();
        let all = now.all.saturating_sub(self.times.all).max(1);
        let stolen = now.stolen.saturating_sub(self.times.stolen);
        self.stolen_percent = 100.0 * stolen as f64 / all as f64;
    }
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let said = output.ok().filter(|output| output.status.success());
    let said = said.and_then(|output| String::from_utf8(output.stdout).ok());
    said.map_or_else(|| "unknown".to_owned(), |said| said.trim().to_owned())
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    // Names of virtual processors say little; family and model do.
    let [model, family, number] = ["model name", "cpu family", "model\t"].map(field);
    let known = |field: Option<String>| field.unwrap_or_else(|| "unknown".to_owned());
    format!(
        "{} (family {}, model {})",
        known(model),
        known(family),
        known(number)
    )
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// rustc's, and what is in the lock file.
fn versions(program: &Program) -> Vec<Version> {
    let version = |&package: &&str| {
        let (_, rest) = program
            .lock
            .split_once(&format!("name = \"{package}\"\nversion = \""))?;
        let (version, _) = rest.split_once('"')?;
        Some(Version {
            program: package.to_owned(),
            version: version.to_owned(),
        })
    };
    let rustc = said_by("rustc", &["--version"]);
    let rustc = Version {
        program: "rustc".to_owned(),
        version: rustc.trim_start_matches("rustc ").to_owned(),
    };
    let packages = program.packages.iter().filter_map(version);
    iter::once(rustc).chain(packages).collect()
}

/// The time of all processors, in ticks.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    all: u64,
    stolen: u64,
}

impl Times {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .filter_map(|n| n.parse().ok())
            .collect();
        Self {
            // What guests had is in the user's time already.
            all: ticks.iter().take(8).sum(),
            stolen: ticks.get(7).copied().unwrap_or_default(),
        }
    }
}
