use std::ffi::OsString;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use beam_term::Term;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::channel::{BOOTSTRAP, Channel, Kind, NO_SESSION};
use crate::supervised::Supervised;
use crate::{Epmd, Error, Expression, Host, Otp, Result, Session};

/// How long a node may take to start, and to stop when told so.
const START_AND_STOP: Duration = Duration::from_secs(60);

/// The cookie of a node that was given none.
const COOKIE: &str = "interop";

/// A port where no EPMD listens: a node that was given none must not meet the machine's.
const NO_EPMD: u16 = 1;

/// Options that keep a node small on a machine shared by many: one scheduler, and no busy waiting.
const SMALL: &str = "+S 1:1 +SDcpu 1:1 +SDio 1 +A 1 +sbwt none +sbwtdcpu none +sbwtdio none";

/// A node to be started.
///
/// Without a name it is no part of any cluster, which is all that a test needs that wants to know
/// what OTP makes of a term. Clones start the same node again, say after it was killed.
#[derive(Clone, Debug)]
pub struct BeamBuilder {
    otp: Otp,
    name: Option<(&'static str, String)>,
    cookie: String,
    epmd_port: u16,
    hidden: bool,
    elixir: bool,
    flags: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    host: Option<Host>,
}

impl BeamBuilder {
    pub(crate) fn new(otp: Otp) -> Self {
        Self {
            otp,
            name: None,
            cookie: COOKIE.into(),
            epmd_port: NO_EPMD,
            hidden: false,
            elixir: false,
            flags: Vec::new(),
            environment: Vec::new(),
            host: None,
        }
    }

    /// Gives the node a long name. Without `@` its host is 127.0.0.1, or the address of its
    /// [`Host`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(("-name", name.into()));
        self
    }

