// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard error of the programs that are tested.

/// `printed` without what ONNX Runtime 1.21 of Debian 13 prints when it loads a first network: for each operator a line
/// and an empty one, because its library of operators registers it twice. They come from C++, past every log and
/// setting.
pub(crate) fn without_schema_errors(printed: &str) -> String {
    let mut after = false;
    let ours = |line: &&str| {
        let error = line.contains("Schema error: Trying to register schema");
        let theirs = error || after && line.trim_end().is_empty();
        after = error;
        !theirs
    };
    printed.split_inclusive('\n').filter(ours).collect()
}

#[test]
fn lines_of_the_program_stay() {
    let theirs = "Schema error: Trying to register schema with name Abs (domain:  version: 1)\n\n";
    let printed = format!("{theirs}error: a\n{theirs}{theirs}\nerror: b\n");
    assert_eq!(without_schema_errors(&printed), "error: a\n\nerror: b\n");
}
