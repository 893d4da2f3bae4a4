// SPDX-License-Identifier: MIT OR Apache-2.0
//! `inspect`: networks and manifests.

use crate::cli::support::{TONES, objects, run, small_manifest, stdout, text};

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

/// An entry of metadata, to be put behind an ONNX file: protobuf appends it to the file's own.
fn metadata(key: &str, value: &str) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| [&[tag, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    field(0x72, &[field(0x0a, key.as_bytes()), field(0x12, value.as_bytes())].concat())
}

#[test]
fn a_template_says_how_sure_it_is_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("mine.onnx");
    let mut bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tones/tones.onnx")).unwrap();
    std::fs::write(&onnx, &bytes).unwrap();
    let template = || stdout(["inspect", onnx.to_str().unwrap(), "--template"]);
    let without = template();
    bytes.extend(metadata("labels", "['Quiet', 'Low', 'Middle', 'High']"));
    bytes.extend(metadata("sample_rate", "22050"));
    std::fs::write(&onnx, &bytes).unwrap();
    std::fs::write(folder.path().join("mine.onnx.modelinfo"), "[modelinfo]\ngroup-id=a\n[input]\nranges=0.0,1.0\n")
        .unwrap();
    let with = template();

    assert!(without.contains("confidence low: only their number is known"), "{without}");
    assert!(without.contains("16000 Hz is usual"), "{without}");
    assert!(with.contains("[labels]  # confidence high: the metadata \"labels\" has 4 of them"), "{with}");
    assert!(with.contains("names = [\"Quiet\", \"Low\", \"Middle\", \"High\"]"), "{with}");
    assert!(with.contains("the metadata says 22050 Hz") && with.contains("sample-rate = 22050"), "{with}");
    assert!(with.contains("# .modelinfo: values in the range 0.0,1.0"), "{with}");
    let manifest = folder.path().join("mine.toml");
    std::fs::write(&manifest, &with).unwrap();
    assert!(stdout(["inspect", manifest.to_str().unwrap()]).contains("fit       network and manifest fit"), "{with}");
}

#[test]
fn labels_that_the_program_would_refuse_are_no_template() {
    let folder = tempfile::tempdir().unwrap();
    let (onnx, manifest) = (folder.path().join("mine.onnx"), folder.path().join("mine.toml"));
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/tones/tones.onnx")).unwrap();
    for (labels, why) in [
        ("Quiet,Low,Low,High", "has \"Low\" twice"),
        ("{0: 'Quiet', 1: 'Low', 2: '', 3: 'High'}", "has \"\", which is empty or has control characters"),
        ("['Quiet', 'Low', 'Mid\\u0007dle', 'High']", "has \"Mid\\u{7}dle\", which is empty"),
        ("Quiet,Low", "has 2 labels, not 4"),
    ] {
        std::fs::write(&onnx, [bytes.clone(), metadata("labels", labels)].concat()).unwrap();
        let template = stdout(["inspect", onnx.to_str().unwrap(), "--template"]);
        assert!(template.contains("[labels]  # confidence low: only their number is known"), "{template}");
        assert!(template.contains(&format!("the metadata \"labels\" {why}")), "{template}");
        std::fs::write(&manifest, &template).unwrap();
        assert!(stdout(["inspect", manifest.to_str().unwrap()]).contains("fit       network and manifest fit"));
        std::fs::remove_file(&manifest).unwrap();
    }
    // Labels in a file that does not fit, either.
    std::fs::write(&onnx, bytes).unwrap();
    std::fs::write(folder.path().join("labels.txt"), "Quiet\nLow\nLow\nHigh\n").unwrap();
    assert!(stdout(["inspect", onnx.to_str().unwrap(), "--template"]).contains("names = [\"label-0\""));
}

#[test]
fn a_template_is_of_a_network_and_never_json() {
    let built_in = run(["inspect", "--template", "default"]);
    let message = text(&built_in.stderr);
    assert_eq!(built_in.status.code(), Some(2), "{message}");
    assert!(message.contains("default is built in") && message.contains("the path of an .onnx file"), "{message}");
    assert_eq!(run(["inspect", "--template", "--json", TONES]).status.code(), Some(2));
}

#[test]
fn the_lines_of_a_report_are_aligned() {
    let lines = stdout(["inspect", "sure"]);

    assert!(lines.lines().any(|line| line.starts_with("threshold ") && line.contains("Bark 0.")), "{lines}");
    assert!(lines.ends_with("run       the network was run once\n"), "{lines}");
    for line in lines.lines() {
        assert!(line.is_char_boundary(10) && line[..10].ends_with(' ') && !line[10..].starts_with(' '), "{line:?}");
    }
}

#[test]
fn a_network_that_fails_at_its_first_run_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/models");
    let manifest = folder.path().join("tiny.toml");
    std::fs::write(&manifest, small_manifest("tiny", "[output]\nactivation = \"none\"")).unwrap();
    let (onnx, manifest) = (folder.path().join("tiny.onnx"), manifest.to_str().unwrap());
    for (network, status, expected) in [
        ("linear", 0, "run       the network was run once"),
        ("hostile/crash-run", 1, "running the network once crashed ONNX Runtime"),
    ] {
        std::fs::copy(format!("{data}/{network}.onnx"), &onnx).unwrap();
        let plain = run(["inspect", manifest]);
        let printed = text(&plain.stdout);
        assert_eq!(plain.status.code(), Some(status), "{printed}");
        assert!(printed.contains("fit       ") && printed.contains(expected), "{printed}");

        let json = run(["inspect", manifest, "--json"]);
        let report = &objects(&text(&json.stdout))[0];
        assert_eq!((json.status.code(), report["misfit"].is_null()), (Some(status), true), "{report}");
        assert_eq!(report["failure"].as_str().is_some_and(|why| why.contains(expected)), status == 1, "{report}");
    }
}
