// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line, except for the options that are the element's properties.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use clap::{
    ArgMatches, Args, ColorChoice, Command, CommandFactory, Parser, Subcommand, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};

use soundclassify_core::model::Model;

use crate::{
    complete,
    emoji::{DESK_WORK, Symbols},
    exit::{Failure, Result},
    labels,
    live::{commands::OnEvent, mqtt::Broker},
    options::ElementOptions,
    output::Form,
    palette,
    scan::{identity::Shard, target::Format},
    source, terminal,
};

/// Subcommands that take the element's properties as options.
const CLASSIFYING: [&str; 6] = ["live", "file", "scan", "report", "tune", "work"];

/// How the program is called; the commands may be left out.
pub(crate) const USAGE: &str = "\
soundclassify [COMMAND]
       soundclassify [live] [OPTIONS] [URI]     microphone or stream
       soundclassify [file] [OPTIONS] FILE…     recordings";

const AFTER_HELP: &str = "\
`soundclassify live --help` lists the options of `live`, such as --device and --list-devices.

Exit status: 0 all inputs succeeded, 1 some inputs failed, 2 wrong usage, 130 interrupted (Ctrl-C).
Environment: ORT_DYLIB_PATH is the path of ONNX Runtime's library, NO_COLOR turns off colours.";

/// Classifies sound, live and in recordings.
#[derive(Debug, Parser)]
#[command(name = "soundclassify", version, override_usage = USAGE, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Commands,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    /// Classifies a microphone or a stream and shows the sounds that it detects
    Live(LiveArgs),
    /// Classifies files or addresses as fast as possible
    File(FileArgs),
    /// Classifies thousands of files on all cores into one table; continues after an interruption
    Scan(ScanArgs),
    /// Writes a page with spectrogram, probabilities, events and audio
    Report(ReportArgs),
    /// Writes the input of the network (f32, before it becomes f16, u8 or i8), the log-mel frames, the scores or the embeddings
    Features(FeaturesArgs),
    /// Chooses a threshold for each label from labelled recordings
    Tune(TuneArgs),
    /// Adds labels to a model from three to twenty recordings each
    Learn(LearnArgs),
    /// Shows the inputs, outputs and manifest of a model, and whether they fit
    Inspect(InspectArgs),
    /// Lists the labels of a model with index, threshold and groups
    Labels(LabelsArgs),
    /// Checks GStreamer, the plugin, ONNX Runtime, the built-in models and microphones, and suggests fixes
    Doctor(DoctorArgs),
    /// Prints the completion script of a shell
    Completions {
        /// The shell
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
    /// Prints one JSON object per line, with the fields of the element's messages
    #[arg(long, group = "form")]
    pub(crate) json: bool,
    /// Prints a symbol for each of a few labels; only these labels are reported, with --threshold 0.3 unless it is given. Without a
    /// value: Writing=✍,Computer_keyboard=⌨,Scissors=✂
    #[arg(long, group = "form", value_name = "LABEL=SYMBOL,…", num_args = 0..=1, require_equals = true, default_missing_value = DESK_WORK)]
    pub(crate) emoji: Option<Symbols>,
    /// Prints events with start, end and peak instead of windows
    #[arg(long)]
    pub(crate) events: bool,
}

