// SPDX-License-Identifier: MIT OR Apache-2.0
//! The inspection of a network and its manifest: what they contain, and whether they fit.

mod clues;
mod guess;
mod label_list;
mod model_info;
mod roles;
mod template;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::clues::Clues;
use super::{
    check,
    engine::{self, EngineOptions},
    fit::Fit,
    limits::MAX_ONNX,
    manifest::{Element, Manifest, read_file},
    onnx::Network,
    source::Model,
    tensor_info::TensorInfo,
    weights::Weights,
};
use crate::error::{Error, Result};

/// What a network and its manifest contain, and whether they fit.
#[derive(Debug)]
pub struct Inspection {
    /// The ONNX file.
    pub onnx: PathBuf,
    /// The inputs of the network.
    pub inputs: Vec<TensorInfo>,
    /// The outputs of the network.
    pub outputs: Vec<TensorInfo>,
    /// The manifest, if a readable one exists.
    pub manifest: Option<Manifest>,
    /// The reason why network and manifest do not fit, or the error of the manifest; `None` if they fit or no manifest exists.
    pub misfit: Option<String>,
    /// The reason why the network can't be run; `None` if it was run once, or does not fit its manifest.
    pub failure: Option<String>,
    /// What the network's files say beside that.
    clues: Clues,
}

/// Inspects a model by a name for [`Model::load`]. The ONNX file may have no manifest, or a wrong one. A network
/// that fits its manifest is run once, in a separate process first, as [`Engine::shared`](super::Engine::shared) does.
///
/// # Errors
/// Those of [`Model::load`], and [`Error::Runtime`](crate::Error::Runtime) and [`Error::Model`](crate::Error::Model)
/// when the network can't be loaded.
pub fn inspect(name: &str) -> Result<Inspection> {
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension == "onnx") && !path.with_extension("toml").exists() {
        return bare(path, None);
    }
    let model = match Model::load(name) {
        Err(error @ Error::Manifest { .. }) => {
            return bare(&network_of(path), Some(error.to_string())).map_err(|_| error);
        }
        model => model?,
    };
    let (inputs, outputs, clues) = look_at(&model)?;
    let manifest = model.manifest().clone();
    let misfit = Fit::of(&manifest, &inputs, &outputs).err();
    let failure = if misfit.is_none() { first_run(&model).err().map(|error| error.to_string()) } else { None };
    Ok(Inspection { onnx: manifest.onnx.clone(), inputs, outputs, manifest: Some(manifest), misfit, failure, clues })
}

/// The element type of the network's input for the window, which a manifest need not state. The network is loaded in a
/// separate process first, and not run.
///
/// # Errors
/// [`Error::Runtime`](crate::Error::Runtime), and [`Error::Model`](crate::Error::Model) when the network can't be loaded or
/// does not fit its manifest.
pub fn input_element(model: &Model) -> Result<Element> {
    let (inputs, outputs, _) = look_at(model)?;
    let misfit = |reason| Error::Model { path: model.onnx_path().to_path_buf(), reason };
    Fit::of(model.manifest(), &inputs, &outputs).map(|fit| fit.input_element).map_err(misfit)
}

/// Inputs, outputs and clues of a model's network.
fn look_at(model: &Model) -> Result<(Vec<TensorInfo>, Vec<TensorInfo>, Clues)> {
    if !model.is_built_in() {
        check::file(model.onnx_path())?;
    }
    model.with_bytes(|bytes| look(bytes, model.onnx_path(), model.folder()))?
}

/// Loads the network and runs it, as an element would.
fn first_run(model: &Model) -> Result<()> {
    engine::load_network(model, EngineOptions::default()).map(drop)
}

/// Inspects a network without a usable manifest.
fn bare(onnx: &Path, misfit: Option<String>) -> Result<Inspection> {
    let bytes = read_file("model", onnx, MAX_ONNX, "check the path")?;
    check_weights(&bytes, onnx)?;
    check::file(onnx)?;
    let (inputs, outputs, clues) = look(&bytes, onnx, onnx.parent())?;
    Ok(Inspection { onnx: onnx.to_path_buf(), inputs, outputs, manifest: None, misfit, failure: None, clues })
}

