//! What the tests run as processes of their own: `interop node` is a node of this project that does what
//! it is told over pipes, see [`interop::Rust`]. And what takes too long for a test: `interop outages`.

mod node;
mod outages;
mod pipes;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: interop node NAME [KEY=VALUE]...
       interop outages [SECONDS]...

  node      a node that does what it is told over the file descriptors 3 and 4; tests start it
  outages   cuts nodes off for so long each, 60 and 120 seconds by default, with the default
            net_ticktime of 60 s, and prints when they are whole again; as root";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["node", name, settings @ ..] => node::run(name, settings),
        ["outages", seconds @ ..] => outages::run(seconds),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