impl FormArgs {
    /// The form that the options select.
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

/// The labels with a symbol. Of the built-in symbols, only those that the model has.
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

const KEYS: &str = "\
Keys of the live view: q quit, space pause, ↑ ↓ threshold, m spectrogram, r clear, ? help. A red mark is before each event that continues.";

/// Options of `live`.
#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub(crate) struct LiveArgs {
    /// Address of a stream instead of a microphone (rtsp://…, http://…, file://…)
    #[arg(value_parser = input(), add = complete::files())]
    pub(crate) uri: Option<String>,
    /// Microphone: its name, a part of the name, or its id, as --list-devices prints them
    #[arg(long, value_name = "NAME", conflicts_with = "uri", add = complete::microphones())]
    pub(crate) device: Option<String>,
    /// Lists the microphones and exits
    #[arg(long)]
    pub(crate) list_devices: bool,
    /// Prints lines `Label index probability` instead of the live view; --events, --json, --emoji and --time imply it
    #[arg(long)]
    pub(crate) plain: bool,
    /// Prints the time in seconds at the start of each line; without it, lines of events of a microphone or stream begin with
    /// the time of day
    #[arg(long)]
    pub(crate) time: bool,
    /// Runs a shell command when an event of the label begins; * stands for every label. The command gets time and label
    /// as $1 and $2, and the variables SOUNDCLASSIFY_TIME, SOUNDCLASSIFY_LABEL and SOUNDCLASSIFY_PROBABILITY
    #[arg(long, value_name = "LABEL=COMMAND", add = complete::pair())]
    pub(crate) on: Vec<OnEvent>,
    /// Publishes events, states and level to an MQTT broker: `mqtt[s]://[USER@]HOST[:PORT][/PREFIX]`. Give the password with
    /// --mqtt-password-file or in SOUNDCLASSIFY_MQTT_PASSWORD, because other users can read a command line
    #[arg(long, value_name = "URL")]
    pub(crate) mqtt: Option<Broker>,
    /// File that contains the broker's password
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    pub(crate) mqtt_password_file: Option<PathBuf>,
    /// With mqtts://, file with the certificates of the CAs to trust, in PEM [default: those of the system]
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    pub(crate) mqtt_ca: Option<PathBuf>,
    /// Name of this microphone or stream at the broker [default: that of the device, or the last part of the address]
    #[arg(long, value_name = "TEXT", requires = "mqtt")]
    pub(crate) name: Option<String>,
    /// Turns off the discovery by Home Assistant
    #[arg(long, requires = "mqtt")]
    pub(crate) no_discovery: bool,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

/// Options of `file`.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Files or addresses in any format that GStreamer decodes
    #[arg(required = true, value_name = "FILE|URI", value_parser = input(), add = complete::files())]
    pub(crate) inputs: Vec<String>,
    /// Prints the prediction of each window by itself (the same as --ensembles 1)
    #[arg(long)]
    pub(crate) no_ensemble: bool,
    /// Prints lines `Label index probability`, without the time
    #[arg(long)]
    pub(crate) no_time: bool,
    #[command(flatten)]
    pub(crate) form: FormArgs,
}

/// Options of `scan`.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Folders, lists with one path per line, single recordings, or - for a list on standard input
    #[arg(required = true, value_name = "FOLDER|LIST|-")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Table: .jsonl (one object per file), .csv (one row per file), .parquet (one row per window or event), or as --format says
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub(crate) output: PathBuf,
    /// Writes events in another format: one .csv, or a folder with a label file for each recording
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Number of files in parallel [default: number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Classifies all files of a folder, not only those with an audio or video extension
    #[arg(long)]
    pub(crate) all: bool,
    /// Writes events: in the JSON object of each file, or one row each in .parquet
    #[arg(long)]
    pub(crate) events: bool,
    /// Writes windows in the JSON object of each file; .parquet contains windows unless --events is given
    #[arg(long, conflicts_with = "format")]
    pub(crate) windows: bool,
    /// Writes windows with the probabilities of all labels that reach their thresholds; --top-k limits them [default with
    /// --scores: 1000]
    #[arg(long, conflicts_with = "format")]
    pub(crate) scores: bool,
    /// Classifies only part I of N; a hash of each path selects the part. N machines with I from 1 to N classify everything
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Classifies files again that failed in an earlier run
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Starts again instead of continuing an earlier run
    #[arg(long)]
    pub(crate) restart: bool,
    /// Gives up a file that delivers no audio for this many seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) timeout: u64,
    /// Prints no progress and no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Where the audio of a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportAudio {
    /// Embedded in the page
    Embed,
    /// In the original file, linked by its path
    Link,
    /// Not in the page
    None,
}

/// Options of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Files or addresses to report on
    #[arg(required = true, value_name = "FILE|URI", value_parser = input(), add = complete::files())]
    pub(crate) inputs: Vec<String>,
    /// Page to write
    #[arg(short, long, value_name = "FILE", required_unless_present = "picture")]
    pub(crate) output: Option<PathBuf>,
    /// Writes the timeline alone as .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
    /// Where the audio is [default: embed up to 32 MiB per file, else link]
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) audio: Option<ReportAudio>,
    /// Title of the page [default: its file name]
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Maximum number of labels in the timeline; each has a colour of its own
    #[arg(long, alias = "labels", value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=palette::LABELS.len() as i64))]
    pub(crate) max_labels: u8,
}

