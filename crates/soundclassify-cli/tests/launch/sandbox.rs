// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder with the plugin and nothing else of ours in it, and processes that see it as GStreamer's plugin path.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::common::errors::without_schema_errors;

/// Long enough for a loaded machine, short enough to end a hung process.
pub(crate) const PROCESS_TIMEOUT: Duration = Duration::from_secs(60);
const PLUGIN: &str = "libgstsoundclassify.so";
const RUNTIME: &str = "libonnxruntime.so";

/// The top of the repository.
pub(crate) fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Debian's own Python: another one that comes first in PATH does not see its packages.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

pub(crate) struct Sandbox {
    folder: TempDir,
    /// Further variables of each process.
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Sandbox {
    /// With ONNX Runtime beside the plugin.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let sandbox = Self::without_runtime();
        let runtime = runtime().expect("an ONNX Runtime: run pipelines/setup.sh --tests, or set ORT_DYLIB_PATH");
        std::os::unix::fs::symlink(runtime, sandbox.path("plugins").join(RUNTIME)).unwrap();
        sandbox
    }

    #[track_caller]
    pub(crate) fn without_runtime() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        fs::hard_link(built_plugin(), plugins.join(PLUGIN)).unwrap();
        Self { folder, variables: Vec::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sound that changes: `seconds` of noise, 44.1 kHz, two channels.
    pub(crate) fn noise(&self, seconds: u32) -> String {
        let path = self.path("noise.wav").display().to_string();
        let buffers = seconds * 10;
        let pipeline = format!(
            "audiotestsrc wave=pink-noise num-buffers={buffers} samplesperbuffer=4410 \
             ! audio/x-raw,format=S16LE,rate=44100,channels=2 ! wavenc ! filesink location={path}"
        );
        self.launch(&pipeline).finish().succeeded();
        path
    }

    /// `gst-launch-1.0 -m PIPELINE`.
    #[track_caller]
    pub(crate) fn launch(&self, pipeline: &str) -> Running {
        self.start("gst-launch-1.0", [&["-m"][..], &pipeline.split_whitespace().collect::<Vec<_>>()].concat())
    }

    /// `pipelines/NAME ARGUMENTS`.
    #[track_caller]
    pub(crate) fn script(&self, name: &str, arguments: &[&str]) -> Running {
        self.start(top().join("pipelines").join(name), arguments)
    }

    #[track_caller]
    pub(crate) fn start<S: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = S>,
    ) -> Running {
        let mut command = Command::new(program);
        command.args(arguments);
        self.start_command(command)
    }

    #[track_caller]
    pub(crate) fn start_command(&self, mut command: Command) -> Running {
        let output = TempDir::new_in(self.folder.path()).unwrap().keep();
        command
            .env_remove("ORT_DYLIB_PATH")
            // Cargo's, with the folders where pipelines/setup.sh puts ONNX Runtime.
            .env_remove("LD_LIBRARY_PATH")
            .env("GST_PLUGIN_PATH", self.path("plugins"))
            .env("GST_REGISTRY", self.path("registry"))
            .env("G_DEBUG", "fatal-warnings")
            .env("LC_ALL", "C.UTF-8")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(File::create(output.join("stdout")).unwrap())
            .stderr(File::create(output.join("stderr")).unwrap())
            .process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Running { child, name: format!("{command:?}"), output, since: Instant::now() }
    }
}

/// What cargo built for this very test.
fn built_plugin() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let plugin = test.with_file_name(PLUGIN);
    assert!(plugin.exists(), "cargo builds {} together with this test", plugin.display());
    plugin
}

fn runtime() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    // target/PROFILE/deps/this-test → target/onnxruntime
    let target = std::env::current_exe().unwrap().ancestors().nth(3)?.join("onnxruntime");
    let mut found = fs::read_dir(target).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    found.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(RUNTIME)))
}

/// A process, ended when this is dropped.
pub(crate) struct Running {
    child: Child,
    name: String,
    output: PathBuf,
    since: Instant,
}