    /// Gives the node a short name. Without `@` its host is `localhost`.
    pub fn short_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(("-sname", name.into()));
        self
    }

    /// The cookie; `interop` by default.
    pub fn cookie(mut self, cookie: impl Into<String>) -> Self {
        self.cookie = cookie.into();
        self
    }

    /// The port mapper to register with.
    pub fn epmd(self, epmd: &Epmd) -> Self {
        self.epmd_port(epmd.port())
    }

    /// The port of the port mapper to register with, whoever serves it. The node starts none
    /// itself.
    pub fn epmd_port(mut self, port: u16) -> Self {
        self.epmd_port = port;
        self
    }

    /// Starts the node hidden.
    pub fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// Puts Elixir on the code path and starts its application.
    pub fn elixir(mut self) -> Self {
        self.elixir = true;
        self
    }

    /// Adds words to the command line of `erl`, such as `["-kernel", "net_ticktime", "4"]`.
    pub fn flags(mut self, flags: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.flags.extend(flags.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the node's environment, which inherits nothing from the test's.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the node in the namespace of a host.
    pub fn on(mut self, host: &Host) -> Self {
        self.host = Some(host.clone());
        self
    }

    /// Starts the node, and waits until it evaluates expressions; its distribution is up by then.
    ///
    /// The node dies with the thread that called this, so call it from a test, not from a thread
    /// that may end earlier.
    pub async fn start(self) -> Result<Beam> {
        let name = self.full_name();
        let label = match &name {
            Some((_, name)) => format!("{name} ({})", self.otp),
            None => format!("a node of {}", self.otp),
        };
        let mut process = Supervised::start(
            &label,
            &self.command_line(name.as_ref()),
            &self.environment(),
            true,
        )?;
        let (input, output) = process.take_channel().expect("the channel is taken once");
        let (channel, ready) = Channel::open(label, Arc::clone(process.log()), input, output);
        match timeout(START_AND_STOP, ready).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => {
                return Err(Error::Gone {
                    node: channel.label().into(),
                    output: channel.output(),
                });
            }
            Err(_) => {
                return Err(Error::Deadline {
                    node: channel.label().into(),
                    deadline: START_AND_STOP,
                    expression: "start".into(),
                    output: channel.output(),
                });
            }
        }

        let name = name.map(|(_, name)| name);
        let beam = Beam {
            name,
            otp: self.otp,
            process,
            channel,
        };
        if self.elixir {
            beam.expression("{ok, _} = application:ensure_all_started(elixir)")
                .external()
                .await?;
        }
        Ok(beam)
    }

    fn full_name(&self) -> Option<(&'static str, String)> {
        let (option, name) = self.name.as_ref()?;
        if name.contains('@') {
            return Some((option, name.clone()));
        }
        let host = match (&self.host, *option) {
            (Some(host), "-name") => host.address().to_string(),
            (None, "-name") => "127.0.0.1".into(),
            _ => "localhost".into(),
        };
        Some((option, format!("{name}@{host}")))
    }

    fn command_line(&self, name: Option<&(&'static str, String)>) -> Vec<OsString> {
        let mut words = Vec::new();
        if let Some(host) = &self.host {
            words.extend(host.enter());
        }
        words.extend(self.otp.enter());
        words.extend(["erl", "-noinput", "-start_epmd", "false"].map(Into::into));
        words.extend(SMALL.split_whitespace().map(Into::into));
        if let Some((option, name)) = name {
            words.extend([option, name.as_str(), "-setcookie", &self.cookie].map(Into::into));
        }
        if self.hidden {
            words.push("-hidden".into());
        }
        if self.elixir {
            let libraries =
                ["elixir", "logger"].map(|app| format!("/usr/lib/elixir/lib/{app}/ebin").into());
            words.push("-pa".into());
            words.extend(libraries);
        }
        words.extend(self.flags.iter().cloned());
        words.extend(["-eval", BOOTSTRAP].map(Into::into));
        words
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut environment = vec![
            ("ERL_EPMD_PORT".into(), self.epmd_port.to_string().into()),
            // A node that is made to crash leaves no dump behind.
            ("ERL_CRASH_DUMP_SECONDS".into(), "0".into()),
        ];
        environment.extend(self.environment.iter().cloned());
        environment
    }
}

/// A running node.
///
/// Its process is killed when this is dropped.
#[derive(Debug)]
pub struct Beam {
    name: Option<String>,
    otp: Otp,
    process: Supervised,
    channel: Channel,
}

impl Beam {
    /// The node's name, such as `w1@127.0.0.1`; empty for a node that was started without one.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// The release that it runs.
    pub fn otp(&self) -> &Otp {
        &self.otp
    }

    /// The process id, in the operating system.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What the node has printed so far: standard output, standard error, and its log.
    pub fn output(&self) -> String {
        self.channel.output()
    }

    /// Evaluates an Erlang expression in a process of its own, and waits for its value.
    pub async fn eval(&self, source: &str) -> Result<Term> {
        self.expression(source).term().await
    }

    /// Evaluates an Erlang expression in a process of its own, and decodes its value by the rules
    /// of [`beam_term::serde`].
    pub async fn eval_as<T: DeserializeOwned>(&self, source: &str) -> Result<T> {
        self.expression(source).decode().await
    }

    /// An Erlang expression to evaluate in a process of its own, with or without its full stop.
    pub fn expression(&self, source: &str) -> Expression {
        Expression::new(self.channel.clone(), NO_SESSION, Kind::Erlang, source)
    }

    /// An Elixir expression to evaluate in a process of its own. The node needs
    /// [`elixir`](BeamBuilder::elixir). Modules are defined with `defmodule`, as in a script.
    pub fn elixir(&self, source: &str) -> Expression {
        Expression::new(self.channel.clone(), NO_SESSION, Kind::Elixir, source)
    }

    /// A process that evaluates expressions one after the other and keeps their variables.
    pub fn session(&self) -> Session {
        Session::new(self.channel.clone())
    }

    /// Compiles an Erlang module from its text, and loads it.
    pub async fn define_module(&self, source: &str) -> Result<()> {
        let define = self
            .expression("rlb_evaluator:define(Source)")
            .bind_binary("Source", source);
        define.external().await.map(drop)
    }

    /// Stops the node in an orderly way, and waits until its process is gone.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let stop = self.expression("init:stop()").start();
        let ended = self.ended().await;
        drop(stop);
        ended
    }

    /// Waits until the node's process ends by itself, for up to a minute.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        match timeout(START_AND_STOP, self.process.ended()).await {
            Ok(status) => status,
            Err(_) => Err(Error::Deadline {
                node: self.channel.label().into(),
                deadline: START_AND_STOP,
                expression: "stop".into(),
                output: self.output(),
            }),
        }
    }

    /// Kills the node with SIGKILL, and waits until its process is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Freezes the node's process with SIGSTOP: its sockets stay open, and it answers nothing.
    pub fn suspend(&mut self) -> Result<()> {
        self.process.suspend()
    }

    /// Lets a suspended node run on.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal("CONT")
    }

    /// Whether the node's process is there, running or suspended.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_running()
    }
}
