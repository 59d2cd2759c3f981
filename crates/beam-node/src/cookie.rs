//! Where the cookie comes from.

use std::{
    env,
    ffi::OsString,
    fs::Metadata,
    io,
    path::{Path, PathBuf},
};

use beam_dist::{Cookie, InvalidCookie};
use zeroize::Zeroizing;

use crate::{RegularFile, connect::IoError};

/// Where a node's cookie comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum CookieSource {
    /// The cookie itself.
    Given(Cookie),
    /// The environment variable of this name.
    Environment(String),
    /// This file, in the form of OTP's `.erlang.cookie`.
    File(PathBuf),
    /// The variable `RLB_COOKIE`, else the file where OTP keeps its cookie: `~/.erlang.cookie`, or
    /// `erlang/.erlang.cookie` in the user's directory of configuration.
    #[default]
    Default,
}

impl CookieSource {
    /// Reads the cookie.
    pub(crate) fn read(&self) -> Result<Cookie, CookieError> {
        match self {
            Self::Given(cookie) => Ok(cookie.clone()),
            Self::Environment(variable) => read_variable(variable, env::var_os(variable)),
            Self::File(path) => read_file(path),
            Self::Default => read_default(|variable| env::var_os(variable)),
        }
    }
}

/// Why there is no cookie. Says nothing of any cookie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CookieError {
    #[error(
        "no cookie: set {VARIABLE}, or write the cookie of the cluster to {} (readable by its \
         owner only), or give it to the node", or(.0)
    )]
    Missing(Vec<PathBuf>),
    #[error("no cookie: the environment variable {0} is not set")]
    NoVariable(String),
    #[error("the environment variable {variable} holds no cookie: {problem}")]
    Variable {
        variable: String,
        problem: InvalidCookie,
    },
    #[error("the cookie file {path} cannot be read: {error}")]
    Unreadable { path: PathBuf, error: IoError },
    #[error(
        "the cookie file {path} can be read by others than its owner (its mode is {mode:03o}): \
         chmod 400 {path}"
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the cookie file {path} holds no cookie: {problem}")]
    File {
        path: PathBuf,
        problem: InvalidCookie,
    },
}

/// The variable that the default source looks at.
const VARIABLE: &str = "RLB_COOKIE";

/// The name that a cookie file has by default.
const FILE: &str = ".erlang.cookie";

/// More than any cookie with its line ends has: what is longer is no cookie file.
const MAX_FILE_LEN: u64 = 1024;

/// Read, write or execute, by the group or by others.
const EXPOSED: u32 = 0o077;

fn read_default(variable: impl Fn(&str) -> Option<OsString>) -> Result<Cookie, CookieError> {
    if let Some(value) = variable(VARIABLE) {
        return read_variable(VARIABLE, Some(value));
    }
    let places = places(variable);
    for path in &places {
        match read_file(path) {
            Err(CookieError::Unreadable { error, .. }) if error.kind == io::ErrorKind::NotFound => {
            }
            result => return result,
        }
    }
    Err(CookieError::Missing(places))
}

/// The files that OTP looks at, in its order. One that exists decides, whatever it holds.
fn places(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let home = set("HOME").map(PathBuf::from);
    let configuration = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| home.as_ref().map(|home| home.join(".config")));

    let in_home = home.map(|home| home.join(FILE));
    let in_configuration = configuration.map(|directory| directory.join("erlang").join(FILE));
    in_home.into_iter().chain(in_configuration).collect()
}

fn read_variable(variable: &str, value: Option<OsString>) -> Result<Cookie, CookieError> {
    let value = value.ok_or_else(|| CookieError::NoVariable(variable.to_owned()))?;
    let value = value
        .into_string()
        .map(Zeroizing::new)
        .map_err(|_not_unicode| InvalidCookie::Character);

    value
        .and_then(|value| value.parse())
        .map_err(|problem| CookieError::Variable {
            variable: variable.to_owned(),
            problem,
        })
}