impl Running {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.output.join("stdout")).unwrap()).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        without_schema_errors(&String::from_utf8_lossy(&fs::read(self.output.join("stderr")).unwrap()))
    }

    /// Until the process has printed `text`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> &mut Self {
        self.wait_until(|process| process.stdout().contains(text), text)
    }

    /// Until the process has printed `count` lines.
    #[track_caller]
    pub(crate) fn wait_for_lines(&mut self, count: usize) -> &mut Self {
        self.wait_until(|process| process.stdout().lines().count() >= count, "enough lines")
    }

    #[track_caller]
    fn wait_until(&mut self, done: impl Fn(&Self) -> bool, what: &str) -> &mut Self {
        while !done(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() || done(self), "{} ended before {what}:\n{}", self.name, self.all_output());
            assert!(self.since.elapsed() < PROCESS_TIMEOUT, "{}: no {what}:\n{}", self.name, self.all_output());
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// What Ctrl-C does: the signal goes to the process and all that it started.
    pub(crate) fn interrupt(&mut self) -> &mut Self {
        assert!(self.signal(Signal::INT));
        self.since = Instant::now();
        self
    }

    /// The end, by itself, in time.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> Finished {
        self.finish_within(PROCESS_TIMEOUT)
    }

    #[track_caller]
    pub(crate) fn finish_within(&mut self, limit: Duration) -> Finished {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Finished { name: self.name.clone(), status, stdout: self.stdout(), stderr: self.stderr() };
            }
            assert!(self.since.elapsed() < limit, "{} did not end in {limit:?}:\n{}", self.name, self.all_output());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, signal: Signal) -> bool {
        kill_process_group(Pid::from_child(&self.child), signal).is_ok()
    }

    fn all_output(&self) -> String {
        format!("{}\n{}", self.stdout(), self.stderr())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already is as good.
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

pub(crate) struct Finished {
    name: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}: {}\n{}\n{}", self.name, self.status, self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn failed(self) -> Self {
        assert!(self.status.code().is_some_and(|code| code != 0), "{}: {}\n{}", self.name, self.status, self.stdout);
        self
    }

    /// Standard error has `text`.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{}: no {text:?} in\n{}", self.name, self.stderr);
        self
    }

    /// Element messages in the output of `gst-launch-1.0 -m`.
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.stdout.lines().filter(|line| line.contains("): soundclassify, ")).collect()
    }
}

/// A field of type guint64 in a message that `gst-launch-1.0 -m` printed.
pub(crate) fn number(message: &str, field: &str) -> Option<u64> {
    let (_, rest) = message.split_once(&format!(" {field}=(guint64)"))?;
    rest.split([',', ';']).next()?.parse().ok()
}

/// A line of a pipeline script or listener: time, label, index, probability.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopLabel {
    pub(crate) seconds: f64,
    pub(crate) label: String,
    pub(crate) index: u32,
    pub(crate) probability: f64,
}

#[track_caller]
pub(crate) fn messages(output: &str) -> Vec<TopLabel> {
    output.lines().map(|line| parse(line).unwrap_or_else(|| panic!("not a result: {line:?}"))).collect()
}

fn parse(line: &str) -> Option<TopLabel> {
    let (seconds, rest) = line.split_once(' ')?;
    let (rest, probability) = rest.rsplit_once(' ')?;
    let (label, index) = rest.rsplit_once(' ')?;
    Some(TopLabel {
        seconds: seconds.parse().ok()?,
        label: label.to_owned(),
        index: index.parse().ok()?,
        probability: probability.parse().ok()?,
    })
}

/// Prints that a test does not run here, and why.
pub(crate) fn skip(reason: &str) {
    println!("skipped: {reason}");
}

/// Prints that a test does not run here if GStreamer for Python is not installed.
pub(crate) fn python_is_missing() -> bool {
    let import = "import gi; gi.require_version('Gst', '1.0')";
    let missing = !Command::new(PYTHON).args(["-c", import]).output().is_ok_and(|it| it.status.success());
    if missing {
        skip("GStreamer for Python is not installed");
    }
    missing
}
