// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify features`: the tensors that the model gets, or the log-mel frames, as `.npy`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver},
    },
};

use gstsoundclassify::signal::{Item, Signal, Windows};
use soundclassify_core::{
    frontend::{FeatureSpec, Frontend, ReadyWindow},
    model::Model,
    text,
};

use crate::{
    args::FeaturesArgs,
    atomic_file::AtomicFile,
    exit::{Exit, Failure, Result},
    interrupt,
    mel::{Mel, MelStream},
    npy::NpyWriter,
    output,
    scan::pool::Pool,
    session::{Listener, Session, Source, make},
    source,
};

/// Files that may be begun, for each thread, from the one whose values are due.
const AHEAD: usize = 3;

/// Writes the features of all inputs, in the order given; one that fails is named and left out.
pub(crate) fn run(args: &FeaturesArgs) -> Result<Exit> {
    interrupt::install()?;
    let inputs = inputs(&args.inputs)?;
    let index = Index::path(&args.output);
    let several = inputs.len() > 1;
    if several || !is_array(&args.output) {
        Index::check(&index, args, &inputs)?;
    }
    let model = Model::load(&args.model)?;
    let manifest = model.manifest();
    let kind = Kind {
        spec: manifest.features.clone(),
        oversamples: args.oversamples.or(manifest.defaults.oversamples).unwrap_or(10),
        channel: args.channel,
        logmel: args.logmel,
    };
    let mut output = Output::create(&args.output, &kind, index, several)?;
    let (mut exit, mut added) = (Exit::Success, 0);
    each(&inputs, Pool::jobs(args.jobs), &|file| kind.read(file), &mut |file, values| match values {
        Ok(values) => {
            added += 1;
            output.add(file, &values)
        }
        Err(Failure::Failed(why)) => {
            output::note(format_args!("soundclassify: {why}"));
            exit = Exit::Failed;
            Ok(())
        }
        Err(failure) => Err(failure),
    })?;
    // Nothing is no successor of what an earlier run made.
    if added > 0 || exit == Exit::Success {
        output.finish()?;
    }
    Ok(exit)
}

/// What is computed.
struct Kind {
    spec: FeatureSpec,
    oversamples: u32,
    channel: i32,
    logmel: bool,
}

impl Kind {
    /// Shape of one item: a window as the model sees it, or the bands of a frame.
    fn shape(&self) -> Vec<usize> {
        if self.logmel { vec![MelStream::new(&self.spec, self.channel).bands()] } else { self.spec.shape() }
    }

    /// All items of a file.
    fn read(&self, file: &str) -> Result<Vec<f32>> {
        let uri = source::uri(file)?;
        let gathered = Arc::new(Mutex::new(Gathered::new(self)));
        let inner = Arc::clone(&gathered);
        let listener: Listener = Box::new(move |item| {
            if let Ok(mut gathered) = inner.lock() {
                gathered.take(item);
            }
        });
        let session = Session::new(file, Source::Uri(&uri), &make("identity")?, Some(listener))?;
        session.run(&mut |_| Ok(()))?;
        drop(session);
        let mut gathered = gathered.lock().map_err(|_| Failure::Failed(format!("{file}: features gave up")))?;
        gathered.finish(file)
    }
}

/// Items of one file so far.
struct Gathered {
    stream: Stream,
    values: Vec<f32>,
    error: Option<String>,
}

enum Stream {
    Windows { signal: Box<Signal>, windows: Box<Windows>, length: usize },
    Frames(Box<MelStream>),
}

impl Gathered {
    fn new(kind: &Kind) -> Self {
        let stream = if kind.logmel {
            Stream::Frames(Box::new(MelStream::new(&kind.spec, kind.channel)))
        } else {
            let frontend = Frontend::new(&kind.spec, kind.oversamples);
            Stream::Windows {
                signal: Box::new(Signal::new(kind.spec.sample_rate, kind.channel)),
                length: frontend.window_len(),
                windows: Box::new(Windows::new(&kind.spec, frontend)),
            }
        };
        Self { stream, values: Vec::new(), error: None }
    }

