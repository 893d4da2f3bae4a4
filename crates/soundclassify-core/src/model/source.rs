// SPDX-License-Identifier: MIT OR Apache-2.0
//! A model by its name or path.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use super::{
    builtin,
    manifest::{Manifest, read_file},
    weights,
};
use crate::error::{Error, Result};

/// Largest ONNX file, bytes: the limit of its format.
pub(super) const MAX_ONNX: u64 = 2 << 30;
const WRITE_ONE: &str = "an ONNX file needs a manifest of the same name beside it that tells its features and labels: \
    `soundclassify inspect --template` writes one to begin with";

/// A manifest and its ONNX file, checked for being there and whole; cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    manifest: Manifest,
    content: Content,
    digest: [u8; 32],
}

enum Content {
    Embedded(&'static [u8]),
    /// The file's bytes until an engine is made of them; whoever makes one later reads it again.
    File(Mutex<Option<Vec<u8>>>),
}

impl Model {
    /// A built-in model's name, the path of a manifest (`.toml`), or that of an ONNX file (`.onnx`) with a manifest
    /// of the same stem beside it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Read`], [`Error::Manifest`], and [`Error::Model`] for an ONNX file that is empty
    /// or not the one of the manifest's checksum.
    pub fn load(name: &str) -> Result<Self> {
        if let Some(files) = builtin::find(name) {
            return Self::embedded(files);
        }
        let path = Path::new(name);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Self::from_manifest(Manifest::load(path)?),
            Some("onnx") => Self::from_onnx(path),
            _ if path.exists() => Err(Error::Model {
                path: path.to_path_buf(),
                reason: "expected a manifest (.toml) or an .onnx file with one beside it, found neither".into(),
            }),
            _ => Err(Error::NotFound {
                what: "model",
                path: path.to_path_buf(),
                remedy: format!(
                    "expected a built-in model ({}), or the path of a manifest (.toml) or of an .onnx file",
                    builtin::names().collect::<Vec<_>>().join(", ")
                ),
            }),
        }
    }

    /// What the author says about it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    fn from_onnx(path: &Path) -> Result<Self> {
        if !path.exists() {
            let remedy = "check the model property".into();
            return Err(Error::NotFound { what: "model", path: path.to_path_buf(), remedy });
        }
        let beside = path.with_extension("toml");
        if !beside.exists() {
            return Err(Error::NotFound { what: "manifest", path: beside, remedy: WRITE_ONE.into() });
        }
        let manifest = Manifest::load(&beside)?;
        if manifest.onnx.file_name() != path.file_name() {
            return Err(Error::Manifest {
                path: beside,
                key: "onnx".into(),
                expected: format!("{}, which the model property names", path.display()),
                found: manifest.onnx.display().to_string(),
            });
        }
        Self::from_manifest(manifest)
    }

    fn from_manifest(manifest: Manifest) -> Result<Self> {
        let bytes = read_onnx(&manifest)?;
        let content: [u8; 32] = Sha256::digest(&bytes).into();
        if let Some(expected) = manifest.sha256.filter(|expected| *expected != content) {
            return Err(Error::Manifest {
                path: manifest.path,
                key: "sha256".into(),
                expected: format!("{} to be the file with {}", manifest.onnx.display(), hex(&expected)),
                found: hex(&content),
            });
        }
        let digest = digest_of_file(&manifest, &bytes, &content)?;
        Ok(Self(Arc::new(Inner { manifest, content: Content::File(Mutex::new(Some(bytes))), digest })))
    }

    fn embedded(files: &builtin::Files) -> Result<Self> {
        let path = PathBuf::from(format!("{}.toml (built in)", files.name));
        let mut manifest = Manifest::embedded(&path, files.manifest, files.labels)?;
        // Two manifests may name the same one.
        manifest.onnx = PathBuf::from(format!("{} (built in)", manifest.onnx.display()));
        // Its content can't change while the program runs, so its name will do.
        let digest = digest(&manifest, manifest.onnx.as_os_str().as_encoded_bytes());
        Ok(Self(Arc::new(Inner { manifest, content: Content::Embedded(files.onnx), digest })))
    }

    /// Tells models apart: the content of the ONNX file and of the files of weights beside it, and all of the manifest
    /// that an engine heeds.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.0.digest
    }

    pub(super) fn onnx_path(&self) -> &Path {
        &self.0.manifest.onnx
    }

    /// The folder of the ONNX file, if it is a file.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self.0.content {
            Content::Embedded(_) => None,
            Content::File(_) => self.onnx_path().parent(),
        }
    }

    /// Calls `with` with the ONNX file's bytes; they are dropped then.
    pub(super) fn with_bytes<T>(&self, with: impl FnOnce(&[u8]) -> T) -> Result<T> {
        match &self.0.content {
            Content::Embedded(bytes) => Ok(with(bytes)),
            Content::File(bytes) => {
                let held = bytes.lock().unwrap_or_else(PoisonError::into_inner).take();
                let bytes = held.map_or_else(|| self.read_again(), Ok)?;
                Ok(with(&bytes))
            }
        }
    }

    /// Bytes of the network whose ONNX file is `onnx`, with the weights beside it.
    pub(super) fn size(&self, onnx: &[u8]) -> usize {
        self.folder().map_or(onnx.len(), |folder| onnx.len().saturating_add(weights::size(onnx, folder)))
    }

    /// Drops the file's bytes: there is an engine.
    pub(super) fn forget_bytes(&self) {
        if let Content::File(bytes) = &self.0.content {
            drop(bytes.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    fn read_again(&self) -> Result<Vec<u8>> {
        let manifest = &self.0.manifest;
        let bytes = read_onnx(manifest)?;
        let content: [u8; 32] = Sha256::digest(&bytes).into();
        if digest_of_file(manifest, &bytes, &content)? != self.0.digest {
            let reason = "the file, or its weights beside it, changed since the model was loaded; load it again".into();
            return Err(Error::Model { path: manifest.onnx.clone(), reason });
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Model").field(&self.0.manifest.name).finish()
    }
}

fn read_onnx(manifest: &Manifest) -> Result<Vec<u8>> {
    let remedy = format!("{} names it: copy or link the file there", manifest.path.display());
    let bytes = read_file("model", &manifest.onnx, MAX_ONNX, &remedy)?;
    if bytes.is_empty() {
        let reason = "expected an ONNX network, found an empty file".into();
        return Err(Error::Model { path: manifest.onnx.clone(), reason });
    }
    Ok(bytes)
}

fn digest_of_file(manifest: &Manifest, bytes: &[u8], content: &[u8; 32]) -> Result<[u8; 32]> {
    let folder = manifest.onnx.parent().unwrap_or(Path::new(""));
    let mut all = content.to_vec();
    for location in weights::locations(bytes) {
        let path = folder.join(location);
        // What is not there, ONNX Runtime complains of.
        if path.is_file() {
            all.extend(weights::digest(&path)?);
        }
    }
    Ok(digest(manifest, &all))
}

fn digest(manifest: &Manifest, content: &[u8]) -> [u8; 32] {
    let heeded = (
        &manifest.input_name,
        &manifest.output_name,
        manifest.activation,
        manifest.reduce,
        &manifest.attention_name,
        manifest.features.shape(),
        manifest.labels.len(),
    );
    Sha256::new().chain_update(format!("{heeded:?}")).chain_update(content).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
