use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::unique_name;

/// A directory in a release's root; it goes with this value.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    inside: PathBuf,
}

impl Directory {
    pub(crate) fn create(root: &Path) -> io::Result<Self> {
        let inside = Path::new("/tmp").join(unique_name("interop"));
        let path = root.join(inside.strip_prefix("/").unwrap_or(&inside));
        // What a killed test of the same process id left behind is not to be met.
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        Ok(Self { path, inside })
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> io::Result<()> {
        fs::write(self.path.join(name), text)
    }

    /// Its path, as the test sees it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same, as programs see it that run in that root.
    pub fn inside(&self) -> &Path {
        &self.inside
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory left behind among the temporary ones harms nobody.
        _ = fs::remove_dir_all(&self.path);
    }
}
