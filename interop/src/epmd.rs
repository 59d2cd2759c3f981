use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::supervised::Supervised;
use crate::{Error, Host, Otp, Result, free_port};

/// How long a port mapper may take to answer after its start.
const START: Duration = Duration::from_secs(20);

/// How often another port is tried when somebody else took the first.
const ATTEMPTS: u32 = 5;

/// A port mapper to be started.
#[derive(Clone, Debug)]
pub struct EpmdBuilder {
    otp: Otp,
    port: Option<u16>,
    host: Option<Host>,
}

impl EpmdBuilder {
    pub(crate) fn new(otp: Otp) -> Self {
        Self {
            otp,
            port: None,
            host: None,
        }
    }

    /// The port to listen on, rather than any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Starts it in the namespace of a host.
    pub fn on(mut self, host: &Host) -> Self {
        self.host = Some(host.clone());
        self
    }

    /// Starts it, and waits until it answers.
    pub async fn start(self) -> Result<Epmd> {
        let mut attempts = if self.port.is_some() { 1 } else { ATTEMPTS };
        loop {
            attempts -= 1;
            match self.start_on(self.port.unwrap_or_else(free_port)).await {
                // Another process may have taken the port between the look and the bind.
                Err(Error::Gone { .. }) if attempts > 0 => {}
                outcome => return outcome,
            }
        }
    }

    async fn start_on(&self, port: u16) -> Result<Epmd> {
        let mut words: Vec<OsString> = Vec::new();
        let mut address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        if let Some(host) = &self.host {
            words.extend(host.enter());
            address = host.address().into();
        }
        words.extend(self.otp.enter());
        words.extend(["epmd", "-port", &port.to_string()].map(Into::into));
        let label = format!("the port mapper of {} on port {port}", self.otp);
        let process = Supervised::start(label.clone(), &words, &[], false)?;

        let mut epmd = Epmd {
            address: SocketAddr::new(address, port),
            process,
        };
        let until = Instant::now() + START;
        while epmd.names().await.is_err() {
            let output = epmd.process.log().text();
            if !epmd.process.is_running() {
                return Err(Error::Gone {
                    node: label,
                    output,
                });
            }
            if Instant::now() > until {
                let expression = "start".into();
                return Err(Error::Deadline {
                    node: label,
                    deadline: START,
                    expression,
                    output,
                });
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(epmd)
    }
}

/// A running port mapper.
///
/// Its process is killed when this is dropped.
#[derive(Debug)]
pub struct Epmd {
    address: SocketAddr,
    process: Supervised,
}

impl Epmd {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The nodes that are registered now, each with its port.
    pub async fn names(&self) -> std::io::Result<Vec<(String, u16)>> {
        const NAMES_REQUEST: [u8; 3] = [0, 1, b'n'];
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(&NAMES_REQUEST).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(START, exchange)
            .await
            .unwrap_or_else(|elapsed| Err(elapsed.into()))?;
        // The mapper's own port in four bytes, then a line a node: "name w1 at port 40001".
        let lines = String::from_utf8_lossy(answer.get(4..).unwrap_or_default()).into_owned();
        let entry = |line: &str| {
            let mut words = line.split(' ').skip(1);
            let (name, port) = (words.next()?, words.nth(2)?);
            Some((name.to_owned(), port.parse().ok()?))
        };
        Ok(lines.lines().filter_map(entry).collect())
    }

    /// Kills it with SIGKILL; every registration is lost with it.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }
}