fn read_file(path: &Path) -> Result<Cookie, CookieError> {
    let unreadable = |error: io::Error| CookieError::Unreadable {
        path: path.to_owned(),
        error: IoError::of_file(&error),
    };
    let file = RegularFile::open(path).map_err(unreadable)?;
    if let Some(mode) = mode(file.metadata())
        && mode & EXPOSED != 0
    {
        return Err(CookieError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }

    let content = file.read(MAX_FILE_LEN).map_err(unreadable)?;
    Cookie::from_file_content(&content).map_err(|problem| CookieError::File {
        path: path.to_owned(),
        problem,
    })
}

/// Who may do what with a file, where the system has such modes.
#[cfg(unix)]
fn mode(file: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    Some(file.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_file: &Metadata) -> Option<u32> {
    None
}

fn or(places: &[PathBuf]) -> impl std::fmt::Display {
    std::fmt::from_fn(move |f| {
        if places.is_empty() {
            return write!(f, "{FILE} in your home directory");
        }
        for (index, path) in places.iter().enumerate() {
            let separator = if index == 0 { "" } else { " or " };
            write!(f, "{separator}{}", path.display())?;
        }
        Ok(())
    })
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    /// A home directory for one test.
    struct Home(PathBuf);

    impl Home {
        fn new(test: &str) -> Self {
            let name = format!("beam-node-cookie-{}-{test}", std::process::id());
            let path = env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, path: &str, content: &[u8], mode: u32) -> PathBuf {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }

        /// Reads the default source in an environment with this home and these variables.
        fn read(&self, variables: &[(&str, &str)]) -> Result<Cookie, CookieError> {
            read_default(|name| {
                let set = variables.iter().find(|(variable, _)| *variable == name);
                match (set, name) {
                    (Some((_, value)), _) => Some(value.into()),
                    (None, "HOME") => Some(self.0.clone().into()),
                    (None, _) => None,
                }
            })
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn cookie(text: &str) -> Cookie {
        text.parse().unwrap()
    }

    #[test]
    fn a_given_cookie_is_taken_as_it_is() {
        let source = CookieSource::Given(cookie("given"));

        assert_eq!(source.read().unwrap(), cookie("given"));
        assert!(!format!("{source:?}").contains("given"));
    }

    #[test]
    fn the_default_is_the_variable_then_the_home_directory_then_the_configuration() {
        let home = Home::new("order");
        home.write(".config/erlang/.erlang.cookie", b"configured\n", 0o400);
        assert_eq!(home.read(&[]).unwrap(), cookie("configured"));

        home.write(".erlang.cookie", b"home\n", 0o600);
        assert_eq!(home.read(&[]).unwrap(), cookie("home"));

        let variables = [("RLB_COOKIE", "variable")];
        assert_eq!(home.read(&variables).unwrap(), cookie("variable"));
    }

    #[test]
    fn the_directory_of_configuration_may_be_elsewhere() {
        let home = Home::new("elsewhere");
        home.write("other/erlang/.erlang.cookie", b"other", 0o400);

        let other = home.0.join("other");
        let variables = [("XDG_CONFIG_HOME", other.to_str().unwrap())];
        assert_eq!(home.read(&variables).unwrap(), cookie("other"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_cure() {
        let home = Home::new("exposed");
        for mode in [0o440, 0o404, 0o604, 0o444, 0o420] {
            let path = home.write(".erlang.cookie", b"secret\n", mode);

            let error = home.read(&[]).unwrap_err();
            assert_eq!(
                error,
                CookieError::Exposed {
                    path: path.clone(),
                    mode
                }
            );
            let cure = format!("chmod 400 {}", path.display());
            assert!(error.to_string().ends_with(&cure), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_holds_no_cookie_is_an_error_and_nothing_else_is_tried() {
        let home = Home::new("invalid");
        home.write(".config/erlang/.erlang.cookie", b"configured\n", 0o400);
        let long = [b'x'; MAX_FILE_LEN as usize];
        for (content, problem) in [
            (&b"\n"[..], InvalidCookie::Empty),
            (b"", InvalidCookie::Empty),
            (b"two\nlines\n", InvalidCookie::Character),
            (&long, InvalidCookie::TooLong),
        ] {
            let path = home.write(".erlang.cookie", content, 0o600);
            assert_eq!(
                home.read(&[]).unwrap_err(),
                CookieError::File { path, problem }
            );
        }

        let error = home.read(&[("RLB_COOKIE", "")]).unwrap_err().to_string();
        assert!(error.contains("RLB_COOKIE") && error.contains("empty"));
    }

    #[test]
    fn what_is_no_file_is_said_to_be_none_whatever_its_mode() {
        let home = Home::new("directory");
        let path = home.write(".erlang.cookie/x", b"", 0o600);
        let directory = path.parent().unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
        let long = home.write("long", &[b'x'; MAX_FILE_LEN as usize + 1], 0o600);
        for (error, said) in [
            (home.read(&[]), "it is a directory"),
            (CookieSource::File(long).read(), "more than 1024 bytes"),
        ] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains("chmod"), "{error}");
        }
    }

    #[test]
    fn without_a_cookie_all_places_are_named() {
        let home = Home::new("missing");

        let error = home.read(&[]).unwrap_err().to_string();
        for place in [
            "RLB_COOKIE",
            home.0.join(".erlang.cookie").to_str().unwrap(),
            home.0
                .join(".config/erlang/.erlang.cookie")
                .to_str()
                .unwrap(),
        ] {
            assert!(error.contains(place), "{place} is not in {error}");
        }

        let homeless = read_default(|_| None).unwrap_err().to_string();
        assert!(homeless.contains(".erlang.cookie in your home directory"));
    }

    #[test]
    fn a_source_that_was_named_is_the_only_one() {
        let home = Home::new("named");
        let path = home.0.join("cookie");

        let source = CookieSource::File(path.clone());
        assert!(matches!(
            source.read(),
            Err(CookieError::Unreadable { path: named, error })
                if named == path && error.kind == io::ErrorKind::NotFound
        ));
        let said = format!("{} cannot be read: No such file", path.display());
        let error = source.read().unwrap_err().to_string();
        assert!(error.contains(&said), "{error}");
        home.write("cookie", b"filed\r\n", 0o400);
        assert_eq!(source.read().unwrap(), cookie("filed"));

        let source = CookieSource::Environment("BEAM_NODE_UNSET_VARIABLE".into());
        let error = source.read().unwrap_err().to_string();
        assert!(error.contains("BEAM_NODE_UNSET_VARIABLE is not set"));
    }
}
