//! Exit codes.

use std::process::ExitCode;

/// How the program ends; scripts branch on it.
///
/// Where several calls fail in one command, the smallest code of them is the program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All went well.
    Done = 0,
    /// The called function failed: it raised, is undefined, or gave what cannot be read. Also what
    /// has no code of its own.
    Remote = 1,
    /// An argument or a setting is wrong.
    Usage = 2,
    /// Nobody to call: no route, no member, or the connection was lost.
    NoRoute = 3,
    /// No answer in time.
    TimedOut = 4,
    /// Stopped by SIGINT, which is Ctrl-C; 128 and the number of the signal, as shells have it.
    Interrupted = 130,
    /// Whoever read the results read no further. Signal 13, SIGPIPE, ends other programs then; it is ignored
    /// here, as a write to a connection can raise it too.
    BrokenPipe = 141,
    /// Stopped by SIGTERM.
    Terminated = 143,
}

/// The end of every help text, as a literal.
macro_rules! help {
    () => {
        "\
Exit codes:
  0    done
  1    the remote function failed: it raised, threw or exited, or is not defined there;
       also whatever has no code of its own
  2    wrong usage or configuration, which another try does not heal: an option, the cookie, a name
       that is taken, a node that is not among the allowed peers of this one, or whose
       certificate has expired, is for another host or of another authority
  3    no route or no member: nobody could be reached, the connection was lost, or the node does not
       allow it: its list, the host of this one's certificate, that it shuts down, or that it has
       too many peers, which it does not tell
  4    timed out
  130  stopped by Ctrl-C (SIGINT)
  141  stopped as nobody reads the results any further (SIGPIPE), as in `rlb … | head`
  143  stopped by SIGTERM

Results are written to stdout, all else to stderr."
    };
}

pub(crate) use help;

/// The end of every help text.
pub(crate) const HELP: &str = help!();

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
