//! The command line: one file per subcommand, with its arguments and what it does.

mod balancer;
mod call;
mod cast;
mod cluster;
mod demo;
mod function;
mod invoke;
mod members;
mod multicall;
mod name;
mod node;
mod nodes;
mod number;
mod ping;
mod select;
mod tls;

use clap::{ArgAction, Parser, Subcommand};

use crate::{exit, failure::Failure, printer::Printer};

/// Calls into clusters of Erlang, Elixir and Rust nodes.
///
/// Terms are written as in Erlang: `'[1, <<"text">>, #{key => [a, {b, 2.0}]}]'` is a list of three
/// arguments; --json-args takes them as JSON instead. A module or balancer whose name starts with
/// a capital is one of Elixir: `String` stands for `'Elixir.String'`.
///
/// All nodes of a cluster share a secret, the cookie: it is taken from --cookie-file, from the environment
/// variable RLB_COOKIE, or from ~/.erlang.cookie.
#[derive(Parser)]
#[command(name = "rlb", version, after_help = AFTER_HELP, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: OutputOptions,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand has.
#[derive(clap::Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Write results to stdout, and errors to stderr, as JSON, one value a line
    ///
    /// A term without a form in JSON, such as a pid, is {"$term": "…"}; tuples are arrays. On stderr, an error is {"error": …},
    /// what called functions print is {"node": …, "output": …}, what happens meanwhile is {"note": …}, and what is logged has
    /// a "timestamp" and a "level".
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more to stderr: -v what happens to connections, -vv all steps
    ///
    /// The environment variable RUST_LOG says more precisely what to log.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The end of the help text.
const AFTER_HELP: &str = concat!(
    "\
Examples:
  rlb demo
  rlb node --name w1@127.0.0.1 --join my_balancer
  rlb call w1@127.0.0.1 demo add '[1, 2]'
  rlb call --balancer my_balancer --peer w1@127.0.0.1 demo node
  rlb members my_balancer --peer w1@127.0.0.1 --watch

",
    exit::help!()
);

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Node(node::Node),
    Ping(ping::Ping),
    Nodes(nodes::Nodes),
    Call(call::Call),
    Cast(cast::Cast),
    Multicall(multicall::Multicall),
    Members(members::Members),
    Select(select::Select),
}

impl Cli {
    /// Runs the subcommand to its end.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let printer = Printer::new(self.output.json);
        match self.command {
            Command::Demo(demo) => demo.run(printer).await,
            Command::Node(node) => node.run(printer).await,
            Command::Ping(ping) => ping.run(printer).await,
            Command::Nodes(nodes) => nodes.run(printer).await,
            Command::Call(call) => call.run(printer).await,
            Command::Cast(cast) => cast.run(printer).await,
            Command::Multicall(multicall) => multicall.run(printer).await,
            Command::Members(members) => members.run(printer).await,
            Command::Select(select) => select.run(printer).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
