// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a network becomes an ONNX Runtime session: options, folder of its weights, provider.

use std::path::Path;

use ort::{
    session::{
        Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::{Outlet, TensorElementType, ValueType},
};

use super::EngineOptions;
use crate::{
    error::{Error, Result},
    model::{provider::ExecutionProvider, runtime, tensor_info::TensorInfo},
};

/// Inputs and outputs of a network. `folder`: the folder of its weights, if they may be in files.
pub(in crate::model) fn ports(
    bytes: &[u8],
    path: &Path,
    folder: Option<&Path>,
) -> Result<(Vec<TensorInfo>, Vec<TensorInfo>)> {
    let fail = |reason: String| Error::Model { path: path.to_path_buf(), reason };
    let builder = builder(EngineOptions::default(), folder, path)?;
    let session = commit(builder, bytes).map_err(fail)?;
    Ok((tensor_infos(session.inputs()), tensor_infos(session.outputs())))
}

pub(super) fn builder(options: EngineOptions, folder: Option<&Path>, path: &Path) -> Result<SessionBuilder> {
    let environment = runtime::environment()?;
    let fail = |reason: String| Error::Model { path: path.to_path_buf(), reason };
    let builder = Session::builder(&environment).map_err(|error| fail(error.to_string()))?;
    let builder = configure(builder, options).map_err(|error| fail(error.to_string()))?;
    let Some(folder) = folder else { return Ok(builder) };
    // The folder of separate weights.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entry = "session.model_external_initializers_file_folder_path";
    builder.with_config_entry(entry, folder.to_string_lossy()).map_err(|error| fail(error.to_string()))
}

pub(super) fn commit(mut builder: SessionBuilder, bytes: &[u8]) -> Result<Session, String> {
    builder.commit_from_memory(bytes).map_err(|error| unreadable(&error.to_string()))
}

fn configure(builder: SessionBuilder, options: EngineOptions) -> ort::Result<SessionBuilder> {
    builder
        .with_intra_threads(options.threads as usize)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        // DirectML forbids it.
        .with_memory_pattern(options.provider != ExecutionProvider::DirectMl)?
        // Windows are far apart, so spinning threads would use a whole core.
        .with_intra_op_spinning(false)
        .map_err(Into::into)
}

pub(super) fn register(builder: SessionBuilder, options: EngineOptions) -> Result<SessionBuilder> {
    let Some(dispatch) = runtime::dispatch(options.provider, options.device)? else {
        return Ok(builder);
    };
    builder
        .with_execution_providers([dispatch])
        .map_err(|error| runtime::lacking(format!("{} (device {}): {error}", options.provider, options.device)))
}

/// ONNX Runtime's error for a file, with a remedy.
fn unreadable(text: &str) -> String {
    let advice = if text.contains("opset") || text.contains("IR version") || text.contains("is not a registered") {
        "; install a newer ONNX Runtime, or export the network with an older opset"
    } else if text.contains("rotobuf") {
        "; the file is not an ONNX network, or incomplete"
    } else {
        ""
    };
    format!("ONNX Runtime can't load it: {text}{advice}")
}

/// What inputs or outputs are.
pub(super) fn tensor_infos(outlets: &[Outlet]) -> Vec<TensorInfo> {
    outlets.iter().map(tensor_info).collect()
}

fn tensor_info(outlet: &Outlet) -> TensorInfo {
    let (element, dims) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => {
            let element = if *ty == TensorElementType::Float32 { "f32".into() } else { ty.to_string() };
            (element, shape.iter().map(|&axis| usize::try_from(axis).ok()).collect())
        }
        other => (other.to_string(), Vec::new()),
    };
    TensorInfo { name: outlet.name().to_owned(), element, dims }
}
