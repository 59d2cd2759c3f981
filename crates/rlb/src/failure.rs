//! What went wrong, as a message that says what to do and as JSON.

use std::{fmt, io};

use beam_dist::handshake::{HandshakeError, Stage};
use beam_node::{Cause, Code, ConnectError, Error, Exception, TlsError};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    exit::Exit,
    format::Stack,
    json::Json,
    printer::{json_to_stderr, note},
};

/// Why the program does not end well.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    code: &'static str,
    message: String,
    advice: Option<String>,
    error: Option<Box<Error>>,
}

impl Failure {
    fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code,
            message: message.into(),
            advice: None,
            error: None,
        }
    }

    /// An argument or a setting is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, Code::BadRequest.as_str(), message)
    }

    /// Nobody is there to be called.
    pub(crate) fn no_route(message: impl Into<String>) -> Self {
        Self::new(Exit::NoRoute, Code::ServiceUnavailable.as_str(), message)
    }

    /// It took too long.
    pub(crate) fn timed_out(message: impl Into<String>) -> Self {
        Self::new(Exit::TimedOut, Code::RequestTimeout.as_str(), message)
    }

    /// The program ran into something that its user did not cause.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Remote, Code::InternalServerError.as_str(), message)
    }

    /// Everything there is to say has been said.
    pub(crate) fn told(exit: Exit) -> Self {
        Self::new(exit, "", "")
    }

    /// The user stopped it by Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted", "interrupted")
    }

    /// Somebody stopped it by SIGTERM.
    pub(crate) fn terminated() -> Self {
        Self::new(Exit::Terminated, "terminated", "terminated")
    }

    /// The same failure, with what to do about it.
    #[must_use]
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The same failure, with another code for the program to end with.
    #[must_use]
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// With which code the program ends.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What failed, and why.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Tells the user, on stderr.
    pub(crate) fn print(&self, as_json: bool) {
        if self.message.is_empty() {
            return;
        }
        if as_json {
            #[derive(Serialize)]
            struct Object<'a> {
                error: &'a Failure,
            }
            return json_to_stderr(Object { error: self });
        }
        note(format_args!("rlb: {self}"));
    }

    fn exception(&self) -> Option<&Exception> {
        self.error.as_ref()?.exception()
    }
}

/// The message, and what helps to understand it on lines of its own.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(exception) = self.exception() {
            write!(f, "{}", Stack(&exception.stack))?;
        }
        if let Some(advice) = &self.advice {
            write!(f, "\n  {advice}")?;
        }
        Ok(())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            exit: exit_of(&error),
            code: error.code.as_str(),
            message: error.message.clone(),
            advice: advice_on(&error),
            error: Some(Box::new(error)),
        }
    }
}

/// Writing the result failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever reads the results, such as `head`, has seen enough of them, and need not be told. But not all
            // that was asked for was done.
            return Self::told(Exit::BrokenPipe);
        }
        Self::internal(format!("failed to write the result: {error}"))
    }
}

/// What the message says, for programs.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Raised<'a> {
            class: &'static str,
            reason: Json<'a>,
            stack: Json<'a>,
        }

        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("code", self.code)?;
        object.serialize_entry("exit_code", &(self.exit as u8))?;
        object.serialize_entry("message", &self.message)?;
        if let Some(advice) = &self.advice {
            object.serialize_entry("advice", advice)?;
        }
        if let Some(error) = &self.error {
            let details = &error.details;
            if let Some(node) = &details.node {
                object.serialize_entry("node", node.as_str())?;
            }
            if let (Some(function), Some(arity)) = (&details.function, details.arity) {
                object.serialize_entry("function", &format!("{function}/{arity}"))?;
            }
            if let Some(balancer) = &details.balancer {
                object.serialize_entry("balancer", balancer)?;
            }
            object.serialize_entry("may_have_run", &error.may_have_run())?;
        }
        if let Some(exception) = self.exception() {
            let raised = Raised {
                class: exception.class.as_str(),
                reason: Json(&exception.reason),
                stack: Json(&exception.stack),
            };
            object.serialize_entry("exception", &raised)?;
        }
        object.end()
    }
}

