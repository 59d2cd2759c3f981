//! `rlb multicall`

use beam_node::NodeName;
use beam_term::Term;
use serde::Serialize;

use super::{
    balancer::Found,
    cluster::{ClientOptions, stop},
    function::Invocation,
    name::balancer_name,
};
use crate::{exit, failure::Failure, json::Json, printer::Printer};

/// Call a function on every member of a balancer at once, and print a line for each
///
/// The lines come in the order of the members' names. The exit code is 0 if no call failed, else the
/// smallest of their codes. --timeout holds for all calls together.
#[derive(clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Multicall {
    /// The balancer
    #[arg(long, value_name = "NAME", value_parser = balancer_name)]
    balancer: String,

    /// The module
    #[arg(value_name = "MODULE")]
    module: String,

    /// The function
    #[arg(value_name = "FUNCTION")]
    function: String,

    /// The arguments, as one list
    #[arg(value_name = "ARGS")]
    arguments: Option<String>,

    /// ARGS is a JSON array; see `rlb call --help`
    #[arg(long)]
    json_args: bool,

    #[command(flatten)]
    client: ClientOptions,
}

/// What one member answered.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer<'a> {
    Result(Json<'a>),
    Error(&'a Failure),
}

impl Multicall {
    pub(super) async fn run(self, printer: Printer) -> Result<(), Failure> {
        let invocation = Invocation::read(
            &self.module,
            &self.function,
            self.arguments.as_deref(),
            self.json_args,
        )?;
        let found = Found::find(&self.balancer, None, &self.client).await?;
        let calls = found
            .balancer
            .multicall::<Term, _>(&invocation.function, &invocation.arguments);
        let answers = calls.timeout(self.client.timeout).await;
        stop(found.node).await;

        let mut exit = None;
        for (node, answer) in answers? {
            let answer = answer.map_err(Failure::from);
            print(printer, &node, &answer)?;
            exit = exit
                .into_iter()
                .chain(answer.err().map(|failure| failure.exit()))
                .min();
        }
        exit.map_or(Ok(()), |exit| Err(Failure::told(exit)))
    }
}

fn print(printer: Printer, node: &NodeName, answer: &Result<Term, Failure>) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Line<'a> {
        node: &'a str,
        #[serde(flatten)]
        answer: Answer<'a>,
    }

    let line = |answer| Line {
        node: node.as_str(),
        answer,
    };
    match answer {
        Ok(result) => printer.result(
            format_args!("{node}: {result}"),
            line(Answer::Result(Json(result))),
        ),
        Err(failure) => printer.result(
            format_args!("{node}: failed: {}", failure.message()),
            line(Answer::Error(failure)),
        ),
    }
}
