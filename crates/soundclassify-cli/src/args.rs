// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line, but for the options that are the element's properties.

use std::path::PathBuf;

use clap::{
    Args, Command, CommandFactory, Parser, Subcommand, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};

use soundclassify_core::model::Model;

use crate::{
    emoji::{DESK_WORK, Symbols},
    exit::{Failure, Result},
    labels,
    live::{commands::OnEvent, mqtt::Broker},
    options::ElementOptions,
    output::Form,
    scan::{identity::Shard, target::Format},
    source,
};

/// Subcommands that take the element's properties as options.
const CLASSIFYING: [&str; 6] = ["live", "file", "scan", "report", "tune", "work"];

const AFTER_HELP: &str = "\
Without a command, `live` is meant for the microphone or an address, `file` for a recording; `soundclassify live --help`
lists the options of `live`.

Exit status: 0 all done, 1 some inputs failed, 2 wrong usage, 130 interrupted (Ctrl-C).
Environment: ORT_DYLIB_PATH names ONNX Runtime's library, NO_COLOR turns colour off.";

/// Classifies sound: live, in files, in folders.
#[derive(Debug, Parser)]
#[command(name = "soundclassify", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Commands,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    /// Listens to a microphone or to any address and shows the sounds that it detects
    Live(LiveArgs),
    /// Classifies files or addresses as fast as the machine goes
    File(FileArgs),
    /// Classifies thousands of files on all cores into one table; goes on where it was stopped
    Scan(ScanArgs),
    /// Makes a page to look at and listen to: spectrogram, probabilities, events
    Report(ReportArgs),
    /// Writes exactly the tensors that the model gets, the log-mel frames, the scores or the embeddings
    Features(FeaturesArgs),
    /// Finds a threshold per label from labelled recordings
    Tune(TuneArgs),
    /// Learns new labels from three to twenty recordings each, without any training framework
    Learn(LearnArgs),
    /// Shows a model's inputs and outputs, what its manifest says, and whether both fit
    Inspect(InspectArgs),
    /// Lists a model's labels with index, threshold and groups
    Labels(LabelsArgs),
    /// Checks GStreamer, the plugin, ONNX Runtime, the built-in models and microphones, and says how to fix them
    Doctor(DoctorArgs),
    /// Prints the completion script of a shell
    Completions {
        /// Shell to complete for
        shell: clap_complete::Shell,
    },
    /// Prints the manual page
    Man,
    /// Classifies the files named on standard input, for `scan` and `tune`
    #[command(hide = true)]
    Work(WorkArgs),
}

/// How results are printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct FormArgs {
    /// One JSON object a line, with the fields of the element's messages
    #[arg(long, group = "form")]
    pub(crate) json: bool,
    /// A symbol for each of a few labels; only these are listened for
    #[arg(long, group = "form", value_name = "LABEL=SYMBOL,…", num_args = 0..=1, require_equals = true, default_missing_value = DESK_WORK)]
    pub(crate) emoji: Option<Symbols>,
    /// Events with start, end and peak in place of windows
    #[arg(long)]
    pub(crate) events: bool,
}

impl FormArgs {
    /// The form that the options mean.
    pub(crate) fn form(&self) -> Form {
        match &self.emoji {
            _ if self.json => Form::Json,
            Some(symbols) => Form::Emoji(symbols.clone()),
            None => Form::Plain,
        }
    }

    /// Options of the element that follow from the form.
    ///
    /// # Errors
    /// A symbol for a label that the model does not have.
    pub(crate) fn apply(&self, options: ElementOptions) -> Result<ElementOptions> {
        let options = if self.events { options.with("report", "events") } else { options };
        match &self.emoji {
            Some(symbols) => {
                let labels = symbol_labels(symbols, &options)?;
                Ok(options.or("allow-labels", labels).or("threshold", ["0.3"]))
            }
            None => Ok(options),
        }
    }
}

