//! The lines of shell in the README do what they say.
#![allow(clippy::unwrap_used)]

mod support;

use std::{env, path::Path, process::Command};

use support::{Cluster, run};

const README: &str = include_str!("../../../README.md");

#[test]
fn the_lines_of_shell_run_as_printed() {
    let cluster = Cluster::new();
    let (_, section) = README.split_once("## Ten lines of shell").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (lines, _) = block.split_once("```").unwrap();
    // The program is here already.
    let (install, lines) = lines.split_once('\n').unwrap();
    assert_eq!(install, "cargo install --locked --path crates/rlb");

    let program = Path::new(env!("CARGO_BIN_EXE_rlb")).parent().unwrap();
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell
        .args(["-e", "-m", "-c", &format!("{lines}wait %1")])
        .env("PATH", path)
        .env("ERL_EPMD_PORT", cluster.epmd_port().to_string())
        .env_remove("RUST_LOG");
    let ended = run(shell);
    assert_eq!(ended.code, 0, "{ended:?}");
    for said in [
        "w1@127.0.0.1",
        "3\n",
        r#"{"a":[1,null,"x"]}"#,
        "w1@127.0.0.1: 'w1@127.0.0.1'",
        "w1@127.0.0.1  100000  100.0 %",
    ] {
        assert!(ended.stdout.contains(said), "{said:?} is not in {ended:?}");
    }
}
