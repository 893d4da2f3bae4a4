// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file that is there when it is whole.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::exit::{Failure, Result};

/// A file under way: `NAME.part` until it is kept, removed when it is not. What has its name meanwhile stays as it was.
pub(crate) struct Part {
    path: PathBuf,
    kept: bool,
}

impl Part {
    /// Begins the file that will be `path`; what a link leads to, not the link.
    pub(crate) fn create(path: &Path) -> io::Result<(Self, File)> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        // A device or a pipe would be gone after it.
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::other("expected a file or nothing there, found what is no regular file"));
        }
        let part = Self { path, kept: false };
        let file = File::create(part.temporary())?;
        Ok((part, file))
    }

    /// Gives the file its name. All of it must have been written.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        std::fs::rename(self.temporary(), &self.path)?;
        self.kept = true;
        Ok(())
    }

    fn temporary(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".part");
        name.into()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            // A rest that stays does no harm.
            let _ = std::fs::remove_file(self.temporary());
        }
    }
}

/// A file that will be written at once. It is begun early, so that a place where nothing can be written is found before
/// the work for it.
pub(crate) struct Place {
    what: &'static str,
    path: PathBuf,
    part: Part,
    file: File,
}

impl Place {
    /// Begins the file that will be `path`. `what`: its name in errors.
    pub(crate) fn reserve(what: &'static str, path: &Path) -> Result<Self> {
        let (part, file) = Part::create(path).map_err(|error| Failure::io(what, path, &error))?;
        Ok(Self { what, path: path.to_owned(), part, file })
    }

    /// The path that the file will have.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of it, and gives it its name.
    pub(crate) fn fill(mut self, mut content: impl io::Read) -> Result<()> {
        let written = io::copy(&mut content, &mut self.file).and_then(|_| self.file.flush());
        let kept = written.and_then(|()| self.part.keep());
        kept.map_err(|error| Failure::io(self.what, &self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_when_its_successor_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, "old").unwrap();
        for (keep, expected) in [(false, "old"), (true, "new")] {
            let (part, mut file) = Part::create(&path).unwrap();
            file.write_all(b"new").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");

            if keep {
                part.keep().unwrap();
            } else {
                drop(part);
            }

            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
            assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        }
    }
    #[cfg(unix)]
    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let [path, link] = ["a.svg", "link.svg"].map(|name| folder.path().join(name));
        std::fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();

        Place::reserve("picture", &link).unwrap().fill(&b"new"[..]).unwrap();

        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [socket, link] = ["socket", "link.svg"].map(|name| folder.path().join(name));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();

        assert!(Place::reserve("picture", &link).is_err());

        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }
}