/// Options of `features`.
#[derive(Debug, Args)]
pub(crate) struct FeaturesArgs {
    /// Files to read; @LIST reads the names from a file
    #[arg(required = true, value_name = "FILE", value_parser = input(), add = complete::files())]
    pub(crate) inputs: Vec<String>,
    /// One .npy with the windows of all files (for several files, with a .csv beside it that lists the windows of each), or a
    /// folder for one .npy per file and index.csv
    #[arg(short, long, value_name = "FILE.npy|FOLDER")]
    pub(crate) output: PathBuf,
    /// Writes the log-mel frames, [frames, mels], before normalisation, instead of the network's input
    #[arg(long, group = "what")]
    pub(crate) logmel: bool,
    /// Writes the scores of each window, [windows, labels], without an ensemble, instead of the network's input
    #[arg(long, group = "what")]
    pub(crate) scores: bool,
    /// Writes the embedding of each window, [windows, width], instead of the network's input; the manifest names its output
    #[arg(long, group = "what")]
    pub(crate) embedding: bool,
    /// Model whose features are computed: built-in name, manifest or .onnx
    #[arg(long, default_value = "default", add = complete::models())]
    pub(crate) model: String,
    /// Windows per second [default: that of the manifest, else 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) oversamples: Option<u32>,
    /// Channel that is classified, from 0; -1: the average of all channels
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) channel: i32,
    /// Number of files in parallel [default: number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// Options of `tune`.
#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    /// Table of recordings and labels, with `file,label` in its first line and `a.wav,Bark` in the next (several labels: separated by
    /// `;`, or in several rows; semicolons may separate the columns instead of commas), or a folder with a subfolder for each label
    #[arg(value_name = "LABELLED", required_unless_present = "quiet")]
    pub(crate) table: Option<PathBuf>,
    /// Wanted precision of each label, from 0 to 1
    #[arg(long, value_name = "N", default_value_t = 0.95)]
    pub(crate) precision: f64,
    /// Column with the recordings [default: file, filename, path, …]
    #[arg(long, value_name = "NAME", requires = "table")]
    pub(crate) file_column: Option<String>,
    /// Column with the labels [default: label, class, category, …]
    #[arg(long, value_name = "NAME", requires = "table")]
    pub(crate) label_column: Option<String>,
    /// Chooses thresholds from hours of your own unlabelled audio instead of a table, so that no label is reported too often
    #[arg(long, value_name = "FILE", num_args = 1.., value_parser = input(), add = complete::files(), conflicts_with_all = ["table", "precision", "jobs"])]
    pub(crate) quiet: Vec<String>,
    /// With --quiet: how many events per day each label may have
    #[arg(long, value_name = "N", default_value_t = 1.0, requires = "quiet")]
    pub(crate) per_day: f64,
    /// Writes a copy of the manifest with these thresholds
    #[arg(short, long, value_name = "FILE.toml")]
    pub(crate) output: Option<PathBuf>,
    /// Plots precision and recall, or with --quiet events a day, against the threshold, as .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
    /// Prints the thresholds as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Number of files in parallel [default: number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// Options of `learn`.
#[derive(Debug, Args)]
pub(crate) struct LearnArgs {
    /// A new label and a recording of it; further recordings of the same label may follow
    #[arg(value_name = "NAME=FILE", required_unless_present = "background", value_parser = input(), add = complete::named_files())]
    pub(crate) sounds: Vec<String>,
    /// Recordings of other sounds, such as your own rooms: each ten seconds of them count like one clip of another label
    #[arg(long, value_name = "FILE", num_args = 1.., value_parser = input(), add = complete::files())]
    pub(crate) background: Vec<String>,
    /// Manifest of the new model; its network and labels are written beside it
    #[arg(short, long, value_name = "FILE.toml")]
    pub(crate) output: PathBuf,
    /// Model to which the labels are added; its manifest must name an embedding output
    #[arg(long, default_value = "default", value_name = "MODEL", add = complete::models())]
    pub(crate) model: String,
    /// Prints one JSON object per label
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Built-in name, manifest (.toml) or network (.onnx)
    #[arg(add = complete::models())]
    pub(crate) model: String,
    /// Prints a manifest to start from, guessed from shapes, names, metadata and .modelinfo, with the certainty of each guess
    #[arg(long, conflicts_with = "json", group = "instead")]
    pub(crate) template: bool,
    /// Runs the table `check` of the manifest: compares features and scores of its recording with the known values; exit status 1 if
    /// they differ
    #[arg(long, group = "instead")]
    pub(crate) verify: bool,
    /// Shows the distribution of the network's input values for a recording, and warns of an improbable scale
    #[arg(long, group = "instead", value_name = "FILE", value_parser = input(), add = complete::files())]
    pub(crate) input: Option<String>,
    /// Prints one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `labels`.
#[derive(Debug, Args)]
pub(crate) struct LabelsArgs {
    /// Built-in name, manifest (.toml) or network (.onnx)
    #[arg(default_value = "default", add = complete::models())]
    pub(crate) model: String,
    /// Prints one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Model for the self-test
    #[arg(long, default_value = "default", add = complete::models())]
    pub(crate) model: String,
    /// Prints one JSON object per check
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

/// File names need not be Unicode.
fn input() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|name| source::name(name.as_ref()))
}

