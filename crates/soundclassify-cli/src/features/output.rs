// SPDX-License-Identifier: MIT OR Apache-2.0
//! The output of features: one array, or one array per recording, and an index.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use soundclassify_core::text;

use crate::{
    address::without_credentials,
    args::FeaturesArgs,
    atomic_file::AtomicFile,
    exit::{Failure, Result},
    npy::NpyWriter,
    source,
};

/// The output of the values.
pub(super) enum Output {
    /// One array for all files, and a table with the items of each file.
    One { writer: Box<NpyWriter>, path: PathBuf, index: Option<Index>, item: usize, items: u64 },
    /// A folder with one array per file, and a table with the array of each file.
    Folder { folder: PathBuf, shape: Vec<usize>, names: Names, index: Index },
}

impl Output {
    /// `shape`: of one item. `index`: the path of the table; a single array has one only for `several` files.
    pub(super) fn create(path: &Path, shape: Vec<usize>, index: PathBuf, several: bool) -> Result<Self> {
        if is_array(path) {
            let writer = NpyWriter::create(path, &shape).map_err(|error| Failure::io("array", path, &error))?;
            let index = if several { Some(Index::create(index, path)?) } else { None };
            let (writer, path) = (Box::new(writer), path.to_owned());
            return Ok(Self::One { writer, path, index, item: shape.iter().product(), items: 0 });
        }
        if path.exists() && !path.is_dir() {
            let path = text::visible(&path.to_string_lossy()).into_owned();
            return Err(Failure::Usage(format!(
                "-o {path}: expected a new file NAME.npy or a folder, found a file of another kind"
            )));
        }
        std::fs::create_dir_all(path).map_err(|error| Failure::io("folder", path, &error))?;
        let names = Names::after(&index)?;
        Ok(Self::Folder { folder: path.to_owned(), shape, names, index: Index::create(index, path)? })
    }

    pub(super) fn add(&mut self, file: &str, values: &[f32]) -> Result<()> {
        let file = &*without_credentials(file);
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

    pub(super) fn finish(self) -> Result<()> {
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

/// Extensions of files, which a name without `/` at its end is hardly meant to be a folder with.
const OF_FILES: [&str; 20] = [
    "npy",
    "npz",
    "csv",
    "tsv",
    "txt",
    "json",
    "jsonl",
    "parquet",
    "arrow",
    "feather",
    "h5",
    "hdf5",
    "pkl",
    "pickle",
    "pt",
    "safetensors",
    "mat",
    "bin",
    "wav",
    "zip",
];

/// Refuses a name that is neither an array's nor that of a folder.
pub(super) fn check(output: &Path) -> Result<()> {
    let name = output.to_string_lossy();
    let extension = output.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let Some(extension) = extension.filter(|extension| OF_FILES.contains(&extension.as_str())) else { return Ok(()) };
    if is_array(output) || output.is_dir() || name.ends_with(std::path::is_separator) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{name}: expected FILE.npy or a folder, found a file name with the extension .{extension}; use {}, or {name}/ for a \
         folder of this name",
        output.with_extension("npy").display()
    )))
}

/// Whether the values go into one array, by the name of the output.
pub(super) fn is_array(output: &Path) -> bool {
    output.extension().is_some_and(|extension| extension == "npy")
}

/// The names of the arrays in a folder.
#[derive(Default)]
pub(super) struct Names {
    /// Those given, with the last number that each was given with.
    given: BTreeMap<String, u32>,
    /// The files of earlier runs and their arrays, except for those that this run has replaced.
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

    /// The name of a file's array: that of an earlier run, or a new one.
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

/// The items, or the array, of each file.
pub(super) struct Index {
    writer: Box<csv::Writer<File>>,
    part: AtomicFile,
    path: PathBuf,
}

impl Index {
    /// The path of the index of an output.
    pub(super) fn path(output: &Path) -> PathBuf {
        if is_array(output) { output.with_extension("csv") } else { output.join("index.csv") }
    }

    fn header(output: &Path) -> &'static [&'static str] {
        if is_array(output) { &["file", "first", "count"] } else { &["file", "array"] }
    }

    /// Refuses to overwrite an input, or a file that no run made.
    pub(super) fn check(path: &Path, args: &FeaturesArgs, inputs: &[String]) -> Result<()> {
        let Ok(there) = path.canonicalize() else { return Ok(()) };
        let lists = args.inputs.iter().filter_map(|input| input.strip_prefix('@'));
        for input in lists.chain(inputs.iter().map(String::as_str)) {
            if source::path(input).canonicalize().is_ok_and(|input| input == there) {
                let path = path.display();
                return Err(Failure::Usage(format!("{path}: this input would be overwritten by the index")));
            }
        }
        if !Self::is_one(&there, &args.output) {
            return Err(Failure::Usage(format!(
                "{}: expected an index of an earlier run, whose first line is {}; move the file or give a different -o",
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

    /// An index of an earlier run belongs to a different array.
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

/// The first line of a text, at most `length` + 1 bytes; `None` if it can't be read.
fn beginning(path: &Path, length: usize) -> Option<String> {
    let mut line = String::new();
    BufReader::new(File::open(path).ok()?.take(length as u64 + 1)).read_line(&mut line).ok().map(|_| line)
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let mut names = Names::default();
        let files = ["c1/a.wav", "c2/a.wav", "a-1.wav", "A.wav", "c3/a.wav", "a-1.ogg"];

        assert_eq!(files.map(|file| names.fresh(file)), ["a", "a-1", "a-1-1", "A-2", "a-3", "a-1-2"]);
    }
}
