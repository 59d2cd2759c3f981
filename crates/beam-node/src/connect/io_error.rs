//! Errors of the operating system that can be kept and shown again.

use std::io;

/// An error of the operating system, in a form that can be cloned and compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct IoError {
    /// What kind of error it is, to branch on.
    pub kind: io::ErrorKind,
    /// What it says: in lower case, or, where it is of a file, in the words of the system.
    pub message: String,
}

impl IoError {
    /// An error of a file, in the words of the system: those of the kind speak of an "entity", and users look
    /// for the others.
    pub(crate) fn of_file(error: &io::Error) -> Self {
        Self {
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}

impl From<&io::Error> for IoError {
    fn from(error: &io::Error) -> Self {
        let kind = error.kind();
        // The text of the kind is that of the system without capitals and numbers; where there is
        // no kind, the system's own text must do.
        let has_kind = error.raw_os_error().is_some() && kind.to_string() != UNCATEGORIZED;
        Self {
            kind,
            message: match has_kind {
                true => kind.to_string(),
                false => error.to_string(),
            },
        }
    }
}

impl From<io::Error> for IoError {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

/// What an [`io::ErrorKind`] says that stands for no kind. It has no name of its own.
const UNCATEGORIZED: &str = "uncategorized error";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_a_known_kind_reads_in_lower_case() {
        let refused = std::net::TcpStream::connect(("127.0.0.1", 0)).unwrap_err();
        let error = IoError::from(refused);

        assert_eq!(error.message, error.kind.to_string());
        assert!(!error.to_string().contains("os error"), "{error}");
    }

    #[test]
    fn an_error_of_a_file_reads_as_the_system_says_it() {
        let missing = std::fs::metadata("/nowhere/file").unwrap_err();
        let error = IoError::of_file(&missing);

        assert_eq!(error.kind, io::ErrorKind::NotFound);
        assert!(error.message.starts_with("No such file"), "{error}");
    }

    #[test]
    fn an_error_keeps_the_text_that_it_was_made_with() {
        let error = IoError::from(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));

        assert_eq!(error.kind, io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "no answer in time");
    }

    #[test]
    fn an_error_without_a_kind_keeps_the_text_of_the_system() {
        const EUCLEAN: i32 = 117;
        let error = io::Error::from_raw_os_error(EUCLEAN);

        assert_eq!(IoError::from(&error).message, error.to_string());
    }
}
