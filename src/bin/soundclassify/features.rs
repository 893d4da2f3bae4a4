// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify features`: the tensors that the model gets, or the log-mel frames, as `.npy`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use gstsoundclassify::{
    frontend::{FeatureSpec, Frontend, ReadyWindow},
    model::Model,
};

use crate::{
    args::FeaturesArgs,
    ear::{Ear, Sound},
    exit::{Exit, Failure, Result},
    interrupt,
    mel::{Mel, MelStream},
    npy::NpyWriter,
    output,
    part::Part,
    scan::pool::Pool,
    session::{Heard, Listener, Session, Source, make},
    source,
};

/// Writes the features of all inputs, in the order given; one that fails is named and left out.
pub(crate) fn run(args: &FeaturesArgs) -> Result<Exit> {
    interrupt::install()?;
    let model = Model::load(&args.model)?;
    let manifest = model.manifest();
    let kind = Kind {
        spec: manifest.features.clone(),
        oversamples: args.oversamples.or(manifest.defaults.oversamples).unwrap_or(10),
        channel: args.channel,
        logmel: args.logmel,
    };
    let inputs = inputs(&args.inputs)?;
    let mut output = Output::create(args, &kind, inputs.len() > 1)?;
    let mut exit = Exit::Success;
    each(&inputs, Pool::jobs(args.jobs), &kind, &mut |file, values| match values {
        Ok(values) => output.add(file, &values),
        Err(Failure::Failed(why)) => {
            output::tell(format_args!("soundclassify: {why}"));
            exit = Exit::Failed;
            Ok(())
        }
        Err(failure) => Err(failure),
    })?;
    output.finish()?;
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
        let listener: Listener = Box::new(move |heard| {
            if let Ok(mut gathered) = inner.lock() {
                gathered.hear(heard);
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
    Windows(Box<Ear>, Box<Frontend>),
    Frames(Box<MelStream>),
}

impl Gathered {
    fn new(kind: &Kind) -> Self {
        let stream = if kind.logmel {
            Stream::Frames(Box::new(MelStream::new(&kind.spec, kind.channel)))
        } else {
            let frontend = Frontend::new(&kind.spec, kind.oversamples);
            Stream::Windows(Box::new(Ear::new(kind.spec.sample_rate, kind.channel)), Box::new(frontend))
        };
        Self { stream, values: Vec::new(), error: None }
    }

    fn hear(&mut self, heard: Heard<'_>) {
        let values = &mut self.values;
        let heard = match &mut self.stream {
            Stream::Frames(stream) => stream.hear(heard, &mut |mel| gather(values, &mel)),
            Stream::Windows(ear, frontend) => ear.hear(heard, &mut |sound| push(frontend, &sound, values)),
        };
        if let Err(error) = heard {
            self.error.get_or_insert(error.to_string());
        }
    }

    fn finish(&mut self, file: &str) -> Result<Vec<f32>> {
        let values = &mut self.values;
        match &mut self.stream {
            Stream::Frames(stream) => stream.finish(&mut |mel| gather(values, &mel)),
            Stream::Windows(ear, frontend) => {
                ear.finish(&mut |sound| push(frontend, &sound, values));
                let length = frontend.window_len();
                frontend.finish(&mut |window| append(&window, length, values));
            }
        }
        match self.error.take() {
            Some(error) => Err(Failure::Failed(format!("{file}: {error}"))),
            None => Ok(std::mem::take(values)),
        }
    }
}

fn gather(values: &mut Vec<f32>, mel: &Mel<'_>) {
    if let Mel::Frame(frame) = mel {
        values.extend_from_slice(frame);
    }
}

fn push(frontend: &mut Frontend, sound: &Sound<'_>, values: &mut Vec<f32>) {
    let length = frontend.window_len();
    match sound {
        Sound::Break => frontend.reset(),
        Sound::Samples(samples) => frontend.push(samples, &mut |window| append(&window, length, values)),
    }
}

fn append(window: &ReadyWindow<'_>, length: usize, values: &mut Vec<f32>) {
    let start = values.len();
    values.resize(start + length, 0.0);
    window.write_to(&mut values[start..]);
}

type OnFile<'a> = &'a mut dyn FnMut(&str, Result<Vec<f32>>) -> Result<()>;

/// Works off the files on `jobs` threads, tells the results in the order of the files. As many results as threads wait
/// at most, so memory does not grow with the number of files.
fn each(files: &[String], jobs: usize, kind: &Kind, on_file: OnFile<'_>) -> Result<()> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (sender, results) = mpsc::sync_channel(jobs);
        for _ in 0..jobs.min(files.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(number) =
                    Some(next.fetch_add(1, Ordering::SeqCst)).filter(|&number| number < files.len())
                {
                    if sender.send((number, kind.read(&files[number]))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (number, values) in &results {
            early.insert(number, values);
            while let Some(values) = early.remove(&due) {
                on_file(&files[due], values)?;
                due += 1;
            }
        }
        interrupt::check()
    })
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
    /// One array for all files, and a table that tells which items are whose.
    One { writer: Box<NpyWriter>, path: PathBuf, index: Option<Index>, item: usize, items: u64 },
    /// An array a file in a folder.
    Folder { folder: PathBuf, shape: Vec<usize>, names: BTreeMap<String, u32> },
}

impl Output {
    fn create(args: &FeaturesArgs, kind: &Kind, several: bool) -> Result<Self> {
        let path = &args.output;
        let shape = kind.shape();
        if path.extension().is_some_and(|extension| extension == "npy") {
            let writer = NpyWriter::create(path, &shape).map_err(|error| Failure::io("array", path, &error))?;
            let index = several.then(|| Index::create(&path.with_extension("csv"))).transpose()?;
            let writer = Box::new(writer);
            return Ok(Self::One { writer, path: path.clone(), index, item: shape.iter().product(), items: 0 });
        }
        std::fs::create_dir_all(path).map_err(|error| Failure::io("folder", path, &error))?;
        Ok(Self::Folder { folder: path.clone(), shape, names: BTreeMap::new() })
    }

    fn add(&mut self, file: &str, values: &[f32]) -> Result<()> {
        match self {
            Self::One { writer, path, index, item, items } => {
                let count = (values.len() / *item) as u64;
                writer.write(values).map_err(|error| Failure::io("array", path, &error))?;
                if let Some(index) = index {
                    index.write([file, &items.to_string(), &count.to_string()])?;
                }
                *items += count;
                Ok(())
            }
            Self::Folder { folder, shape, names } => {
                let stem = Path::new(file).file_stem().map_or_else(|| "sound".into(), |stem| stem.to_string_lossy());
                let used = names.entry(stem.to_string()).and_modify(|used| *used += 1).or_insert(0);
                let name = if *used == 0 { format!("{stem}.npy") } else { format!("{stem}-{used}.npy") };
                let path = folder.join(name);
                let io = |error: std::io::Error| Failure::io("array", &path, &error);
                let mut writer = NpyWriter::create(&path, shape).map_err(io)?;
                writer.write(values).map_err(io)?;
                writer.finish().map_err(io).map(|_| ())
            }
        }
    }

    fn finish(self) -> Result<()> {
        if let Self::One { writer, path, index, .. } = self {
            writer.finish().map_err(|error| Failure::io("array", &path, &error))?;
            index.map_or(Ok(()), Index::finish)?;
        }
        Ok(())
    }
}

/// Tells which items are whose.
struct Index {
    writer: Box<csv::Writer<File>>,
    part: Part,
    path: PathBuf,
}

impl Index {
    fn create(path: &Path) -> Result<Self> {
        let (part, file) = Part::create(path).map_err(|error| Failure::io("index", path, &error))?;
        let mut index = Self { writer: Box::new(csv::Writer::from_writer(file)), part, path: path.to_owned() };
        index.write(["file", "first", "count"])?;
        Ok(index)
    }

    fn write(&mut self, row: [&str; 3]) -> Result<()> {
        self.writer.write_record(row).map_err(|error| Failure::Failed(format!("{}: {error}", self.path.display())))
    }

    fn finish(mut self) -> Result<()> {
        let flushed = self.writer.flush();
        flushed.and_then(|()| self.part.keep()).map_err(|error| Failure::io("index", &self.path, &error))
    }
}