/// The labels with a symbol. Of the built-in symbols those that the model has: nobody asked for the others.
fn symbol_labels(symbols: &Symbols, options: &ElementOptions) -> Result<Vec<String>> {
    let all: Vec<_> = symbols.labels().map(str::to_owned).collect();
    // A model that can't be loaded is reported when it is needed.
    let Ok(model) = Model::load(options.model()) else { return Ok(all) };
    let known = &model.manifest().labels;
    let found: Vec<_> = all.iter().filter(|label| known.contains(label)).cloned().collect();
    if symbols.built_in() && !found.is_empty() {
        return Ok(found);
    }
    let unknown = all.iter().try_for_each(|label| labels::check(label, known));
    unknown.map_err(|why| Failure::Usage(format!("--emoji: {why}")))?;
    Ok(all)
}

/// Options of `live`.
#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    /// Address to listen to in place of a microphone (rtsp://…, http://…, file://…)
    #[arg(value_parser = input())]
    pub(crate) uri: Option<String>,
    /// Microphone by name, part of a name, or stable id
    #[arg(long, value_name = "NAME", conflicts_with = "uri")]
    pub(crate) device: Option<String>,
    /// Lists the microphones and ends
    #[arg(long)]
    pub(crate) list_devices: bool,
    /// Lines `Label index probability` even in a terminal; so with --events, --json, --emoji and --time
    #[arg(long)]
    pub(crate) plain: bool,
    /// Starts lines with the seconds since the start
    #[arg(long)]
    pub(crate) time: bool,
    /// Runs a command of the shell when an event of the label begins; it gets time and label as $1 and $2 and in the
    /// environment as SOUNDCLASSIFY_TIME, SOUNDCLASSIFY_LABEL and SOUNDCLASSIFY_PROBABILITY. * stands for every label
    #[arg(long, value_name = "LABEL=COMMAND")]
    pub(crate) on: Vec<OnEvent>,
    /// Publishes events, states and level to a broker: `mqtt://[USER@]HOST[:PORT][/PREFIX]`. The password is better given
    /// with --mqtt-password-file or in SOUNDCLASSIFY_MQTT_PASSWORD, since others can see a command line
    #[arg(long, value_name = "URL")]
    pub(crate) mqtt: Option<Broker>,
    /// File whose only line is the broker's password
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    pub(crate) mqtt_password_file: Option<PathBuf>,
    /// Name of this microphone or stream at the broker [default: the device's, or the address's last part]
    #[arg(long, requires = "mqtt")]
    pub(crate) name: Option<String>,
    /// Leaves out what lets Home Assistant find the labels by itself
    #[arg(long, requires = "mqtt")]
    pub(crate) no_discovery: bool,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

/// Options of `file`.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Files or addresses, anything that GStreamer decodes
    #[arg(required = true, value_name = "FILE|URI", value_parser = input())]
    pub(crate) inputs: Vec<String>,
    /// The primitive predictor: every window by itself (the same as --ensembles 1)
    #[arg(long)]
    pub(crate) no_ensemble: bool,
    /// Leaves the time out: lines are the original's `Label index probability`
    #[arg(long)]
    pub(crate) no_time: bool,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

/// Options of `scan`.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Folders, lists with one path a line, single recordings, or - for a list on standard input
    #[arg(required = true, value_name = "FOLDER|LIST|-")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Table: .jsonl (one object a file), .csv (one row a file), .parquet (one row a window or event), or what --format says
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub(crate) output: PathBuf,
    /// Events in another form: one .csv, or a folder with a file of labels for each recording
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Files at a time [default: one for each core]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Takes all files of a folder, not only those with an extension of audio or video
    #[arg(long)]
    pub(crate) all: bool,
    /// Events: in the JSON object of each file, or one row each in .parquet
    #[arg(long)]
    pub(crate) events: bool,
    /// Windows in the JSON object of each file; .parquet has them unless it has events
    #[arg(long, conflicts_with = "format")]
    pub(crate) windows: bool,
    /// Windows with the probabilities of all labels that reach their thresholds, up to --top-k [default: 1000]
    #[arg(long, conflicts_with = "format")]
    pub(crate) scores: bool,
    /// Every N-th file, the I-th of N parts, by a hash of its path: N machines with I from 1 to N do the whole
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Tries files again that failed in an earlier run
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Starts anew in place of going on
    #[arg(long)]
    pub(crate) restart: bool,
    /// Gives a file up that brings no sound for this many seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) timeout: u64,
    /// No progress, no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What becomes of the sound in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sound {
    /// In the page itself
    Embed,
    /// Beside the page, by its path
    Link,
    /// Left out
    None,
}

