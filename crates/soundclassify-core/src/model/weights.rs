// SPDX-License-Identifier: MIT OR Apache-2.0
//! Weights of an ONNX file that are stored in separate files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::onnx::Network;
use crate::error::{Error, Result};

/// The places that a network's tensors name, relative to its folder; none when `onnx`, the file's bytes, can't be read.
#[must_use]
pub fn locations(onnx: &[u8]) -> BTreeSet<String> {
    let network = Network::read(onnx, Path::new("")).unwrap_or_default();
    network.external_locations().into_iter().filter_map(|place| String::from_utf8(place.to_vec()).ok()).collect()
}

/// The files that a network's tensors name, by the names that it gives them.
pub(super) struct Weights {
    files: BTreeMap<String, PathBuf>,
    /// Bytes of all, each file once.
    pub(super) size: u64,
}

impl Weights {
    /// Finds the files of the network in the ONNX file `onnx`, and opens none. Each has to be a regular file in the folder
    /// of `onnx` or below it, wherever links lead; together with `onnx` they have at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Model`], which names the file.
    pub(super) fn find(network: &Network, onnx: &Path, own_size: u64, limit: u64) -> Result<Self> {
        let fail = |reason: String| Error::Model { path: onnx.to_path_buf(), reason };
        let (mut files, mut sizes) = (BTreeMap::new(), BTreeMap::new());
        for name in network.external_locations() {
            let Ok(name) = std::str::from_utf8(name) else {
                return Err(fail(format!("weights {:?}: expected a name in UTF-8", String::from_utf8_lossy(name))));
            };
            if files.contains_key(name) {
                continue;
            }
            let (path, size) = real_file(onnx.parent().unwrap_or(Path::new("")), name).map_err(fail)?;
            sizes.insert(path.clone(), size);
            files.insert(name.to_owned(), path);
        }
        let size = sizes.values().fold(0, |sum: u64, size| sum.saturating_add(*size));
        let all = size.saturating_add(own_size);
        if all > limit {
            return Err(fail(format!("expected at most {limit} bytes for network and weights, found {all}")));
        }
        Ok(Self { files, size })
    }

    /// What distinguishes these weights from others: the names, and the SHA-256 of the contents.
    ///
    /// # Errors
    /// [`Error::Read`]
    pub(super) fn identity(&self) -> Result<Vec<u8>> {
        let mut identity = Vec::new();
        for (name, path) in &self.files {
            identity.extend((name.len() as u64).to_le_bytes());
            identity.extend(name.as_bytes());
            identity.extend(digest(path)?);
        }
        Ok(identity)
    }
}

/// The real path and the size of the file that a network in `folder` calls `name`.
fn real_file(folder: &Path, name: &str) -> Result<(PathBuf, u64), String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let wrong = |found: String| {
        let expected = format!("a regular file in {} or in a folder below it", folder.display());
        format!("weights {name:?}: expected {expected}, found {found}; copy the file there")
    };
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || name.is_empty() {
        return Err(wrong("a path that leads out of the folder".into()));
    }
    let path = folder.join(name);
    let real = |path: &Path| path.canonicalize().map_err(|error| wrong(format!("{}: {error}", path.display())));
    let (folder, path) = (real(folder)?, real(&path)?);
    if !path.starts_with(&folder) {
        return Err(wrong(format!("a link to {}", path.display())));
    }
    let metadata = fs::symlink_metadata(&path).map_err(|error| wrong(error.to_string()))?;
    if !metadata.is_file() {
        return Err(wrong("no regular file".into()));
    }
    Ok((path, metadata.len()))
}

/// SHA-256 of a file's content.
fn digest(path: &Path) -> Result<[u8; 32]> {
    let fail = |source: io::Error| Error::Read { what: "weights", path: path.to_path_buf(), source: Arc::new(source) };
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(fail)?);
    let mut digest = Sha256::new();
    loop {
        let part = file.fill_buf().map_err(fail)?;
        if part.is_empty() {
            return Ok(digest.finalize().into());
        }
        digest.update(part);
        let length = part.len();
        file.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::model::onnx::{Entry, Graph, Tensor};

    fn entry(key: &str, value: &str) -> Entry {
        Entry { key: key.into(), value: value.into() }
    }

    /// A network with a tensor a place.
    fn network(places: &[&str]) -> Network {
        let tensor = |place: &&str| Tensor {
            name: b"w".to_vec(),
            // Value before key is as good.
            external_data: vec![entry("offset", "0"), entry("location", place)],
            data_location: 1,
        };
        let initializers = places.iter().map(tensor).collect();
        Network { graph: Some(Graph { initializers, ..Graph::default() }), ..Network::default() }
    }

    fn find(folder: &Path, places: &[&str], limit: u64) -> Result<u64, String> {
        let found = Weights::find(&network(places), &folder.join("tiny.onnx"), 24, limit);
        found.map(|weights| weights.size).map_err(|error| error.to_string())
    }

    #[test]
    fn places_are_found_in_any_order_of_fields() {
        let swapped = b"\x3a\x1b\x2a\x19\x6a\x15\x12\x05a.bin\x0a\x08location\x70\x01";
        // Lengths: the entry has 17 bytes, the tensor 21, the graph 23.
        let mut bytes = swapped.to_vec();
        bytes[1] = (bytes.len() - 2) as u8;
        bytes[3] = (bytes.len() - 4) as u8;
        bytes[5] = 17;
        assert_eq!(locations(&bytes), BTreeSet::from(["a.bin".to_owned()]));
        assert_eq!(locations(&network(&["a.bin", "b/c.bin"]).encode_to_vec()).len(), 2);
        assert_eq!(locations(b"no network"), BTreeSet::new());
    }

    #[test]
    fn a_file_counts_once_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/a.bin"), [0; 1000]).unwrap();
        fs::write(folder.path().join("b.bin"), [0; 10]).unwrap();
        let places = ["below/a.bin", "./below/a.bin", "below/./a.bin", "b.bin"];
        assert_eq!(find(folder.path(), &places, 1034), Ok(1010));
        let error = find(folder.path(), &places, 1033).unwrap_err();
        assert!(error.contains("at most 1033 bytes") && error.contains("found 1034"), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn weights_elsewhere_are_refused_before_they_are_opened() {
        use std::os::unix::{fs::symlink, net::UnixListener};

        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("model");
        fs::create_dir(&folder).unwrap();
        fs::write(outer.path().join("a.bin"), [0; 8]).unwrap();
        fs::write(folder.join("inside.bin"), [0; 8]).unwrap();
        symlink(outer.path().join("a.bin"), folder.join("link.bin")).unwrap();
        symlink(outer.path(), folder.join("up")).unwrap();
        symlink("inside.bin", folder.join("near.bin")).unwrap();
        let _socket = UnixListener::bind(folder.join("socket")).unwrap();
        assert_eq!(find(&folder, &["near.bin"], 1000), Ok(8));
        let absolute = outer.path().join("a.bin");
        for (place, found) in [
            ("../a.bin", "leads out"),
            (absolute.to_str().unwrap(), "leads out"),
            ("link.bin", "a link to"),
            ("up/a.bin", "a link to"),
            ("up/model/../a.bin", "leads out"),
            ("socket", "no regular file"),
            (".", "no regular file"),
            ("missing.bin", "missing.bin"),
            ("*/_ORT_MEM_ADDR_/*", "No such file"),
            ("", "leads out"),
        ] {
            let error = find(&folder, &[place], 1000).unwrap_err();
            assert!(error.contains("tiny.onnx") && error.contains("regular file") && error.contains(found), "{error}");
        }
    }
}
