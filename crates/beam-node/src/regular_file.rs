//! Files that are read as a whole.

use std::{
    fs::{File, FileType, Metadata},
    io::{self, Read as _},
    path::Path,
};

use zeroize::Zeroizing;

/// An open file that ends, soon: a regular one, of which no more is read than a bound.
///
/// Whatever a user names as a file with settings or secrets is read by this one. To open a pipe would
/// wait for whoever writes to it, and a device may never end. For the crates of this workspace.
#[doc(hidden)]
#[derive(Debug)]
pub struct RegularFile {
    file: File,
    metadata: Metadata,
}

impl RegularFile {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// Those of the system, and one that says what it is, where that is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Before it is opened, and once more then, as it may have been replaced in between.
        check(&path.metadata()?)?;
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        check(&metadata)?;
        Ok(Self { file, metadata })
    }

    /// Opens a file and reads it.
    ///
    /// # Errors
    ///
    /// As [`RegularFile::open`] and [`RegularFile::read`].
    pub fn read_at(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        Self::open(path)?.read(most)
    }

    /// What the system says of it.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Reads all of it, into memory that is wiped when it is dropped.
    ///
    /// # Errors
    ///
    /// Those of the system, and one that names the bound, where it has more than `most` bytes.
    pub fn read(self, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        if self.metadata.len() > most {
            return Err(too_long(most));
        }
        // As large as it can become: growing would leave copies behind in memory that is not wiped.
        let len = usize::try_from(self.metadata.len()).unwrap_or(0);
        let mut content = Zeroizing::new(Vec::with_capacity(len + SPARE));
        self.file.take(most + 1).read_to_end(&mut content)?;
        match content.len() as u64 > most {
            // It has grown, or its system does not tell its length, as that of `/proc`.
            true => Err(too_long(most)),
            false => Ok(content),
        }
    }
}

/// Room in which the end of a file is seen.
const SPARE: usize = 64;

fn check(metadata: &Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => {
            let kind = kind(metadata.file_type());
            Err(io::Error::other(format!(
                "it is {kind}, a regular file is expected"
            )))
        }
    }
}

fn too_long(most: u64) -> io::Error {
    let most = match most {
        mib if mib % (1024 * 1024) == 0 => format!("{} MiB", mib / (1024 * 1024)),
        bytes => format!("{bytes} bytes"),
    };
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it has more than {most}, the most that such a file may have"),
    )
}

fn kind(of: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;

        if of.is_fifo() {
            return "a pipe";
        }
        if of.is_socket() {
            return "a socket";
        }
    }
    match of.is_dir() {
        true => "a directory",
        false => "a device",
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{env, fs, path::PathBuf, process};

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    fn path(name: &str) -> PathBuf {
        env::temp_dir().join(format!("beam-node-file-{}-{name}", process::id()))
    }

    #[test]
    fn what_is_no_regular_file_is_named_and_not_waited_for() {
        let pipe = path("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        let errors = [Path::new("/dev/zero"), Path::new("/"), &pipe]
            .map(|path| RegularFile::read_at(path, 10).unwrap_err().to_string());
        fs::remove_file(&pipe).unwrap();
        let kinds = ["a device", "a directory", "a pipe"];
        for (error, kind) in errors.iter().zip(kinds) {
            assert_eq!(*error, format!("it is {kind}, a regular file is expected"));
        }
    }

    #[test]
    fn a_file_is_read_up_to_a_bound() {
        let file = path("long");
        fs::write(&file, [b'x'; 10]).unwrap();
        let (read, refused) = (
            RegularFile::read_at(&file, 10),
            RegularFile::read_at(&file, 9),
        );
        fs::remove_file(&file).unwrap();
        assert_eq!(**read.unwrap(), [b'x'; 10]);
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        assert!(refused.to_string().contains("more than 9 bytes"));
        // The length of these is told as 0.
        let refused = RegularFile::read_at(Path::new("/proc/self/maps"), 9).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }
}
