//! What the README shows is what happens.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use interop::{Otp, Program, eventually, on_each_release};
use rpc_load_balancer::{Balancer, Node, RoundRobin};

on_each_release! { the_lines_of_rust_and_those_of_elixir_call_each_other }

const README: &str = include_str!("../../README.md");

const DEADLINE: Duration = Duration::from_secs(30);

/// The node that the lines of Elixir run in, as both programs say.
const ELIXIR: &str = "w1@127.0.0.1";

async fn the_lines_of_rust_and_those_of_elixir_call_each_other(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let mut worker = elixir(&otp, epmd.port());

    // The lines of Rust, with the port mapper of this test. A user starts those of Elixir first.
    let node = Node::builder("app@127.0.0.1")
        .cookie("secret")
        .peer(ELIXIR)
        .epmd_port(epmd.port());
    let node = node.start().await.unwrap();
    let up = async || node.peers().iter().any(|peer| peer.name.as_str() == ELIXIR);
    eventually("the lines of Elixir to run", DEADLINE, up).await;
    node.export("greeter", "hello", async |name: String| {
        format!("hello {name}")
    })
    .unwrap();
    let upper: String = node
        .call(ELIXIR, ("Elixir.String", "upcase"), ("hello",))
        .await
        .unwrap();
    let _greeters = Balancer::builder("greeters").start(&node).await.unwrap();
    let balancer = Balancer::builder("my_balancer")
        .algorithm(RoundRobin::new())
        .join(false)
        .start(&node)
        .await
        .unwrap();
    balancer
        .wait_for_members(1, Duration::from_secs(10))
        .await
        .unwrap();
    let sum: i64 = balancer
        .call(("erlang", "+"), (1, 2))
        .timeout(Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(format!("{upper} {sum}"), "HELLO 3");

    let greeted = async || worker.output().contains("\"hello elixir\"");
    eventually("the lines of Elixir to greet", DEADLINE, greeted).await;
    node.shutdown().await.unwrap();
    assert!(worker.is_alive());
}

/// Runs the lines of Elixir by the command in their first line.
fn elixir(otp: &Otp, epmd_port: u16) -> Program {
    let (_, block) = README.split_once("```elixir\n").unwrap();
    let (lines, _) = block.split_once("```").unwrap();
    let command = lines.lines().next().unwrap().strip_prefix("# ").unwrap();
    assert!(command.contains(ELIXIR), "{command}");
    let words: Vec<&str> = command.split(' ').collect();
    let program = otp.program(&words).file(*words.last().unwrap(), lines);
    let program = program.env("ERL_EPMD_PORT", epmd_port.to_string());
    program.start().unwrap()
}
