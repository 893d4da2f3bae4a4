// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that appear only when they are complete.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use tempfile::{Builder, TempPath};

use crate::{
    exit::{Failure, Result},
    lock::lock,
};

/// Temporary files, to remove if the program exits immediately.
static UNDER_WAY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes the temporary files before the program exits immediately.
pub(crate) fn abandon() {
    // The thread that ends the program may hold the lock.
    if let Ok(paths) = UNDER_WAY.try_lock() {
        for path in &*paths {
            // A file that remains does no harm.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A temporary file with an unpredictable name; it is removed on drop and when the program ends.
pub(crate) struct Temporary(TempPath);

impl Temporary {
    /// An empty file where the system keeps such files.
    pub(crate) fn new(suffix: &str) -> io::Result<(Self, File)> {
        Self::named(
            Builder::new().prefix("soundclassify-").suffix(suffix).tempfile().map_err(|error| nameless(&error))?,
        )
    }

    /// An empty file in this folder, with the rights of a new one.
    fn inside(folder: &Path) -> io::Result<(Self, File)> {
        let mut builder = Builder::new();
        builder.prefix(".soundclassify-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        Self::named(builder.tempfile_in(folder).map_err(|error| nameless(&error))?)
    }

    fn named(file: tempfile::NamedTempFile) -> io::Result<(Self, File)> {
        let (file, path) = file.into_parts();
        lock(&UNDER_WAY).push(path.to_path_buf());
        Ok((Self(path), file))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// An error without the name of the temporary file, which says nothing to the user.
fn nameless(error: &io::Error) -> io::Error {
    let text = error.to_string();
    let why = text.split(" at path ").next().unwrap_or_default();
    io::Error::new(error.kind(), why.split(" (os error").next().unwrap_or_default())
}

impl Drop for Temporary {
    fn drop(&mut self) {
        lock(&UNDER_WAY).retain(|path| **path != *self.0);
    }
}

/// A temporary file beside its final path. The existing file does not change until this one is kept.
pub(crate) struct AtomicFile {
    path: PathBuf,
    temporary: Temporary,
}

impl AtomicFile {
    /// Creates the temporary file for `path`, or for the target of a link. It gets the permissions of an existing file.
    pub(crate) fn create(path: &Path) -> io::Result<(Self, File)> {
        let path = target(path);
        let there = replaceable(&path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (temporary, file) = Temporary::inside(folder)
            .map_err(|error| io::Error::new(error.kind(), format!("can't create a file in its folder: {error}")))?;
        if let Some(there) = there {
            hand_on(&there, &file)?;
        }
        Ok((Self { path, temporary }, file))
    }

    /// Gives the file its name. All of it must have been written.
    pub(crate) fn keep(self) -> io::Result<()> {
        std::fs::rename(self.temporary.path(), &self.path)
    }
}

/// The target of a link, even if it does not exist.
fn target(path: &Path) -> PathBuf {
    let next = || path.parent().unwrap_or(Path::new("")).join(path.read_link().unwrap_or_else(|_| path.to_owned()));
    path.canonicalize().unwrap_or_else(|_| if path.is_symlink() { next() } else { path.to_owned() })
}

/// The existing file, if it may be written.
fn replaceable(path: &Path) -> io::Result<Option<Metadata>> {
    match path.metadata() {
        // A device or a pipe would be replaced.
        Ok(there) if !there.is_file() => Err(irregular()),
        Ok(there) => OpenOptions::new().write(true).open(path).map(|_| Some(there)),
        Err(_) => Ok(None),
    }
}

/// The error for an output that is a device, a pipe or a folder.
pub(crate) fn irregular() -> io::Error {
    io::Error::other("expected a regular file, or no file, found something else")
}

fn hand_on(there: &Metadata, file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        // Only root may change the owner.
        let _ = fchown(file, Some(there.uid()), Some(there.gid()));
    }
    file.set_permissions(there.permissions())
}

/// A file that will be written in one step. It is created early, so an error is reported before the work begins.
pub(crate) struct ReservedFile {
    what: &'static str,
    path: PathBuf,
    part: AtomicFile,
    file: File,
}

impl ReservedFile {
    /// Creates the temporary file for `path`. `what`: its kind in errors.
    pub(crate) fn reserve(what: &'static str, path: &Path) -> Result<Self> {
        let (part, file) = AtomicFile::create(path).map_err(|error| Failure::io(what, path, &error))?;
        Ok(Self { what, path: path.to_owned(), part, file })
    }

    /// The path that the file will have.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the content and renames the file.
    pub(crate) fn fill(mut self, content: impl io::Read) -> Result<()> {
        self.write(content)?;
        self.keep()
    }

    fn write(&mut self, mut content: impl io::Read) -> Result<()> {
        let written = io::copy(&mut content, &mut self.file).and_then(|_| self.file.flush());
        written.map_err(|error| Failure::io(self.what, &self.path, &error))
    }

    fn keep(self) -> Result<()> {
        self.part.keep().map_err(|error| Failure::io(self.what, &self.path, &error))
    }
}

/// A file with its content. `what`: its kind in errors.
pub(crate) struct WholeFile {
    pub(crate) what: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) content: Vec<u8>,
}

/// Writes these files. Each is complete before the first one gets its name, so if one can't be written, none changes.
pub(crate) fn write_together(files: Vec<WholeFile>) -> Result<()> {
    let written = |file: WholeFile| {
        let mut place = ReservedFile::reserve(file.what, &file.path)?;
        place.write(&file.content[..])?;
        Ok(place)
    };
    let places = files.into_iter().map(written).collect::<Result<Vec<_>>>()?;
    places.into_iter().try_for_each(ReservedFile::keep)
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
            let (part, mut file) = AtomicFile::create(&path).unwrap();
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

    #[cfg(target_os = "linux")]
    #[test]
    fn the_temporary_name_is_in_no_error() {
        let error = AtomicFile::create(Path::new("/proc/a.npy")).err().unwrap().to_string();

        assert!(error.starts_with("can't create a file in its folder: "), "{error}");
        assert!(!error.contains(".part") && !error.contains(".soundclassify"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let [path, link] = ["a.svg", "link.svg"].map(|name| folder.path().join(name));
        std::fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();

        ReservedFile::reserve("picture", &link).unwrap().fill(&b"new"[..]).unwrap();

        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_yet_leads_to_something_then() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let link = folder.path().join("link.svg");
        std::os::unix::fs::symlink("sub/a.svg", &link).unwrap();

        ReservedFile::reserve("picture", &link).unwrap().fill(&b"new"[..]).unwrap();

        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(folder.path().join("sub/a.svg")).unwrap(), "new");
    }

    #[cfg(unix)]
    #[test]
    fn rights_are_handed_on_and_those_of_a_new_file_are_usual() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [old, new, usual] = ["old", "new", "usual"].map(|name| folder.path().join(name));
        std::fs::write(&old, "old").unwrap();
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(&usual, "").unwrap();

        for path in [&old, &new] {
            ReservedFile::reserve("page", path).unwrap().fill(&b"new"[..]).unwrap();
        }

        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&old), mode(&new)), (0o640, mode(&usual)));
    }

    #[test]
    fn two_that_write_one_file_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        let [one, two] = ["1", "2"].map(|_| ReservedFile::reserve("page", &path).unwrap());

        one.fill(&b"a longer page"[..]).unwrap();
        two.fill(&b"a page"[..]).unwrap();

        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a page");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn of_several_files_none_is_written_if_one_can_not_be() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new, pipe] = ["old", "new", "pipe"].map(|name| folder.path().join(name));
        std::fs::write(&old, "old").unwrap();
        let file = |path: &Path| WholeFile { what: "network", path: path.to_owned(), content: b"more".to_vec() };

        let _listener = std::os::unix::net::UnixListener::bind(&pipe).unwrap();
        assert!(write_together(vec![file(&old), file(&new), file(&pipe)]).is_err());
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "old");
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);

        write_together(vec![file(&old), file(&new)]).unwrap();
        assert_eq!([&old, &new].map(|path| std::fs::read_to_string(path).unwrap()), ["more", "more"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [socket, link] = ["socket", "link.svg"].map(|name| folder.path().join(name));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();

        assert!(ReservedFile::reserve("picture", &link).is_err());

        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }
}