    fn take(&mut self, item: Item<'_>) {
        let values = &mut self.values;
        let taken = match &mut self.stream {
            Stream::Frames(stream) => stream.take(item, &mut |mel| gather(values, &mel)),
            Stream::Windows { signal, windows, length } => signal.take(item, &mut |piece, _| {
                windows.take(&piece, &mut |window, _| append(window, *length, values));
            }),
        };
        if let Err(error) = taken {
            self.error.get_or_insert(error.to_string());
        }
    }

    fn finish(&mut self, file: &str) -> Result<Vec<f32>> {
        match self.error.take() {
            Some(error) => Err(Failure::Failed(format!("{file}: {error}"))),
            None if self.values.is_empty() => Err(Failure::Failed(format!("{file}: no window in its audio"))),
            None => Ok(std::mem::take(&mut self.values)),
        }
    }
}

fn gather(values: &mut Vec<f32>, mel: &Mel<'_>) {
    if let Mel::Frame(frame) = mel {
        values.extend_from_slice(frame);
    }
}

fn append(window: &ReadyWindow<'_>, length: usize, values: &mut Vec<f32>) {
    let start = values.len();
    values.resize(start + length, 0.0);
    window.write_to(&mut values[start..]);
}

type Values = Result<Vec<f32>>;
type OnFile<'a> = &'a mut dyn FnMut(&str, Values) -> Result<()>;

