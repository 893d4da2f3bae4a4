// SPDX-License-Identifier: MIT OR Apache-2.0
//! `inspect`: networks and manifests.

use crate::support::{TONES, run, stdout, text};

#[test]
fn inspect_says_what_fits_and_what_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("mine.onnx");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tones/tones.onnx"), &onnx).unwrap();
    let onnx = onnx.to_str().unwrap();

    let fits = stdout(["inspect", TONES]);
    let bare = stdout(["inspect", onnx]);
    let template = stdout(["inspect", onnx, "--template"]);
    // Filled in as in training, but for one label too many.
    let manifest = std::fs::read_to_string(TONES).unwrap().replace("tones.onnx", "mine.onnx");
    std::fs::write(folder.path().join("mine.toml"), manifest.replace("[\"Quiet\"", "[\"Silent\", \"Quiet\"")).unwrap();
    let misfit = run(["inspect", onnx]);
    std::fs::write(folder.path().join("mine.toml"), manifest.replace("layout =", "layuot =")).unwrap();
    let wrong = run(["inspect", folder.path().join("mine.toml").to_str().unwrap()]);
    std::fs::write(folder.path().join("mine.toml"), "no manifest at all").unwrap();
    let broken = run(["inspect", onnx]);

    for (reported, word) in [(wrong, "layuot"), (broken, "misfit")] {
        let (code, reported) = (reported.status.code(), text(&reported.stdout));
        assert!(code == Some(1) && reported.contains(word) && reported.contains("[?, 1, 12, 50]"), "{reported}");
    }
    assert!(fits.contains("[?, 1, 12, 50]") && fits.contains("fit       network"), "{fits}");
    assert!(bare.contains("--template"), "{bare}");
    assert!(
        template.contains("mine.onnx") && template.contains("label-3") && !template.contains("label-4"),
        "{template}"
    );
    assert_eq!(misfit.status.code(), Some(1));
    assert!(text(&misfit.stdout).contains("misfit") && text(&misfit.stdout).contains('5'), "{}", text(&misfit.stdout));
}

#[test]
fn thresholds_of_a_manifest_are_shown() {
    let lines = stdout(["inspect", "sure"]);

    assert!(lines.lines().any(|line| line.starts_with("thresholds ") && line.contains("Bark 0.")), "{lines}");
}
