// SPDX-License-Identifier: MIT OR Apache-2.0
//! The arguments `NAME=FILE…`: labels and their recordings.

use crate::{
    exit::{Failure, Result},
    source,
};

/// Minimum number of recordings of a label, because each is held out once.
const MIN_RECORDINGS: usize = 3;

/// A new label and its recordings.
#[derive(Debug, PartialEq)]
pub(super) struct NewLabel {
    pub(super) label: String,
    pub(super) files: Vec<String>,
}

/// A label and its first file, unless it is an address, or the name of a file that exists.
fn named(argument: &str) -> Option<(&str, &str)> {
    argument.split_once('=').filter(|_| !source::is_uri(argument) && !std::path::Path::new(argument).exists())
}

/// The files behind `--background` end where a label follows.
pub(super) fn split_background(background: &[String]) -> (&[String], &[String]) {
    background.split_at(background.iter().position(|argument| named(argument).is_some()).unwrap_or(background.len()))
}

/// `NAME=FILE FILE … OTHER=FILE …`: files without a name are of the name before. `known`: labels and groups of the model.
pub(super) fn parse(arguments: &[String], known: &[String]) -> Result<Vec<NewLabel>> {
    let mut labels: Vec<NewLabel> = Vec::new();
    for argument in arguments {
        match (named(argument), labels.last_mut()) {
            (Some((label, file)), _) => add(&mut labels, label.trim(), file)?,
            (None, Some(last)) => last.files.push(argument.clone()),
            (None, None) => {
                return Err(Failure::Usage(format!("{argument}: expected NAME=FILE, such as Kettle=kettle-1.wav")));
            }
        }
    }
    if labels.is_empty() {
        return Err(Failure::Usage("expected NAME=FILE, such as Kettle=kettle-1.wav; found no new label".into()));
    }
    for NewLabel { label, files } in &labels {
        if known.contains(label) {
            return Err(Failure::Usage(format!(
                "{label}: the model already has a label or group of this name; choose a different one"
            )));
        }
        if files.len() < MIN_RECORDINGS {
            let found = files.len();
            return Err(Failure::Usage(format!(
                "{label}: expected at least {MIN_RECORDINGS} recordings, found {found}; each of them is held out once \
                to measure how well the label is separated"
            )));
        }
    }
    Ok(labels)
}

fn add(labels: &mut Vec<NewLabel>, label: &str, file: &str) -> Result<()> {
    if label.is_empty() || label.chars().any(char::is_control) {
        return Err(Failure::Usage(format!("{label:?}={file}: expected a name before the equals sign")));
    }
    match labels.iter_mut().find(|known| known.label == label) {
        Some(known) => known.files.push(file.to_owned()),
        None => labels.push(NewLabel { label: label.to_owned(), files: vec![file.to_owned()] }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Vec<NewLabel>> {
        parse(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>(), &["Bark".to_owned()])
    }

    #[test]
    fn files_belong_to_the_name_before() {
        let labels = parsed(&["Kettle=1.wav", "2.wav", "Lift=a.wav", "Kettle=3.wav", "Lift=b.wav", "c.wav"]).unwrap();

        let files: Vec<_> = labels.iter().map(|label| label.files.join(" ")).collect();
        assert_eq!(files, ["1.wav 2.wav 3.wav", "a.wav b.wav c.wav"]);
    }

    #[test]
    fn background_ends_with_the_next_label() {
        let arguments = ["a.wav", "b.wav", "Kettle=1.wav", "2.wav"].map(str::to_owned);
        assert_eq!(split_background(&arguments), arguments.split_at(2));
        assert_eq!(named("https://host/a.wav?key=1"), None);
        assert_eq!(named("Kettle=https://host/a.wav"), Some(("Kettle", "https://host/a.wav")));
        assert_eq!(split_background(&arguments[..2]), (&arguments[..2], &[][..]));
    }

    #[test]
    fn wrong_arguments_are_refused_with_the_reason() {
        for (arguments, reason) in [
            (&["a.wav"][..], "NAME=FILE"),
            (&["Bark=a.wav", "b.wav", "c.wav"], "already"),
            (&["Kettle=a.wav", "b.wav"], "found 2"),
            (&["=a.wav"], "a name before"),
            (&[], "no new label"),
        ] {
            let error = parsed(arguments).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