/// The whole command line, the element's properties included.
pub(crate) fn command() -> Command {
    let colour = if terminal::knows_escapes() { ColorChoice::Auto } else { ColorChoice::Never };
    CLASSIFYING
        .iter()
        .fold(Cli::command().color(colour), |command, name| command.mut_subcommand(name, ElementOptions::add_to))
}

/// Arguments with a command. Without one, it is `file` if recordings are named, else `live`.
pub(crate) fn with_command(command: &Command, arguments: Vec<OsString>) -> Vec<OsString> {
    let first = arguments.get(1).and_then(|argument| argument.to_str());
    let name = match first {
        None if arguments.len() < 2 => "live",
        Some("-h" | "--help" | "-V" | "--version") => return arguments,
        Some(first) if first.starts_with('-') => {
            if names_recordings(command, &arguments) {
                "file"
            } else {
                "live"
            }
        }
        Some(first) if source::is_uri(first) => "live",
        _ if is_input(command, &arguments[1]) => "file",
        _ => return arguments,
    };
    with_name(name, arguments)
}

fn with_name(name: &str, mut arguments: Vec<OsString>) -> Vec<OsString> {
    arguments.insert(1.min(arguments.len()), name.into());
    arguments
}

/// Whether arguments that begin with an option are those of `file`, for something else than addresses.
fn names_recordings(command: &Command, arguments: &[OsString]) -> bool {
    let matches = command.clone().try_get_matches_from(with_name("file", arguments.to_vec()));
    let inputs =
        matches.iter().filter_map(ArgMatches::subcommand).filter_map(|(_, file)| file.get_many::<String>("inputs"));
    inputs.flatten().any(|input| !source::is_uri(input))
}

/// Whether the first word is a path instead of a command, perhaps of a file that is missing.
fn is_input(command: &Command, word: &OsStr) -> bool {
    let path = Path::new(word);
    let is_command = word == "help" || command.get_subcommands().any(|command| command.get_name() == word);
    !is_command && (path.components().count() > 1 || path.extension().is_some() || path.exists())
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
    fn without_a_command_recordings_mean_file_and_the_rest_live() {
        gst::init().unwrap();
        gstsoundclassify::plugin_register_static().unwrap();
        let command = command();
        let with = |arguments: &[&str]| with_command(&command, arguments.iter().map(Into::into).collect());

        assert_eq!(with(&["soundclassify"])[1], "live");
        assert_eq!(with(&["soundclassify", "--plain"])[1], "live");
        assert_eq!(with(&["soundclassify", "rtsp://camera/stream"])[1..], ["live", "rtsp://camera/stream"]);
        assert_eq!(with(&["soundclassify", "--version"])[1], "--version");
        assert_eq!(with(&["soundclassify", "file"])[1], "file");
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for recordings in [
            &["soundclassify", "--events", here][..],
            &["soundclassify", "--model", here, "--events", "no-such.wav", "other.wav"],
            &["soundclassify", "--no-time", "a.wav", "http://host/b.wav"],
            &["soundclassify", here, "--events"],
        ] {
            assert_eq!(with(recordings)[1], "file", "{recordings:?}");
        }
        for live in [
            &["soundclassify", "--model", here][..],
            &["soundclassify", "--events", "rtsp://camera/stream"],
            &["soundclassify", "--plain", here],
            &["soundclassify", "--on", "*=true", here],
        ] {
            assert_eq!(with(live)[1], "live", "{live:?}");
        }
    }
}
