// SPDX-License-Identifier: MIT OR Apache-2.0
//! `soundclassify features`: the input of the network, the log-mel frames, the scores or the embeddings, as `.npy`.

mod output;

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::Path,
    sync::{
        Mutex,
        mpsc::{self, Receiver},
    },
};

use soundclassify_core::model::Model;

use self::output::{Index, Output, is_array};
use crate::{
    args::FeaturesArgs,
    exit::{Exit, Failure, Result},
    interrupt, output as terminal,
    scan::pool::Pool,
    source,
    window_values::{What, WindowValues},
};

/// Maximum number of files per thread that are begun ahead of the file whose values are due.
const AHEAD: usize = 3;

/// Writes the features of all inputs in their order; an input that fails is reported and skipped.
pub(crate) fn run(args: &FeaturesArgs) -> Result<Exit> {
    interrupt::install()?;
    output::check(&args.output)?;
    let inputs = inputs(&args.inputs)?;
    let index = Index::path(&args.output);
    let several = inputs.len() > 1;
    if several || !is_array(&args.output) {
        Index::check(&index, args, &inputs)?;
    }
    let model = Model::load(&args.model)?;
    let what = match args {
        _ if args.logmel => What::LogMel,
        _ if args.scores => What::Scores,
        _ if args.embedding => What::Embedding,
        _ => What::Input,
    };
    let values = WindowValues::new(&model, what, args.oversamples, args.channel)?;
    let mut output = Output::create(&args.output, values.shape(), index, several)?;
    let (mut exit, mut added) = (Exit::Success, 0);
    each(&inputs, Pool::jobs(args.jobs), &|file| values.of(file), &mut |file, values| match values {
        Ok(values) => {
            added += 1;
            output.add(file, &values)
        }
        Err(Failure::Failed(why)) => {
            terminal::note(format_args!("soundclassify: {why}"));
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

type Values = Result<Vec<f32>>;
type OnFile<'a> = &'a mut dyn FnMut(&str, Values) -> Result<()>;

/// Processes the files on `jobs` threads, and returns the results in the order of the files. At most [`AHEAD`] files per thread
/// are begun ahead of the one that is due, so memory does not grow with the number of files.
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
        // The sender is dropped at the end, also after an error, which ends the threads.
        let numbers = numbers;
        let hand_out = |number| {
            // The threads keep the receiver longer.
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

/// The next number; `None` after the last.
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

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

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