/// Options of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Files to report on
    #[arg(required = true, value_name = "FILE|URI", value_parser = input())]
    pub(crate) inputs: Vec<String>,
    /// Page to write
    #[arg(short, long, value_name = "FILE", required_unless_present = "picture")]
    pub(crate) output: Option<PathBuf>,
    /// Writes the timeline alone as .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
    /// What becomes of the sound [default: embed up to 32 MiB a file, else link]
    #[arg(long, value_enum)]
    pub(crate) audio: Option<Sound>,
    /// Title of the page [default: the page's name]
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Labels shown at most
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=24))]
    pub(crate) labels: u8,
}

/// Options of `features`.
#[derive(Debug, Args)]
pub(crate) struct FeaturesArgs {
    /// Files to read; @LIST stands for the lines of a file
    #[arg(required = true, value_name = "FILE", value_parser = input())]
    pub(crate) inputs: Vec<String>,
    /// One .npy with the windows of all files (and, for several, a .csv of the same stem that says which are whose),
    /// or a folder that gets one .npy a file and index.csv
    #[arg(short, long, value_name = "FILE.npy|FOLDER")]
    pub(crate) output: PathBuf,
    /// The log-mel frames, [frames, mels], before normalisation, in place of the model's input
    #[arg(long, group = "what")]
    pub(crate) logmel: bool,
    /// The scores of each window by itself, [windows, labels], in place of the model's input
    #[arg(long, group = "what")]
    pub(crate) scores: bool,
    /// The embedding of each window, [windows, width], in place of the model's input; the manifest names its output
    #[arg(long, group = "what")]
    pub(crate) embedding: bool,
    /// Model whose features are computed: built-in name, manifest or .onnx
    #[arg(long, default_value = "default")]
    pub(crate) model: String,
    /// Windows a second [default: the manifest's, else 10]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) oversamples: Option<u32>,
    /// Channel that is listened to, from 0; -1: the average of all
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) channel: i32,
    /// Files at a time [default: one for each core]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// Options of `tune`.
#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    /// Table of recordings and labels (several labels: separated by `;`, or several rows), or a folder with a folder for each label
    #[arg(value_name = "LABELLED", required_unless_present = "quiet")]
    pub(crate) table: Option<PathBuf>,
    /// Wanted precision of each label
    #[arg(long, default_value_t = 0.95)]
    pub(crate) precision: f64,
    /// Column of the recordings [default: file, filename, path, …]
    #[arg(long, value_name = "NAME", requires = "table")]
    pub(crate) file_column: Option<String>,
    /// Column of the labels [default: label, class, category, …]
    #[arg(long, value_name = "NAME", requires = "table")]
    pub(crate) label_column: Option<String>,
    /// Hours of your own unlabelled audio, in place of a table: thresholds so that no label is posted too often
    #[arg(long, value_name = "FILE", num_args = 1.., value_parser = input(), conflicts_with_all = ["table", "precision", "jobs"])]
    pub(crate) quiet: Vec<String>,
    /// With --quiet: how often a day each label may be posted
    #[arg(long, value_name = "N", default_value_t = 1.0, requires = "quiet")]
    pub(crate) per_day: f64,
    /// Copy of the manifest with the thresholds in it
    #[arg(short, long, value_name = "FILE.toml")]
    pub(crate) output: Option<PathBuf>,
    /// Precision and recall over the threshold, as .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
    /// Thresholds as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Files at a time [default: one for each core]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// Options of `learn`.
