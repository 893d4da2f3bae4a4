// SPDX-License-Identifier: MIT OR Apache-2.0
//! One name for a file however it was written, and the shard that it belongs to.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    str::FromStr,
};

use sha2::{Digest, Sha256};

use crate::source;

/// Names of files, with the folders that were looked up before.
#[derive(Debug, Default)]
pub(super) struct Identities(HashMap<PathBuf, PathBuf>);

impl Identities {
    /// The absolute path, its folder without links, `.` and `..`; an address other than that of a file as it is. A file
    /// that is a link keeps its own name.
    pub(super) fn of(&mut self, name: &str) -> String {
        let path = source::path(name);
        if source::is_uri(name) && path == Path::new(name) {
            return name.to_owned();
        }
        source::name(&self.absolute(&path))
    }

    fn absolute(&mut self, path: &Path) -> PathBuf {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (Some(folder), Some(file)) = (whole.parent(), whole.file_name()) else { return whole };
        let folder = folder.to_owned();
        let found =
            self.0.entry(folder).or_insert_with_key(|folder| folder.canonicalize().unwrap_or_else(|_| folder.clone()));
        found.join(file)
    }
}

/// Every `count`-th file, by a hash of its name that is the same on every machine and in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// Whether the file of this name is one of them.
    pub(super) fn has(self, identity: &str) -> bool {
        let digest = Sha256::digest(identity);
        let number = digest.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        number % self.count == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("expected I/N with I from 1 to N, such as 3/16".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn one_file_has_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("in")).unwrap();
        std::os::unix::fs::symlink("in", root.join("link")).unwrap();
        let wanted = root.join("in/a b.wav");
        let mut identities = Identities::default();

        for written in ["in/a b.wav", "./in/a b.wav", "in/../in/a b.wav", "link/a b.wav"] {
            assert_eq!(identities.of(root.join(written).to_str().unwrap()), wanted.to_str().unwrap(), "{written}");
        }
        let uri = gst::glib::filename_to_uri(&wanted, None).unwrap();
        assert_eq!(identities.of(&uri), wanted.to_str().unwrap());
        assert_eq!(identities.of("https://host/a.wav"), "https://host/a.wav");
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(identities.of("Cargo.toml"), here.join("Cargo.toml").to_str().unwrap());
        assert_eq!(identities.of("no/such/../a.wav"), here.join("no/such/../a.wav").to_str().unwrap());
    }

    #[test]
    fn shards_share_out_all_files_and_never_change() {
        let names: Vec<_> = (0..300).map(|number| format!("/data/{number}.wav")).collect();
        let shards: Vec<Shard> = (1..=3).map(|index| format!("{index}/3").parse().unwrap()).collect();

        for name in &names {
            assert_eq!(shards.iter().filter(|shard| shard.has(name)).count(), 1, "{name}");
        }
        let sizes = shards.iter().map(|shard| names.iter().filter(|name| shard.has(name)).count());
        assert_eq!(sizes.collect::<Vec<_>>(), [105, 94, 101]);
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["0/3", "4/3", "3", "a/b", "1/0", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
