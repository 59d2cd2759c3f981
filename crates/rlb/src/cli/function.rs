//! The function that is called, and its arguments.

use std::sync::Arc;

use beam_node::Function;
use beam_term::Term;

use super::name::alias;
use crate::{failure::Failure, json};

/// What is called.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    pub(super) function: Function,
    /// Shared by all calls that are made of it.
    pub(super) arguments: Arc<Vec<Term>>,
}

impl Invocation {
    /// Reads `MODULE FUNCTION [ARGS]`.
    pub(super) fn read(
        module: &str,
        function: &str,
        arguments: Option<&str>,
        from_json: bool,
    ) -> Result<Self, Failure> {
        let function = Function::try_from((alias(module), function))
            .map_err(|error| Failure::usage(format!("{module}:{function}: {error}")))?;
        let arguments = match arguments {
            None => Vec::new(),
            Some(text) if from_json => json::arguments(text)
                .map_err(|error| Failure::usage(format!("failed to read ARGS as JSON: {error}")))?,
            Some(text) => list(text)?,
        };
        Ok(Self {
            function,
            arguments: Arc::new(arguments),
        })
    }
}

/// Reads a term, which an option or an argument of the command line named `what` holds.
pub(super) fn term(what: &str, text: &str) -> Result<Term, Failure> {
    text.parse()
        .map_err(|error| Failure::usage(format!("failed to read {what} as a term: {error}")))
}

fn list(text: &str) -> Result<Vec<Term>, Failure> {
    match term("ARGS", text)? {
        Term::List(arguments) => Ok(arguments),
        other => Err(Failure::usage(format!(
            "ARGS is one list with an element for each argument, not {}",
            other.display_truncated(40)
        ))
        .advise(format!("put it in brackets: '[{text}]'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &str, from_json: bool) -> Result<String, String> {
        Invocation::read("lists", "reverse", Some(arguments), from_json)
            .map(|invocation| Term::List(invocation.arguments.to_vec()).to_string())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn arguments_are_one_list_or_one_array() {
        assert_eq!(
            read(r#"[1, <<"x">>]"#, false).as_deref(),
            Ok(r#"[1,<<"x">>]"#)
        );
        assert_eq!(read(r#"[1, "x"]"#, true).as_deref(), Ok(r#"[1,<<"x">>]"#));
        let none = Invocation::read("m", "f", None, false).unwrap();
        assert!(none.arguments.is_empty());
    }

    #[test]
    fn a_mistake_is_shown_with_its_place() {
        let error = read("[1, 2", false).unwrap_err();
        assert!(error.contains("line 1, column 6"), "{error}");
        let error = read("[1, x]", true).unwrap_err();
        assert!(error.contains("line 1 column 5"), "{error}");
    }

    #[test]
    fn a_single_argument_without_brackets_is_explained() {
        let error = read("42", false).unwrap_err();
        assert!(error.contains("'[42]'"), "{error}");
    }

    #[test]
    fn modules_of_elixir_have_their_full_name() {
        let invocation = Invocation::read("String", "upcase", None, false).unwrap();
        assert_eq!(invocation.function.to_string(), "'Elixir.String':upcase");
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        let error = Invocation::read(&"m".repeat(300), "f", None, false).unwrap_err();
        assert!(error.message().contains("255"), "{error}");
    }
}
