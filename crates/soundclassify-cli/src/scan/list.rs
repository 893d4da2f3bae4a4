// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which files a scan is about: folders, lists, single recordings, standard input.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    path::{Path, PathBuf},
};

use super::identity::{Identities, Shard};
use crate::{
    exit::{Failure, Result},
    source::{self, name},
};

/// File name extensions of audio and video.
const EXTENSIONS: [&str; 41] = [
    "3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "au", "avi", "caf", "dts", "eac3", "flac", "flv", "m4a",
    "m4b", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpeg", "mpg", "mts", "oga", "ogg", "ogv", "opus", "rf64", "snd",
    "spx", "ts", "tta", "w64", "wav", "webm", "wma", "wmv", "wv",
];

/// Bytes at the beginning of a file that distinguish a recording from a list.
const BEGINNING: u64 = 4096;

/// A file to classify, or an error.
pub(super) enum Entry {
    /// Name of the file.
    File(String),
    /// What can't be looked into, and why.
    Unreadable(String, String),
}

/// Which files of the inputs.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    /// Files of folders with any extension.
    pub(super) all: bool,
    /// But for these, which the scan itself writes.
    pub(super) own: Vec<PathBuf>,
    /// Only those of a shard.
    pub(super) shard: Option<Shard>,
}

/// Iterates over the files of all inputs with their [identity](Identities), without a list in memory.
pub(super) fn entries(inputs: &[PathBuf], selection: &Selection) -> Result<impl Iterator<Item = Entry> + Send + use<>> {
    let kinds = inputs.iter().map(|input| input_kind(input)).collect::<Result<Vec<_>>>()?;
    let (selection, shard) = (selection.clone(), selection.shard);
    let mut identities = Identities::default();
    let entries = kinds.into_iter().flat_map(move |kind| kind.entries(&selection));
    let named = entries.map(move |entry| match entry {
        Entry::File(name) => Entry::File(identities.of(&name)),
        Entry::Unreadable(name, why) => Entry::Unreadable(identities.of(&name), why),
    });
    Ok(named.filter(move |entry| {
        let (Entry::File(name) | Entry::Unreadable(name, _)) = entry;
        shard.is_none_or(|shard| shard.has(name))
    }))
}

/// Whether the inputs can be read twice, to count them.
pub(super) fn countable(inputs: &[PathBuf]) -> bool {
    // The content of a pipe can be read only once.
    let twice = |path: &Path| std::fs::metadata(path).is_ok_and(|data| data.is_dir() || data.is_file());
    inputs.iter().all(|input| input != Path::new("-") && twice(input))
}

/// What an argument is.
enum InputKind {
    Folder(PathBuf),
    List(PathBuf, File),
    One(PathBuf),
    Stdin,
}

fn input_kind(input: &Path) -> Result<InputKind> {
    if input == Path::new("-") {
        return Ok(InputKind::Stdin);
    }
    let data = std::fs::metadata(input).map_err(|error| Failure::io("can't be read", input, &error))?;
    if data.is_dir() {
        return Ok(InputKind::Folder(input.to_owned()));
    }
    if has_sound(input) {
        return Ok(InputKind::One(input.to_owned()));
    }
    let io = |error: io::Error| Failure::io("list", input, &error);
    let mut file = File::open(input).map_err(io)?;
    // The content of a pipe can be read only once.
    if data.is_file() && is_binary(&mut file).map_err(io)? {
        return Ok(InputKind::One(input.to_owned()));
    }
    Ok(InputKind::List(input.to_owned(), file))
}

/// Whether the file is no text, so no list, by its beginning.
fn is_binary(file: &mut File) -> io::Result<bool> {
    let mut beginning = Vec::new();
    file.take(BEGINNING).read_to_end(&mut beginning)?;
    file.rewind()?;
    Ok(beginning.contains(&0) && !source::is_utf16(&beginning))
}

impl InputKind {
    fn entries(self, selection: &Selection) -> Box<dyn Iterator<Item = Entry> + Send> {
        match self {
            Self::Folder(folder) => Box::new(walk(&folder, selection.all, selection.own.clone())),
            Self::List(path, file) => Box::new(lines(path, BufReader::new(file))),
            Self::One(path) => Box::new(std::iter::once(Entry::File(name(&path)))),
            Self::Stdin => Box::new(lines(PathBuf::from("-"), BufReader::new(std::io::stdin()))),
        }
    }
}

