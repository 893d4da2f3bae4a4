// SPDX-License-Identifier: MIT OR Apache-2.0
//! Weights that an ONNX file keeps in other files beside it.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
    sync::Arc,
};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A `StringStringEntryProto` of the key `location`, up to the length of its value.
const ENTRY: &[u8] = b"\x0a\x08location\x12";

/// The places that a network's tensors name, relative to its folder. `onnx`: the file's bytes.
#[must_use]
pub fn locations(onnx: &[u8]) -> BTreeSet<&str> {
    onnx.windows(ENTRY.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == ENTRY)
        .filter_map(|(at, _)| string(&onnx[at + ENTRY.len()..]))
        .collect()
}

/// A string after its length; no file name is so long that it takes more than two bytes.
fn string(bytes: &[u8]) -> Option<&str> {
    let (length, rest) = match bytes {
        [low @ 0..0x80, rest @ ..] => (usize::from(*low), rest),
        [low, high @ 0..0x80, rest @ ..] => (usize::from(low & 0x7f) | usize::from(*high) << 7, rest),
        _ => return None,
    };
    std::str::from_utf8(rest.get(..length)?).ok()
}

/// Bytes of the files in `folder` that the network's tensors name; a file that is not there has none.
pub(super) fn size(onnx: &[u8], folder: &Path) -> usize {
    let length = |location| folder.join(location).metadata().map_or(0, |file| file.len());
    locations(onnx).into_iter().map(length).sum::<u64>().try_into().unwrap_or(usize::MAX)
}

/// SHA-256 of a file's content.
///
/// # Errors
/// [`Error::Read`]
pub(super) fn digest(path: &Path) -> Result<[u8; 32]> {
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
    use super::*;

    #[test]
    fn tensors_name_their_files() {
        let long = "w".repeat(200);
        let mut onnx = b"\x08\x08location".to_vec();
        for (name, length) in [("a.bin", vec![5]), (&*long, vec![0xc8, 1]), ("a.bin", vec![5])] {
            onnx.extend(ENTRY);
            onnx.extend(length);
            onnx.extend(name.as_bytes());
        }

        assert_eq!(locations(&onnx), BTreeSet::from(["a.bin", &long]));
        assert_eq!(locations(&onnx[..onnx.len() - 1]), BTreeSet::from(["a.bin", &long]));
        assert_eq!(locations(ENTRY), BTreeSet::new());
    }

    #[test]
    fn files_that_are_there_have_a_size() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.bin"), [0; 1000]).unwrap();
        let onnx: Vec<u8> =
            ["a.bin", "b.bin", "a.bin"].iter().flat_map(|name| [ENTRY, &[5], name.as_bytes()].concat()).collect();
        assert_eq!(size(&onnx, folder.path()), 1000);
        assert_eq!(size(&onnx, Path::new("/nowhere")), 0);
    }
}
