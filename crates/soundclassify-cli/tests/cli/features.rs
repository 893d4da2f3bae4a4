// SPDX-License-Identifier: MIT OR Apache-2.0
//! `features`: arrays and their index.

use std::{collections::BTreeSet, fs::File, path::Path, time::Duration};

use crate::cli::support::{HIGH, LOW, TONES, interrupt, melody, program, run, small_manifest, stdout, text, tones};

#[test]
fn features_are_the_windows_that_the_front_end_makes() {
    let folder = tempfile::tempdir().unwrap();
    // Floats, so that nothing lies between the file's samples and the analysis signal.
    let path = folder.path().join("noise.wav");
    let samples: Vec<f32> =
        (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 16) as f32 / 65536.0 - 0.5).collect();
    let (bits_per_sample, sample_format) = (32, hound::SampleFormat::Float);
    let spec = hound::WavSpec { channels: 1, sample_rate: 16_000, bits_per_sample, sample_format };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    let array = folder.path().join("features.npy");

    stdout(["features", "--model", TONES, path.to_str().unwrap(), "-o", array.to_str().unwrap()]);

    let model = soundclassify_core::model::Model::load(TONES).unwrap();
    let mut frontend = soundclassify_core::frontend::Frontend::new(&model.manifest().features, 10);
    let mut expected = Vec::new();
    let length = frontend.window_len();
    frontend.push(&samples, &mut |window| {
        let start = expected.len();
        expected.resize(start + length, 0.0);
        window.write_to(&mut expected[start..]);
    });
    let npy = npyz::NpyFile::new(File::open(&array).unwrap()).unwrap();
    assert_eq!(npy.shape(), [(expected.len() / length) as u64, 1, 12, 50]);
    assert_eq!(npy.into_vec::<f32>().unwrap(), expected);
}

#[test]
fn features_of_several_files_come_with_an_index_or_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let one = melody(folder.path());
    let two = tones(&folder.path().join("two.wav"), &[(HIGH, 0.2)]);
    let list = folder.path().join("list.txt");
    std::fs::write(&list, format!("{}\n{}\n", one.display(), two.display())).unwrap();
    let array = folder.path().join("all.npy");
    let parts = folder.path().join("parts");

    stdout(["features", "--model", TONES, &format!("@{}", list.display()), "-o", array.to_str().unwrap()]);
    stdout([
        "features",
        "--model",
        TONES,
        "--logmel",
        one.to_str().unwrap(),
        two.to_str().unwrap(),
        "-o",
        parts.to_str().unwrap(),
    ]);

    let index = std::fs::read_to_string(array.with_extension("csv")).unwrap();
    assert_eq!(index, format!("file,first,count\n{},0,55\n{},55,1\n", one.display(), two.display()));
    let shape = |path: &Path| npyz::NpyFile::new(File::open(path).unwrap()).unwrap().shape().to_vec();
    assert_eq!(shape(&array), [56, 1, 12, 50]);
    let frames = shape(&parts.join("melody.npy"));
    assert!(frames[1] == 12 && (595..=600).contains(&frames[0]), "{frames:?}: a frame each 10 ms");
    assert_eq!(shape(&parts.join("two.npy"))[1], 12);
}

#[cfg(unix)]
#[test]
fn names_in_a_list_need_be_no_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let good = melody(folder.path());
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"a \xff.wav"));
    std::fs::copy(&good, &path).unwrap();
    let list = folder.path().join("list.txt");
    let lines = [path.as_os_str().as_bytes(), good.as_os_str().as_bytes()].join(&b'\n');
    std::fs::write(&list, lines).unwrap();
    let array = folder.path().join("all.npy");

    stdout(["features", "--model", TONES, &format!("@{}", list.display()), "-o", array.to_str().unwrap()]);

    assert_eq!(std::fs::read_to_string(array.with_extension("csv")).unwrap().lines().count(), 3);
}

#[test]
fn features_that_are_interrupted_leave_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = tones(&folder.path().join("long.wav"), &[(LOW, 600.0)]);
    let array = folder.path().join("all.npy");
    let index = array.with_extension("csv");
    let before = [(&array, "of yesterday"), (&index, "file,first,count\nyesterday.wav,0,1\n")];
    for (path, content) in before {
        std::fs::write(path, content).unwrap();
    }
    let path = path.to_str().unwrap();
    let mut child = program()
        .args(["features", "--jobs", "1", "--model", TONES, path, path, path, "-o", array.to_str().unwrap()])
        .spawn()
        .unwrap();
    while folder.path().read_dir().unwrap().count() < 5
        && before.iter().all(|(path, content)| std::fs::read(path).unwrap() == content.as_bytes())
    {
        std::thread::sleep(Duration::from_millis(5));
    }

    interrupt(&child);

    assert_eq!(child.wait().unwrap().code(), Some(130));
    for (path, content) in before {
        assert_eq!(std::fs::read_to_string(path).unwrap(), content);
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 3, "nothing beside");
}

