// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file that is there when it is whole.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// A file under way: `NAME.part` until it is kept, removed when it is not. What has its name meanwhile stays as it was.
pub(crate) struct Part {
    path: PathBuf,
    kept: bool,
}

impl Part {
    /// Begins the file that will be `path`.
    pub(crate) fn create(path: &Path) -> io::Result<(Self, File)> {
        let part = Self { path: path.to_owned(), kept: false };
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

#[cfg(test)]
mod tests {
    use std::io::Write;

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
}