/// Inputs, outputs and what else the network's files say.
fn look(bytes: &[u8], onnx: &Path, folder: Option<&Path>) -> Result<(Vec<TensorInfo>, Vec<TensorInfo>, Clues)> {
    let (inputs, outputs) = engine::ports(bytes, onnx, folder)?;
    let ports: Vec<_> = inputs.iter().chain(&outputs).collect();
    let clues = Clues::of(bytes, onnx, &ports);
    Ok((inputs, outputs, clues))
}

/// Checks that the network can be read, and that its weights are in allowed places.
pub(super) fn check_weights(bytes: &[u8], onnx: &Path) -> Result<()> {
    let network = Network::read(bytes, onnx)?;
    Weights::find(&network, onnx, bytes.len() as u64, MAX_ONNX).map(drop)
}

/// The network of a wrong manifest: the file that it names, or the file with the same stem beside it.
fn network_of(manifest: &Path) -> PathBuf {
    let table: Option<toml::Table> = fs::read_to_string(manifest).ok().and_then(|text| text.parse().ok());
    let named = table.as_ref().and_then(|table| table.get("onnx")?.as_str());
    named.map_or_else(|| manifest.with_extension("onnx"), |onnx| manifest.with_file_name(onnx))
}

impl Inspection {
    /// A manifest to start from, guessed from shapes, names, metadata and GStreamer's `.modelinfo`; comments state the certainty
    /// of each guess and its reason.
    #[must_use]
    pub fn template(&self) -> String {
        template::template(&self.onnx, &self.inputs, &self.outputs, &self.clues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection(input: &[Option<usize>], classes: usize) -> Inspection {
        let port = |name: &str, dims| TensorInfo { name: name.into(), element: "f32".into(), dims };
        Inspection {
            onnx: "My Net.onnx".into(),
            inputs: vec![port("in", input.to_vec())],
            outputs: vec![port("out", vec![None, Some(classes)])],
            manifest: None,
            misfit: None,
            failure: None,
            clues: Clues::default(),
        }
    }

    #[track_caller]
    fn assert_template_fits(input: &[Option<usize>]) {
        let found = inspection(input, 3);
        let manifest = Manifest::embedded(Path::new("t.toml"), &found.template(), "").unwrap();
        assert_eq!(Fit::of(&manifest, &found.inputs, &found.outputs).map(|_| ()), Ok(()), "{}", found.template());
    }

    #[test]
    fn templates_are_manifests_that_fit() {
        let some = |dims: &[usize]| dims.iter().map(|&dim| Some(dim)).collect::<Vec<_>>();
        for dims in
            [&[1, 1, 64, 96][..], &[1, 64, 64, 1], &[1, 96, 64], &[4, 128, 128], &[15_600], &[1, 15_600], &[1, 1, 100]]
        {
            assert_template_fits(&some(dims));
        }
        assert_template_fits(&[None, Some(1), Some(128), Some(301)]);
        assert_template_fits(&[None, None, None]);
        assert_template_fits(&[None, Some(1), None]);
        assert_template_fits(&[None; 4]);
        assert_template_fits(&[None, Some(15_600), Some(1)]);
    }

    /// The template of a network of this name, with the manifest that it is.
    #[track_caller]
    fn template(name: &str, input: &[Option<usize>], classes: usize) -> (String, Manifest) {
        let found = inspection(input, classes);
        let ports: Vec<_> = found.inputs.iter().chain(&found.outputs).collect();
        let clues = Clues::of(&[], Path::new(name), &ports);
        let found = Inspection { onnx: name.into(), clues, ..found };
        let text = found.template();
        let manifest = Manifest::embedded(Path::new("t.toml"), &text, "").unwrap();
        assert_eq!(Fit::of(&manifest, &found.inputs, &found.outputs).map(|_| ()), Ok(()), "{text}");
        (text, manifest)
    }

    #[test]
    fn names_and_shapes_decide_the_preset() {
        let cases: [(&str, &[usize], &str, &str); 8] = [
            ("yamnet.onnx", &[96, 64], "preset = \"yamnet\"", "confidence high: a name has the word \"yamnet\""),
            ("vggish.onnx", &[1, 96, 64], "preset = \"vggish\"", "confidence high"),
            (
                "net.onnx",
                &[1, 96, 64],
                "preset = \"yamnet\"",
                "confidence low: the shape is that of yamnet; so could vggish",
            ),
            ("ast-finetuned.onnx", &[1024, 128], "preset = \"ast\"", "confidence high"),
            ("net.onnx", &[1024, 128], "preset = \"ast\"", "confidence medium: the shape is that of ast"),
            ("mn10_as.onnx", &[1, 128, 500], "window = 5.0", "confidence high: a name has the word \"mn10\""),
            ("birdnet_v24.onnx", &[144_000], "preset = \"birdnet\"", "confidence high"),
            (
                "net_32khz.onnx",
                &[32_000],
                "sample-rate = 32000\nwindow = 1.0",
                "confidence medium: a name says 32000 Hz",
            ),
        ];
        for (name, dims, value, why) in cases {
            let dims: Vec<_> = [None].into_iter().chain(dims.iter().map(|dim| Some(*dim))).collect();
            let (text, _) = template(name, &dims, 3);
            assert!(text.contains(value) && text.contains(why), "{name}: {text}");
        }
        // The samples of one preset, the name of another.
        let (text, _) = template("perch.onnx", &[None, Some(144_000)], 3);
        assert!(text.contains("confidence medium: the shape is that of birdnet"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_no_reason() {
        let cases: [(&[Option<usize>], &str, &str); 6] = [
            (
                &[None, None, None],
                "mels-frames\"  # confidence low: no axis is known",
                "no axis is known: n-mels and frames",
            ),
            (
                &[None, None, Some(64)],
                "frames-mels\"  # confidence medium: 64 is a common number of mel bands, the other axis is free",
                "frames is only an example; presets with 64 bands: ced, fsdkaggle2018-small, panns, panns-16k, vggish, yamnet;",
            ),
            (
                &[None, Some(1), Some(96), None],
                "frames-mels\"  # confidence low: 96 is not a common",
                "n-mels is only an example; presets with 96 frames: vggish, yamnet;",
            ),
            (&[None, Some(77), Some(33)], "confidence low: neither 77 nor 33", "no preset has 77 bands and 33 frames"),
            (
                &[None, Some(128), Some(301)],
                "confidence medium: 128 is a common",
                "presets with 128 bands and any number of frames: efficientat;",
            ),
            (&[None, Some(80), Some(64)], "confidence low: 80 and 64 could both", "any number of frames: zipformer;"),
        ];
        for (dims, layout, features) in cases {
            let (text, _) = template("net.onnx", dims, 3);
            assert!(text.contains(layout) && text.contains(features), "{dims:?}: {text}");
            assert!(text.contains("[features]  # confidence low"), "{dims:?}: {text}");
        }
        // The shape of two presets, at a rate of neither.
        let (text, _) = template("net_8khz.onnx", &[None, Some(96), Some(64)], 3);
        assert!(text.contains("no preset at 8000 Hz has 64 bands and 96 frames"), "{text}");
    }

    #[test]
    fn axes_of_length_one_hold_no_classes() {
        for dims in [&[None, Some(3), Some(1)][..], &[None, Some(7), Some(3), Some(1), Some(1)], &[Some(1), Some(3)]] {
            let mut found = inspection(&[None, Some(96), Some(64)], 3);
            found.outputs[0].dims = dims.to_vec();
            let manifest = Manifest::embedded(Path::new("t.toml"), &found.template(), "").unwrap();
            assert_eq!(manifest.labels.len(), 3, "{dims:?}");
            assert_eq!(Fit::of(&manifest, &found.inputs, &found.outputs).map(|_| ()), Ok(()), "{dims:?}");
        }
    }

    #[test]
    fn further_inputs_get_values() {
        let mut found = inspection(&[None, None, Some(80)], 3);
        let port = |name: &str, element: &str, dims: &[Option<usize>]| TensorInfo {
            name: name.into(),
            element: element.into(),
            dims: dims.to_vec(),
        };
        found.inputs.extend([port("x_lens", "i64", &[None]), port("h", "f32", &[Some(1), Some(8)])]);
        found.outputs.extend([port("h_next", "f32", &[Some(1), Some(8)]), port("embedding", "f32", &[None, Some(9)])]);

        let text = found.template();

        let manifest = Manifest::embedded(Path::new("t.toml"), &text, "").unwrap();
        assert_eq!(Fit::of(&manifest, &found.inputs, &found.outputs).map(|_| ()), Ok(()), "{text}");
        assert_eq!((&*manifest.constants[0].name, &*manifest.states[0].output), ("x_lens", "h_next"), "{text}");
        assert_eq!(manifest.embedding_name.as_deref(), Some("embedding"), "{text}");
    }

    #[test]
    fn a_constant_is_only_proposed_where_it_may_be_one() {
        for element in ["f32", "f64", "f16", "i64", "i32", "i16", "i8", "u8", "u64", "bool", "String"] {
            let mut found = inspection(&[None, Some(96), Some(64)], 3);
            found.inputs.push(TensorInfo { name: "k".into(), element: element.into(), dims: vec![Some(1)] });

            let text = found.template();

            let manifest = Manifest::embedded(Path::new("t.toml"), &text, "").unwrap();
            let fit = Fit::of(&manifest, &found.inputs, &found.outputs).map(|_| ());
            let is_explained = text.contains(&format!("# No [[input.constant]] for \"k\" {element} [1]: "));
            match fit {
                Ok(()) => assert!(manifest.constants.len() == 1 && !is_explained, "{text}"),
                Err(why) => assert!(manifest.constants.is_empty() && is_explained, "{why}: {text}"),
            }
        }
    }

    #[test]
    fn a_state_is_no_window_in_a_template() {
        let port = |name: &str, element: &str, dims: &[Option<usize>]| TensorInfo {
            name: name.into(),
            element: element.into(),
            dims: dims.to_vec(),
        };
        let state = [Some(2), None, Some(128)];
        let found = Inspection {
            inputs: vec![
                port("input", "f32", &[None, Some(512)]),
                port("state", "f32", &state),
                port("sr", "i64", &[]),
            ],
            outputs: vec![port("output", "f32", &[None, Some(1)]), port("stateN", "f32", &state)],
            ..inspection(&[], 1)
        };

        let text = found.template();

        assert!(text.contains("input = \"state\"\noutput = \"stateN\""), "{text}");
        let manifest = Manifest::embedded(Path::new("t.toml"), &text, "").unwrap();
        assert_eq!(Fit::of(&manifest, &found.inputs, &found.outputs).map(|_| ()), Ok(()), "{text}");
        assert_eq!((manifest.input_name.as_deref(), manifest.features.window), (Some("input"), 512), "{text}");
    }

    #[test]
    fn a_template_takes_any_file_name() {
        for name in ["cafe\u{301}.onnx", "a \"b\" \\ c.onnx", "it's ü.onnx"] {
            let found = Inspection { onnx: name.into(), ..inspection(&[None, Some(96), Some(64)], 3) };
            let manifest = Manifest::embedded(Path::new("t.toml"), &found.template(), "").unwrap();
            assert_eq!(manifest.onnx, Path::new(name));
        }
    }

    #[test]
    fn labels_of_many_classes_go_to_a_file() {
        let found = inspection(&[None, Some(96), Some(64)], 1500);
        let names = (0..1500).map(|class| format!("l{class}\n")).collect::<String>();
        let manifest = Manifest::embedded(Path::new("t.toml"), &found.template(), &names).unwrap();
        assert_eq!(manifest.labels.len(), 1500);
        assert!(found.template().contains("\"My Net.labels.txt\"   # 1500 labels"), "{}", found.template());
    }

    #[test]
    fn all_that_does_not_fit_is_reported() {
        let found = inspection(&[None, Some(96), Some(64)], 3);
        let text =
            found.template().replace("\"label-2\"", "\"label-2\", \"one more\"").replace("frames-mels", "mels-frames");
        let manifest = Manifest::embedded(Path::new("t.toml"), &text, "").unwrap();
        let misfit = Fit::of(&manifest, &found.inputs, &found.outputs).unwrap_err();
        assert!(misfit.contains("[64, 96]") && misfit.contains("4 labels"), "{misfit}");
    }
}
