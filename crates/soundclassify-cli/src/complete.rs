// SPDX-License-Identifier: MIT OR Apache-2.0
//! Completion in a shell: its script, and what is completed beside names of commands and options: models, labels,
//! microphones.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::Command;
use clap_complete::{
    CompleteEnv, Shell,
    engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter},
    env::Shells,
};
use soundclassify_core::model::{Model, builtin};

use crate::{
    args,
    exit::{Exit, Failure, Result},
    output::print_text,
    source,
};

/// Environment variable with which the script of a shell asks for completions.
const VARIABLE: &str = "SOUNDCLASSIFY_COMPLETE";

/// Prints the completion script of a shell, which asks this program for what it completes.
pub(crate) fn print_script(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    let name = "soundclassify";
    let shells = Shells::builtins();
    let shell =
        shells.completer(&shell.to_string()).ok_or_else(|| Failure::Usage(format!("no completion for {shell}")))?;
    let written = shell.write_registration(VARIABLE, name, name, name, &mut script);
    written.map_err(|error| Failure::output(&error))?;
    print_text(&script)
}

/// Answers the script of a shell; whether it asked.
pub(crate) fn answer() -> Result<bool> {
    let completed = CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref());
    completed.map_err(|error| Failure::Failed(error.to_string()))
}

/// The command line; one that begins with an option may have those of `live`.
fn command() -> Command {
    let command = args::command();
    // The words follow `-- soundclassify`.
    let first = std::env::args_os().skip_while(|word| word != "--").nth(2);
    match command.find_subcommand("live") {
        Some(live) if first.is_some_and(|word| word.to_string_lossy().starts_with('-')) => {
            let options: Vec<_> = live.get_arguments().cloned().collect();
            command.args(options)
        }
        _ => command,
    }
}

/// Built-in models, manifests and networks.
pub(crate) fn models() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut found = starting_with(current, builtin::names());
        let is_model =
            |path: &Path| path.extension().is_some_and(|extension| extension == "toml" || extension == "onnx");
        found.extend(PathCompleter::file().filter(is_model).complete(current));
        found
    })
}

/// Files and folders.
pub(crate) fn files() -> ArgValueCompleter {
    ArgValueCompleter::new(PathCompleter::any())
}

/// Files, the first one after `NAME=`. Most shells give both as one word, bash gives what is after `=`.
pub(crate) fn named_files() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let word = current.to_string_lossy();
        let Some((name, file)) = word.split_once('=') else { return PathCompleter::any().complete(current) };
        let name = if name.is_empty() { String::new() } else { format!("{name}=") };
        let found = PathCompleter::any().complete(file.as_ref());
        found.into_iter().map(|path| path.add_prefix(&name)).collect()
    })
}

/// The last label of a list, with commas between.
pub(crate) fn labels() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| after_comma(current, ""))
}

/// The label of the last pair `LABEL=VALUE` of a list.
pub(crate) fn pairs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| after_comma(current, "="))
}

/// The label of one pair `LABEL=VALUE`.
pub(crate) fn pair() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        starting_with(current, known_labels().iter().map(|label| format!("{label}=")))
    })
}

/// Names and ids of microphones.
pub(crate) fn microphones() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let devices = source::microphones().unwrap_or_default();
        let names = devices.into_iter().flat_map(|device| [device.name, device.id]);
        // The other shells quote what they insert.
        if std::env::var_os(VARIABLE).is_none_or(|shell| shell != "bash") {
            return starting_with(current, names);
        }
        for_bash(&current.to_string_lossy(), names).into_iter().map(CompletionCandidate::new).collect()
    })
}

/// The names that begin with the word, as bash inserts them: it gives the word as it is typed, and adds no quotes.
fn for_bash(word: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let (quoted, typed) = match word.strip_prefix(['"', '\'']) {
        Some(rest) => (true, rest.to_owned()),
        None => (false, word.replace('\\', "")),
    };
    let found = names.into_iter().filter(|name| name.starts_with(&typed));
    found.map(|name| if quoted { name } else { escaped(&name) }).collect()
}

/// A word of a shell, with backslashes before characters that mean something to it.
fn escaped(name: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_./:,+@%".contains(character);
    name.chars().fold(String::new(), |mut word, character| {
        if !plain(character) {
            word.push('\\');
        }
        word.push(character);
        word
    })
}

fn starting_with(
    current: &OsStr,
    all: impl IntoIterator<Item = impl Into<OsString> + AsRef<str>>,
) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    all.into_iter().filter(|word| word.as_ref().starts_with(&*current)).map(CompletionCandidate::new).collect()
}

fn after_comma(current: &OsStr, end: &str) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let before = current.rfind(',').map_or("", |comma| &current[..=comma]);
    let given: Vec<_> = before.split(',').collect();
    let labels = known_labels();
    let others = labels.iter().filter(|label| !given.contains(&label.as_str()));
    starting_with(current.as_ref().as_ref(), others.map(|label| format!("{before}{label}{end}")))
}

/// Labels and groups of the model that the command line names.
fn known_labels() -> Vec<String> {
    let Ok(model) = Model::load(&named_model()) else { return Vec::new() };
    let manifest = model.manifest();
    manifest.labels.iter().chain(manifest.groups.keys()).cloned().collect()
}

fn named_model() -> String {
    let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let value = |(at, word): (usize, &String)| match word.strip_prefix("--model") {
        Some("") => words.get(at + 1).cloned(),
        Some(rest) => rest.strip_prefix('=').map(str::to_owned),
        None => None,
    };
    words.iter().enumerate().rev().find_map(value).unwrap_or_else(|| "default".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_are_one_word_for_bash() {
        let names = || ["Monitor of (USB) Mic".to_owned(), "Mic".to_owned()];

        assert_eq!(for_bash("Mon", names()), ["Monitor\\ of\\ \\(USB\\)\\ Mic"]);
        assert_eq!(for_bash("Monitor\\ o", names()).len(), 1);
        assert_eq!(for_bash("\"Monitor o", names()), ["Monitor of (USB) Mic"]);
        assert_eq!(for_bash("", names()).len(), 2);
    }
}