/// Works off the files on `jobs` threads, returns the results in the order of the files. At most [`AHEAD`] files a thread
/// are begun before the one that is due is done, so memory does not grow with the number of files.
fn each(files: &[String], jobs: usize, read: &(dyn Fn(&str) -> Values + Sync), on_file: OnFile<'_>) -> Result<()> {
    let (numbers, given) = mpsc::channel();
    let given = Mutex::new(given);
    std::thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..jobs.min(files.len()) {
            let (sender, given) = (sender.clone(), &given);
            scope.spawn(move || {
                while let Some(number) = next(given) {
                    if sender.send((number, read(&files[number]))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // It goes at the end, whatever that is, and then the threads do.
        let numbers = numbers;
        let hand_out = |number| {
            // The other end outlives it.
            let _ = numbers.send(number);
        };
        let mut rest = 0..files.len();
        rest.by_ref().take(AHEAD * jobs).for_each(hand_out);
        let mut early = BTreeMap::new();
        for (due, file) in files.iter().enumerate() {
            while !early.contains_key(&due)
                && let Ok((number, values)) = results.recv()
            {
                early.insert(number, values);
            }
            let Some(values) = early.remove(&due) else { break };
            on_file(file, values)?;
            rest.by_ref().take(1).for_each(hand_out);
        }
        interrupt::check()
    })
}

/// The next number; none after the last.
fn next(given: &Mutex<Receiver<usize>>) -> Option<usize> {
    given.lock().ok()?.recv().ok()
}

/// Names, those of `@LIST` taken from its lines.
fn inputs(given: &[String]) -> Result<Vec<String>> {
    let mut inputs = Vec::new();
    for input in given {
        match input.strip_prefix('@') {
            None => inputs.push(input.clone()),
            Some(list) => {
                let io = |error: std::io::Error| Failure::io("list", Path::new(list), &error);
                let lines = BufReader::new(File::open(list).map_err(io)?);
                for name in source::names(lines) {
                    inputs.push(name.map_err(io)?);
                }
            }
        }
    }
    Ok(inputs)
}

/// Where the values go.
enum Output {
    /// One array for all files, and a table that says which items are whose.
    One { writer: Box<NpyWriter>, path: PathBuf, index: Option<Index>, item: usize, items: u64 },
    /// An array a file in a folder, and a table that says which is whose.
    Folder { folder: PathBuf, shape: Vec<usize>, names: Names, index: Index },
}

impl Output {
    /// `index`: the path of the table; of one array there is one for `several` files only.
    fn create(path: &Path, kind: &Kind, index: PathBuf, several: bool) -> Result<Self> {
        let shape = kind.shape();
        if is_array(path) {
            let writer = NpyWriter::create(path, &shape).map_err(|error| Failure::io("array", path, &error))?;
            let index = if several { Some(Index::create(index, path)?) } else { None };
            let (writer, path) = (Box::new(writer), path.to_owned());
            return Ok(Self::One { writer, path, index, item: shape.iter().product(), items: 0 });
        }
        std::fs::create_dir_all(path).map_err(|error| Failure::io("folder", path, &error))?;
        let names = Names::after(&index)?;
        Ok(Self::Folder { folder: path.to_owned(), shape, names, index: Index::create(index, path)? })
    }

    fn add(&mut self, file: &str, values: &[f32]) -> Result<()> {
        match self {
            Self::One { writer, path, index, item, items } => {
                let count = (values.len() / *item) as u64;
                writer.write(values).map_err(|error| Failure::io("array", path, &error))?;
                if let Some(index) = index {
                    index.write(&[file, &items.to_string(), &count.to_string()])?;
                }
                *items += count;
                Ok(())
            }
            Self::Folder { folder, shape, names, index } => {
                let name = names.of(file);
                let path = folder.join(&name);
                let io = |error: std::io::Error| Failure::io("array", &path, &error);
                let mut writer = NpyWriter::create(&path, shape).map_err(io)?;
                writer.write(values).and_then(|()| writer.finish()).map_err(io)?;
                index.write(&[file, &name])
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::One { writer, path, index, .. } => {
                writer.finish().map_err(|error| Failure::io("array", &path, &error))?;
                match index {
                    Some(index) => index.finish(),
                    None => Index::remove(&path),
                }
            }
            Self::Folder { mut index, names, .. } => {
                names.earlier.iter().try_for_each(|(file, name)| index.write(&[file, name]))?;
                index.finish()
            }
        }
    }
}

/// Whether the values go into one array, by the name of the output.
fn is_array(output: &Path) -> bool {
    output.extension().is_some_and(|extension| extension == "npy")
}

/// The names of the arrays in a folder.
#[derive(Default)]
struct Names {
    /// Those given, with the last number that each was given with.
    given: BTreeMap<String, u32>,
    /// The files of earlier runs and their arrays, but for those that this run has made anew.
    earlier: BTreeMap<String, String>,
}

impl Names {
    /// The names beside those in an earlier run's index.
    fn after(index: &Path) -> Result<Self> {
        let mut names = Self::default();
        if index.exists() {
            let broken = |error: csv::Error| Failure::Failed(format!("{}: index: {error}", index.display()));
            for row in csv::Reader::from_path(index).map_err(broken)?.into_deserialize::<(String, String)>() {
                let (file, name) = row.map_err(broken)?;
                let [file, name] = [&file, &name].map(|cell| text::csv_text(cell).to_owned());
                names.given.insert(name.trim_end_matches(".npy").to_lowercase(), 0);
                names.earlier.insert(file, name);
            }
        }
        Ok(names)
    }

    /// The name of a file's array: the one that it had, or one of its own.
    fn of(&mut self, file: &str) -> String {
        self.earlier.remove(file).unwrap_or_else(|| format!("{}.npy", self.fresh(file)))
    }

    /// A name that no other array has, on no file system.
    fn fresh(&mut self, file: &str) -> String {
        let stem = Path::new(file).file_stem().map_or_else(|| "sound".into(), |stem| stem.to_string_lossy());
        let first = self.given.get(&stem.to_lowercase()).copied().unwrap_or(0);
        let name = |number: u32| if number == 0 { stem.to_string() } else { format!("{stem}-{number}") };
        let free = |number: &u32| !self.given.contains_key(&name(*number).to_lowercase());
        let number = (first..).find(free).unwrap_or(u32::MAX);
        self.given.insert(name(number).to_lowercase(), 0);
        self.given.insert(stem.to_lowercase(), number);
        name(number)
    }
}

/// Which items, or which array, are whose.
struct Index {
    writer: Box<csv::Writer<File>>,
    part: AtomicFile,
    path: PathBuf,
}

impl Index {
    /// Where the index of an output stands.
    fn path(output: &Path) -> PathBuf {
        if is_array(output) { output.with_extension("csv") } else { output.join("index.csv") }
    }

    fn header(output: &Path) -> &'static [&'static str] {
        if is_array(output) { &["file", "first", "count"] } else { &["file", "array"] }
    }

    /// Refuses to write over what is to be read or what no run made.
    fn check(path: &Path, args: &FeaturesArgs, inputs: &[String]) -> Result<()> {
        let Ok(there) = path.canonicalize() else { return Ok(()) };
        let lists = args.inputs.iter().filter_map(|input| input.strip_prefix('@'));
        for input in lists.chain(inputs.iter().map(String::as_str)) {
            if source::path(input).canonicalize().is_ok_and(|input| input == there) {
                let path = path.display();
                return Err(Failure::Usage(format!("{path}: is to be read, and the index would be written to it")));
            }
        }
        if !Self::is_one(&there, &args.output) {
            return Err(Failure::Usage(format!(
                "{}: the index would be written to it; expected one of an earlier run, whose first line is {}; \
                 move it or give another -o",
                path.display(),
                Self::header(&args.output).join(",")
            )));
        }
        Ok(())
    }

    /// Whether the file is the index of an earlier run.
    fn is_one(path: &Path, output: &Path) -> bool {
        let header = Self::header(output).join(",");
        path.is_file() && beginning(path, header.len()).is_some_and(|line| line.trim_end() == header)
    }

    fn create(path: PathBuf, output: &Path) -> Result<Self> {
        let (part, file) = AtomicFile::create(&path).map_err(|error| Failure::io("index", &path, &error))?;
        let mut index = Self { writer: Box::new(csv::Writer::from_writer(file)), part, path };
        index.write(Self::header(output))?;
        Ok(index)
    }

    /// One of an earlier run is about another array.
    fn remove(output: &Path) -> Result<()> {
        let path = Self::path(output);
        if Self::is_one(&path, output) {
            std::fs::remove_file(&path).map_err(|error| Failure::io("index", &path, &error))?;
        }
        Ok(())
    }

    fn write(&mut self, row: &[&str]) -> Result<()> {
        let cells = row.iter().map(|text| text::csv_cell(text).into_owned());
        self.writer.write_record(cells).map_err(|error| Failure::Failed(format!("{}: {error}", self.path.display())))
    }

    fn finish(mut self) -> Result<()> {
        let flushed = self.writer.flush();
        flushed.and_then(|()| self.part.keep()).map_err(|error| Failure::io("index", &self.path, &error))
    }
}

/// The first line of a text, cut one byte after `length`; none of what can't be read.
fn beginning(path: &Path, length: usize) -> Option<String> {
    let mut line = String::new();
    BufReader::new(File::open(path).ok()?.take(length as u64 + 1)).read_line(&mut line).ok().map(|_| line)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let mut names = Names::default();
        let files = ["c1/a.wav", "c2/a.wav", "a-1.wav", "A.wav", "c3/a.wav", "a-1.ogg"];

        assert_eq!(files.map(|file| names.fresh(file)), ["a", "a-1", "a-1-1", "A-2", "a-3", "a-1-2"]);
    }

    #[test]
    fn a_slow_file_is_not_left_far_behind() {
        let files: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        let (begun, before) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let read = |file: &str| {
            begun.fetch_add(1, Ordering::SeqCst);
            if file == "0" {
                std::thread::sleep(Duration::from_millis(200));
                before.store(begun.load(Ordering::SeqCst), Ordering::SeqCst);
            }
            Ok(vec![file.parse().unwrap()])
        };
        let mut reported = Vec::new();

        each(&files, 2, &read, &mut |_, values| {
            reported.extend(values?);
            Ok(())
        })
        .unwrap();

        assert!(before.load(Ordering::SeqCst) <= AHEAD * 2, "{before:?} files begun");
        assert_eq!(reported, (0..100).map(|number| number as f32).collect::<Vec<_>>());
    }
}
