// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding a model by its name or path.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use sha2::{Digest, Sha256};

use super::{
    builtin,
    limits::MAX_ONNX,
    manifest::{Manifest, read_file},
    onnx::Network,
    operators::has_constant_cost,
    weights::Weights,
};
use crate::{
    error::{Error, Result},
    panic::lock,
};

const WRITE_ONE: &str = "an ONNX file needs a manifest of the same name beside it, with its features and labels; \
    `soundclassify inspect --template` writes a first version";

/// A manifest and its ONNX file, which exist and are complete; cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    manifest: Manifest,
    content: Content,
    network: NetworkFacts,
}

/// The properties of a network that are known without ONNX Runtime.
struct NetworkFacts {
    digest: [u8; 32],
    /// Like the digest, without outputs and labels.
    input_digest: [u8; 32],
    /// Bytes of the ONNX file and of the weights beside it.
    size: usize,
    /// Whether every run takes about the same time.
    has_constant_cost: bool,
}

enum Content {
    Embedded(&'static [u8]),
    /// The file's bytes until an engine is created; after that, the file is read again if needed.
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
            Some("toml") => Self::from_manifest_file(path),
            Some("onnx") => Self::from_onnx(path),
            _ if path.exists() => Err(Error::Model {
                path: path.to_path_buf(),
                reason: "expected a manifest (.toml), or an .onnx file with a manifest beside it, found neither".into(),
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

    /// The manifest of the model.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// Loads a model by the path of its manifest, with any file name.
    pub(super) fn from_manifest_file(path: &Path) -> Result<Self> {
        Self::from_manifest(Manifest::load(path)?)
    }

    fn from_onnx(path: &Path) -> Result<Self> {
        if !path.exists() {
            let remedy = "check the path of the model".into();
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
            let expected = format!(
                "the file {} with the SHA-256 {}; get the file for which the manifest was written, or correct the key",
                manifest.onnx.display(),
                hex(&expected)
            );
            return Err(manifest.error("sha256", expected, format!("a file with {}", hex(&content))));
        }
        let network = facts_of_file(&manifest, &bytes, &content)?;
        Ok(Self(Arc::new(Inner { manifest, content: Content::File(Mutex::new(Some(bytes))), network })))
    }

    fn embedded(files: &builtin::Files) -> Result<Self> {
        let path = PathBuf::from(format!("{}.toml (built in)", files.name));
        let mut manifest = Manifest::embedded(&path, files.manifest, files.labels)?;
        // Two manifests may name the same file.
        manifest.onnx = PathBuf::from(format!("{} (built in)", manifest.onnx.display()));
        // Its content can't change while the program runs, so its name is enough.
        let content = manifest.onnx.as_os_str().as_encoded_bytes();
        let (digest, input_digest) = (digest(&manifest, content), input_digest(&manifest, content));
        let network = Network::read(files.onnx, &manifest.onnx)?;
        let has_constant_cost = has_constant_cost(&network);
        let network = NetworkFacts { digest, input_digest, size: files.onnx.len(), has_constant_cost };
        Ok(Self(Arc::new(Inner { manifest, content: Content::Embedded(files.onnx), network })))
    }

    /// The identity of a model: a hash of the ONNX file, its files of weights, and the parts of the manifest that an engine
    /// uses.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.0.network.digest
    }

    /// A hash of what a run depends on: the ONNX file, its files of weights, and the input.
    pub(super) fn input_digest(&self) -> [u8; 32] {
        self.0.network.input_digest
    }

    /// Whether the network is part of the program.
    pub(super) fn is_built_in(&self) -> bool {
        matches!(self.0.content, Content::Embedded(_))
    }

    /// Bytes of the ONNX file and of the weights beside it.
    pub(super) fn size(&self) -> usize {
        self.0.network.size
    }

    /// Whether every run takes about the same time.
    pub(super) fn has_constant_cost(&self) -> bool {
        self.0.network.has_constant_cost
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

    /// Calls `with` with the ONNX file's bytes and drops them.
    pub(super) fn with_bytes<T>(&self, with: impl FnOnce(&[u8]) -> T) -> Result<T> {
        match &self.0.content {
            Content::Embedded(bytes) => Ok(with(bytes)),
            Content::File(bytes) => {
                let held = lock(bytes).take();
                let bytes = held.map_or_else(|| self.read_again(), Ok)?;
                Ok(with(&bytes))
            }
        }
    }

    /// Drops the file's bytes, when an engine exists.
    pub(super) fn forget_bytes(&self) {
        if let Content::File(bytes) = &self.0.content {
            drop(lock(bytes).take());
        }
    }

    fn read_again(&self) -> Result<Vec<u8>> {
        let manifest = &self.0.manifest;
        let bytes = read_onnx(manifest)?;
        let content: [u8; 32] = Sha256::digest(&bytes).into();
        if facts_of_file(manifest, &bytes, &content)?.digest != self.digest() {
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

fn facts_of_file(manifest: &Manifest, bytes: &[u8], content: &[u8; 32]) -> Result<NetworkFacts> {
    let network = Network::read(bytes, &manifest.onnx)?;
    let weights = Weights::find(&network, &manifest.onnx, bytes.len() as u64, MAX_ONNX)?;
    let content = [&content[..], &weights.identity()?].concat();
    let (digest, input_digest) = (digest(manifest, &content), input_digest(manifest, &content));
    let size = bytes.len().saturating_add(usize::try_from(weights.size).unwrap_or(usize::MAX));
    Ok(NetworkFacts { digest, input_digest, size, has_constant_cost: has_constant_cost(&network) })
}

fn digest(manifest: &Manifest, content: &[u8]) -> [u8; 32] {
    let output = (
        &manifest.output_name,
        manifest.activation,
        manifest.reduce,
        &manifest.attention_name,
        manifest.labels.len(),
        &manifest.output_scale,
    );
    Sha256::new().chain_update(format!("{output:?}")).chain_update(input_digest(manifest, content)).finalize().into()
}

fn input_digest(manifest: &Manifest, content: &[u8]) -> [u8; 32] {
    let Manifest { input_name, features, input_element, input_scale, constants, states, .. } = manifest;
    let input = (input_name, features.shape(), input_element, input_scale, constants, states);
    Sha256::new().chain_update(format!("{input:?}")).chain_update(content).finalize().into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