#[derive(Debug, Args)]
pub(crate) struct LearnArgs {
    /// A new label and a recording of it; further recordings of the same label follow
    #[arg(value_name = "NAME=FILE", required = true, value_parser = input())]
    pub(crate) sounds: Vec<String>,
    /// Recordings of other sounds, such as your own rooms
    #[arg(long, value_name = "FILE", num_args = 1.., value_parser = input())]
    pub(crate) background: Vec<String>,
    /// Manifest of the extended model; network and labels are written beside it
    #[arg(short, long, value_name = "FILE.toml")]
    pub(crate) output: PathBuf,
    /// Model that is extended; its manifest names an output of embeddings
    #[arg(long, default_value = "default", value_name = "MODEL")]
    pub(crate) model: String,
    /// One JSON object a label
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Built-in name, manifest (.toml) or network (.onnx)
    pub(crate) model: String,
    /// Prints a manifest to begin with, guessed from shapes, names, metadata and .modelinfo; says how sure each guess is
    #[arg(long, conflicts_with = "json", group = "instead")]
    pub(crate) template: bool,
    /// Runs the manifest's [check]: compares features and scores of its recording with what the authors' code gave; exit status 1
    /// when they differ
    #[arg(long, group = "instead")]
    pub(crate) verify: bool,
    /// Shows how the values of the network's input are distributed for a recording, and warns of an improbable scale
    #[arg(long, group = "instead", value_name = "FILE", value_parser = input())]
    pub(crate) input: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `labels`.
#[derive(Debug, Args)]
pub(crate) struct LabelsArgs {
    /// Built-in name, manifest (.toml) or network (.onnx)
    #[arg(default_value = "default")]
    pub(crate) model: String,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Model that the self-test runs
    #[arg(long, default_value = "default")]
    pub(crate) model: String,
    /// One JSON object a check
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of a worker process.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// Events in each record.
    #[arg(long)]
    pub(crate) events: bool,
    /// Windows in each record.
    #[arg(long)]
    pub(crate) windows: bool,
    /// Windows with all reported labels in each record.
    #[arg(long)]
    pub(crate) scores: bool,
}

/// Names of files need be no Unicode.
fn input() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|name| source::name(name.as_ref()))
}

/// The whole command line, the element's properties included.
pub(crate) fn command() -> Command {
    CLASSIFYING.iter().fold(Cli::command(), |command, name| command.mut_subcommand(name, ElementOptions::add_to))
}

/// Arguments as clap gets them: without a command, or with an address in its place, `live` is meant.
pub(crate) fn with_command(mut arguments: Vec<std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let first = arguments.get(1).and_then(|argument| argument.to_str());
    let alone = match first {
        None => arguments.len() < 2,
        Some("-h" | "--help" | "-V" | "--version") => false,
        Some(first) => first.starts_with('-') || source::is_uri(first),
    };
    if alone {
        arguments.insert(1.min(arguments.len()), "live".into());
    } else if arguments.get(1).is_some_and(|first| is_recording(first)) {
        arguments.insert(1, "file".into());
    }
    arguments
}

/// Whether a word in the place of a command is a recording.
fn is_recording(word: &std::ffi::OsStr) -> bool {
    let path = std::path::Path::new(word);
    let is_command = || Cli::command().get_subcommands().any(|command| command.get_name() == word);
    path.is_file() && !is_command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        gst::init().unwrap();
        command().debug_assert();
    }

    #[test]
    fn options_alone_mean_live() {
        let with = |arguments: &[&str]| with_command(arguments.iter().map(Into::into).collect());

        assert_eq!(with(&["soundclassify"])[1], "live");
        assert_eq!(with(&["soundclassify", "--plain"])[1], "live");
        assert_eq!(with(&["soundclassify", "rtsp://camera/stream"])[1..], ["live", "rtsp://camera/stream"]);
        assert_eq!(with(&["soundclassify", "--version"])[1], "--version");
        assert_eq!(with(&["soundclassify", "file"])[1], "file");
    }
}