#[test]
fn features_in_a_folder_have_a_name_each_and_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let sounds = ["c1/a.wav", "c2/a.wav", "a-1.wav"].map(|name| folder.path().join(name));
    for (number, sound) in (1..).zip(&sounds) {
        std::fs::create_dir_all(sound.parent().unwrap()).unwrap();
        tones(sound, &[(LOW, 0.5 * f64::from(number))]);
    }
    let parts = folder.path().join("parts");
    let paths = sounds.each_ref().map(|sound| sound.to_str().unwrap());

    stdout(["features", "--logmel", "--model", TONES, "-o", parts.to_str().unwrap()].iter().chain(&paths));

    let index = std::fs::read_to_string(parts.join("index.csv")).unwrap();
    let [one, two, three] = paths;
    assert_eq!(index, format!("file,array\n{one},a.npy\n{two},a-1.npy\n{three},a-1-1.npy\n"));
    let lengths = ["a", "a-1", "a-1-1"].map(|name| {
        npyz::NpyFile::new(File::open(parts.join(name).with_extension("npy")).unwrap()).unwrap().shape()[0] / 40
    });
    assert_eq!(lengths, [1, 2, 3]);

    // The array of a file keeps its name, and another file gets another.
    stdout(["features", "--logmel", "--model", TONES, "-o", parts.to_str().unwrap(), two]);
    let later = folder.path().join("later");
    std::fs::create_dir(&later).unwrap();
    let four = tones(&later.join("A.wav"), &[(LOW, 0.1)]);
    let four = four.to_str().unwrap();
    stdout(["features", "--logmel", "--model", TONES, "-o", parts.to_str().unwrap(), four]);
    let index = std::fs::read_to_string(parts.join("index.csv")).unwrap();
    let rows: BTreeSet<_> = index.lines().skip(1).map(str::to_owned).collect();
    let expected = [(one, "a.npy"), (two, "a-1.npy"), (three, "a-1-1.npy"), (four, "A-2.npy")];
    assert_eq!(rows, expected.map(|(file, name)| format!("{file},{name}")).into());
}

#[test]
fn an_index_is_not_written_over_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.wav"), &[(LOW, 0.5)]);
    let [list, notes, array, other] =
        ["list.csv", "notes.csv", "list.npy", "notes.npy"].map(|name| folder.path().join(name));
    let names = format!("{0}\n{0}\n", sound.display());
    std::fs::write(&list, &names).unwrap();
    std::fs::write(&notes, "file,first,count,mine\n").unwrap();
    let listed = format!("@{}", list.display());

    for (output, wanted) in [(&array, "would be overwritten"), (&other, "file,first,count;")] {
        let refused = run(["features", "--model", TONES, &listed, "-o", output.to_str().unwrap()]);

        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(wanted), "{}", text(&refused.stderr));
        assert!(!output.exists());
    }
    assert_eq!(std::fs::read_to_string(list).unwrap(), names);
    assert_eq!(std::fs::read_to_string(notes).unwrap(), "file,first,count,mine\n");
}

#[test]
fn a_name_of_a_different_kind_of_file_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.wav"), &[(LOW, 0.3)]);
    let path = |name: &str| format!("{}/{name}", folder.path().display());
    let features =
        |name: &str| run(["features", "--scores", "--model", TONES, sound.to_str().unwrap(), "-o", &path(name)]);

    for name in ["out.csv", "out.npz", "out.NPY", "out.parquet"] {
        let refused = features(name);

        let errors = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{errors}");
        for part in [name, "expected FILE.npy or a folder", "out.npy", &format!("{name}/ for a folder")] {
            assert!(errors.contains(part), "{part:?} is not in: {errors}");
        }
        assert!(!Path::new(&path(name)).exists());
    }
    std::fs::create_dir(path("there.csv")).unwrap();
    for (name, array) in
        [("out.csv/", "out.csv/low.npy"), ("there.csv", "there.csv/low.npy"), ("run.2026", "run.2026/low.npy")]
    {
        let written = features(name);
        assert!(written.status.success() && Path::new(&path(array)).is_file(), "{name}: {}", text(&written.stderr));
    }
}

#[test]
fn a_model_that_takes_samples_has_no_log_mel_frames() {
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.wav"), &[(LOW, 0.3)]);
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/models/linear.onnx");
    std::fs::copy(network, folder.path().join("linear.onnx")).unwrap();
    let manifest = folder.path().join("linear.toml");
    let text_of = small_manifest("linear", "[output]\nactivation = \"none\"").replace("\"mels-frames\"", "\"samples\"");
    let frames = "n-fft = 512\nhop-length = 160\nn-mels = 4\nframes = 6";
    std::fs::write(&manifest, text_of.replace(frames, "kind = \"waveform\"")).unwrap();
    let output = folder.path().join("frames.npy");
    let [model, sound, array] = [&manifest, &sound, &output].map(|path| path.to_str().unwrap());

    let refused = run(["features", "--logmel", "--model", model, sound, "-o", array]);
    stdout(["features", "--model", model, sound, "-o", array]);

    let errors = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{errors}");
    for part in ["linear.toml: features.kind (line", "omit --logmel", "found waveform"] {
        assert!(errors.contains(part), "{part:?} is not in: {errors}");
    }
}

#[test]
fn features_of_nothing_leave_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let array = folder.path().join("all.npy");
    std::fs::write(&array, "of yesterday").unwrap();

    let failed = run(["features", "--model", TONES, "no/such.wav", "no/other.wav", "-o", array.to_str().unwrap()]);

    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&array).unwrap(), "of yesterday");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1, "no index and no rest");
}

#[test]
fn a_file_is_no_folder_for_features() {
    let folder = tempfile::tempdir().unwrap();
    let sound = tones(&folder.path().join("low.wav"), &[(LOW, 0.5)]);
    let notes = folder.path().join("notes");
    std::fs::write(&notes, "mine").unwrap();

    for (output, wanted) in [(&sound, "low.wav: expected FILE.npy or a folder"), (&notes, "notes: expected a new file")]
    {
        let refused = run(["features", "--model", TONES, sound.to_str().unwrap(), "-o", output.to_str().unwrap()]);

        let errors = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{errors}");
        assert!(errors.contains(wanted) && !errors.contains("os error"), "{errors}");
    }
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "mine");
}