/// Recordings below a folder, sorted within each folder; links are followed, loops are errors.
fn walk(folder: &Path, all: bool, own: Vec<PathBuf>) -> impl Iterator<Item = Entry> + Send + use<> {
    let files = walkdir::WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    files.filter_map(move |entry| match entry {
        Ok(entry)
            if entry.file_type().is_file()
                && (has_sound(entry.path()) || all && !own.iter().any(|own| same(entry.path(), own))) =>
        {
            Some(Entry::File(name(entry.path())))
        }
        Ok(_) => None,
        Err(error) => {
            let path = error.path().map_or_else(String::new, name);
            Some(Entry::Unreadable(path, error.to_string()))
        }
    })
}

fn lines(path: PathBuf, list: impl BufRead + Send) -> impl Iterator<Item = Entry> + Send {
    let mut broken = false;
    source::names(list).map_while(move |name| match name {
        _ if broken => None,
        Ok(name) => Some(Entry::File(name)),
        Err(error) => {
            broken = true;
            Some(Entry::Unreadable(path.display().to_string(), error.to_string()))
        }
    })
}

fn same(one: &Path, other: &Path) -> bool {
    // Most have another name, which is known without asking the system.
    one.file_name() == other.file_name() && one.canonicalize().ok() == other.canonicalize().ok()
}

/// Whether a file has an extension of recordings.
pub(crate) fn has_sound(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(inputs: &[&Path], all: bool) -> Vec<String> {
        let inputs: Vec<_> = inputs.iter().map(|input| input.to_path_buf()).collect();
        entries(&inputs, &Selection { all, ..Selection::default() })
            .unwrap()
            .map(|entry| match entry {
                Entry::File(name) => name.rsplit('/').next().unwrap().to_owned(),
                Entry::Unreadable(name, why) => format!("{name}: {why}"),
            })
            .collect()
    }

    #[test]
    fn folders_give_recordings_and_lists_give_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.wav", "a.OGG", "notes.txt", "sub/c.mp3"] {
            std::fs::create_dir_all(folder.path().join("sub")).unwrap();
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let list = folder.path().join("list.txt");
        std::fs::write(&list, "x.wav\n\ny y.wav\r\n").unwrap();

        assert_eq!(names(&[folder.path()], false), ["a.OGG", "b.wav", "c.mp3"]);
        assert_eq!(names(&[folder.path()], true).len(), 5);
        assert_eq!(names(&[&list, &folder.path().join("b.wav")], false), ["x.wav", "y y.wav", "b.wav"]);
    }

    #[cfg(unix)]
    #[test]
    fn names_in_a_list_need_be_no_unicode() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.txt");
        std::fs::write(&list, b"a.wav\nb \xff.wav\r\n \n\xe4.wav\nc.wav").unwrap();

        assert_eq!(names(&[&list], false), ["a.wav", "b%20%FF.wav", "%E4.wav", "c.wav"]);
    }

    #[test]
    fn a_file_with_a_zero_byte_is_a_recording_whatever_its_extension() {
        let folder = tempfile::tempdir().unwrap();
        let [sound, list] = ["sound.bin", "list.bin"].map(|name| folder.path().join(name));
        std::fs::write(&sound, b"RIFF\x10\0\0\0WAVE\n").unwrap();
        std::fs::write(&list, b"\xff\xfea\0.\0w\0\n\0").unwrap();

        assert_eq!(names(&[&sound], false), ["sound.bin"]);
        assert!(names(&[&list], false)[0].contains("UTF-16"));
    }

    #[cfg(unix)]
    #[test]
    fn pipes_are_not_counted() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let pipe = PathBuf::from(format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader)));

        assert!(countable(&[std::env::temp_dir(), std::env::current_exe().unwrap()]));
        assert!(!countable(&[PathBuf::from("-")]));
        assert!(!countable(&[pipe]));
    }

    #[test]
    fn an_input_that_is_not_there_is_an_error() {
        assert!(entries(&[PathBuf::from("no/such/folder")], &Selection::default()).is_err());
    }

    #[test]
    fn the_table_is_none_of_all_files() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.jsonl");
        for path in [&output, &folder.path().join("notes.txt")] {
            std::fs::write(path, "").unwrap();
        }

        let found =
            entries(&[folder.path().to_owned()], &Selection { all: true, own: vec![output], shard: None }).unwrap();

        assert_eq!(found.count(), 1);
    }

    #[test]
    fn extensions_are_sorted_and_written_small() {
        assert!(EXTENSIONS.is_sorted());
    }
}
