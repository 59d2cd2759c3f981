//! The program `rlb`.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::failure::Failure;

const BUILD: [&str; 4] = ["build", "--release", "--package", "rlb"];

/// What cargo says of each thing that it built, or found built.
#[derive(Debug, Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

/// Builds it of the sources that this program is of, and tells where it is.
///
/// Call it before anything is measured: later the sources may be others.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    eprintln!("building rlb");
    let output = Command::new("cargo")
        .args(BUILD)
        .args(["--quiet", "--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // What the compiler has to say, the user should see.
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::Start {
            program: "cargo".into(),
            error,
        })?;
    let program = executable(&String::from_utf8_lossy(&output.stdout));
    match program.filter(|_| output.status.success()) {
        Some(program) => Ok(program),
        None => Err(Failure::Other(format!(
            "`cargo {}` failed, and the start of rlb cannot be measured; without the part `footprint` it is not needed",
            BUILD.join(" ")
        ))),
    }
}

fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().map(serde_json::from_str::<Message>);
    let ours = |message: &Message| message.target.as_ref().is_some_and(|it| it.name == "rlb");
    let mut built = messages.filter_map(Result::ok).filter(ours);
    built.find_map(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_program_is_where_cargo_says_that_it_is() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"tokio"},"executable":null}
{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","target":{"name":"rlb"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"rlb"},"executable":"/elsewhere/release/rlb"}
{"reason":"build-finished","success":true}
"#;
        let found = executable(messages);
        assert_eq!(found.as_deref(), Some(Path::new("/elsewhere/release/rlb")));
        assert_eq!(
            executable(r#"{"reason":"build-finished","success":false}"#),
            None
        );
    }
}