/// With which code an error ends the program.
fn exit_of(error: &Error) -> Exit {
    match (error.cause(), error.code) {
        (Cause::NotConnected(error), _) => match error {
            // What another attempt cannot heal, and the user can.
            ConnectError::NameForm { .. }
            | ConnectError::OwnName(_)
            | ConnectError::PeerNotAllowed(_)
            | ConnectError::NetworkNotAllowed { .. }
            | ConnectError::PortUnknown(_)
            | ConnectError::WantsTls { .. }
            | ConnectError::Tls {
                error:
                    TlsError::PeerIsPlain
                    | TlsError::UnknownAuthority
                    | TlsError::WrongHost { .. }
                    | TlsError::OldCertificate
                    | TlsError::Expired
                    | TlsError::Refused { .. },
                ..
            }
            | ConnectError::Handshake(
                HandshakeError::CookieMismatch { .. }
                | HandshakeError::CookieRefused { .. }
                | HandshakeError::AliveRefused { .. }
                | HandshakeError::OwnName { .. },
            ) => Exit::Usage,
            ConnectError::TimedOut { .. }
            | ConnectError::Tls {
                error: TlsError::TimedOut,
                ..
            } => Exit::TimedOut,
            // Also what the peer refused without a reason: one that shuts down, or has too many peers, says the same
            // as one that has not this node on its list, and may be asked again.
            _ => Exit::NoRoute,
        },
        (_, Code::BadRequest) => Exit::Usage,
        (_, Code::RequestTimeout) => Exit::TimedOut,
        (_, Code::InternalServerError) => Exit::Remote,
        _ => Exit::NoRoute,
    }
}

/// What to do about an error with this program, where its message does not say so.
fn advice_on(error: &Error) -> Option<String> {
    let advice = match error.cause() {
        Cause::NotConnected(ConnectError::Handshake(
            HandshakeError::CookieMismatch { .. } | HandshakeError::CookieRefused { .. },
        )) => {
            "give this command the cookie of that node, in --cookie-file, RLB_COOKIE or \
             ~/.erlang.cookie; `erlang:get_cookie()` tells it there"
        }
        Cause::NotConnected(ConnectError::Handshake(HandshakeError::AliveRefused { .. })) => {
            "another node with this name is connected there: choose another --name, or none"
        }
        Cause::NotConnected(ConnectError::Handshake(HandshakeError::NotAllowed { .. })) => {
            "see the log of that node: its --allow-peer or RLB_ALLOW_PEERS, or `net_kernel:allow/1` on a node \
             of OTP, limits who may connect; a --name is what is looked at"
        }
        Cause::NotConnected(ConnectError::Handshake(HandshakeError::Closed {
            stage: Stage::Status,
        })) => {
            "see the log of that node: its `--allow-network` may leave out the address of this machine, \
             or it has too many connections"
        }
        Cause::NotConnected(ConnectError::NotAllowed { .. }) => {
            "give this command a --name on a host that its --tls-cert is for, or a certificate for this host"
        }
        Cause::NotConnected(ConnectError::PeerNotAllowed(_)) => {
            "the list is --allow-peer, else RLB_ALLOW_PEERS, else `allow_peers` in the file of --config"
        }
        Cause::NotConnected(ConnectError::NetworkNotAllowed { .. }) => {
            "the list is --allow-network, else RLB_ALLOW_NETWORKS, else `allow_networks` in the file of --config"
        }
        Cause::NotConnected(ConnectError::WantsTls { .. }) => {
            "give this command --tls-ca, and --tls-cert and --tls-key if that node wants to see a \
             certificate"
        }
        Cause::NotConnected(ConnectError::Tls {
            error: TlsError::PeerIsPlain,
            ..
        }) => "leave out --tls-ca, and unset RLB_TLS_CA, where that node is not to have TLS",
        Cause::NotConnected(ConnectError::Tls {
            error: TlsError::UnknownAuthority,
            ..
        }) => "give this command the certificate of that authority as another --tls-ca",
        Cause::NotConnected(ConnectError::NameForm { peer, .. }) => {
            return Some(format!(
                "give a --name with a {} host, or none: it is then chosen to fit",
                if peer.is_long() { "long" } else { "short" }
            ));
        }
        Cause::NotConnected(ConnectError::PortUnknown(peer)) => {
            return Some(format!("say where it listens: --address {peer}=IP:PORT"));
        }
        Cause::Timeout(_) => "a longer --timeout gives it more time",
        _ => return None,
    };
    Some(advice.to_owned())
}
