// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--on LABEL=COMMAND`: a command for each event that begins.

use std::{
    process::{Command, Stdio},
    str::FromStr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError},
    },
    time::{Duration, Instant},
};

use gstsoundclassify::{ClassificationEvent, EventKind};

use crate::{interrupt, lock::lock};

/// Maximum number of waiting commands; further ones are skipped with a warning.
const WAITING: usize = 100;
/// How long a running command may take to end when the user quits; later it goes on without the program.
const GRACE: Duration = Duration::from_secs(1);
/// A command that runs for so long while others wait is mentioned.
const LONG: Duration = Duration::from_secs(60);
/// Interval at which a wait checks for an interruption.
const GLANCE: Duration = Duration::from_millis(100);
/// Stands for every label.
const ANY: &str = "*";

/// One option `--on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnEvent {
    /// Label of the events, or `*`.
    pub(crate) label: String,
    /// Command of the shell.
    pub(crate) command: String,
}

impl OnEvent {
    /// The label, unless all are meant.
    pub(crate) fn named(&self) -> Option<&str> {
        (self.label != ANY).then_some(self.label.as_str())
    }
}

impl FromStr for OnEvent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=').map(|(label, command)| (label.trim(), command.trim())) {
            Some((label, command)) if !label.is_empty() && !command.is_empty() => {
                Ok(Self { label: label.to_owned(), command: command.to_owned() })
            }
            _ => Err(format!("expected LABEL=COMMAND, found {text:?}; example: --on 'Bark=notify-send \"$2\"'")),
        }
    }
}

/// A command with its arguments.
struct Job {
    command: String,
    time: String,
    label: String,
    probability: String,
}

/// Runs the commands one after the other, on a separate thread.
pub(super) struct Commands {
    wanted: Vec<OnEvent>,
    jobs: SyncSender<Job>,
    /// Commands that failed; disconnected when the thread has ended.
    failures: Receiver<String>,
    shared: Arc<Shared>,
    /// See [`LONG`]; `None` once a command was mentioned.
    limit: Option<Duration>,
}

/// What the thread of the commands and the others share.
#[derive(Default)]
struct Shared {
    /// Number of commands that are yet to be run.
    waiting: AtomicUsize,
    /// Whether no further command is to be run.
    stop: AtomicBool,
    /// The command that runs, and since when.
    running: Mutex<Option<(String, Instant)>>,
}

impl Commands {
    /// `quiet`: whether the view uses the screen, so the output of commands is discarded.
    pub(super) fn new(wanted: &[OnEvent], quiet: bool) -> Self {
        let (jobs, waiting) = mpsc::sync_channel(WAITING);
        let (sender, failures) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        if !wanted.is_empty() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || work(&waiting, quiet, &shared, &sender));
        }
        Self { wanted: wanted.to_vec(), jobs, failures, shared, limit: Some(LONG) }
    }

    /// Warnings since the last call: commands that have failed, and one that keeps the others waiting.
    pub(super) fn warnings(&mut self) -> impl Iterator<Item = String> {
        let long = self.long();
        self.limit = self.limit.filter(|_| long.is_none());
        self.failures.try_iter().chain(long)
    }

    fn long(&self) -> Option<String> {
        let (limit, waiting) = (self.limit?, self.shared.waiting.load(Ordering::SeqCst));
        let running = lock(&self.shared.running);
        let (command, _) = running.as_ref().filter(|(_, since)| waiting > 0 && since.elapsed() >= limit)?;
        let seconds = limit.as_secs();
        Some(format!(
            "--on {command}: it has run for {seconds} s, and others wait for it; a command with & at its end lets them run"
        ))
    }

    /// Ends the work, and returns warnings. At the end of a stream, `all` commands run, until the user interrupts; else those
    /// that wait are dropped, and the running one has [`GRACE`] to end.
    pub(super) fn finish(self, all: bool) -> Vec<String> {
        let Self { jobs, failures, shared, .. } = self;
        drop(jobs);
        let mut warnings = Vec::new();
        let mut limit = None;
        let ended = loop {
            if limit.is_none() && (!all || interrupt::requested()) {
                shared.stop.store(true, Ordering::SeqCst);
                limit = Some(Instant::now() + GRACE);
            }
            match failures.recv_timeout(GLANCE) {
                Ok(why) => warnings.push(why),
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) if limit.is_some_and(|limit| Instant::now() > limit) => break false,
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        if !ended {
            warnings.push("--on: a command is still running and goes on by itself".to_owned());
        }
        match shared.waiting.load(Ordering::SeqCst) {
            0 => {}
            1 => warnings.push("--on: 1 command was waiting and is not run".to_owned()),
            count => warnings.push(format!("--on: {count} commands were waiting and are not run")),
        }
        warnings
    }

    /// Runs the commands for an event that begins; returns a warning if too many commands wait.
    pub(super) fn event(&mut self, event: &ClassificationEvent) -> Option<String> {
        if event.kind != EventKind::Start {
            return None;
        }
        let wanted = self.wanted.iter().filter(|it| it.named().is_none_or(|label| label == event.now.label));
        let mut warning = None;
        for OnEvent { command, .. } in wanted {
            let job = Job {
                command: command.clone(),
                time: format!("{:.3}", event.start().seconds_f64()),
                label: event.now.label.clone(),
                probability: format!("{:.6}", event.now.probability),
            };
            self.shared.waiting.fetch_add(1, Ordering::SeqCst);
            if let Err(error) = self.jobs.try_send(job) {
                self.shared.waiting.fetch_sub(1, Ordering::SeqCst);
                if let TrySendError::Full(_) = error {
                    let label = &event.now.label;
                    warning = Some(format!("--on: {WAITING} commands are waiting; an event of {label} is skipped"));
                }
            }
        }
        warning
    }
}

fn work(jobs: &Receiver<Job>, quiet: bool, shared: &Shared, failures: &Sender<String>) {
    for job in jobs {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        shared.waiting.fetch_sub(1, Ordering::SeqCst);
        let output = || if quiet { Stdio::null() } else { Stdio::inherit() };
        let mut command = shell(&job);
        command
            .env("SOUNDCLASSIFY_TIME", &job.time)
            .env("SOUNDCLASSIFY_LABEL", &job.label)
            .env("SOUNDCLASSIFY_PROBABILITY", &job.probability)
            .stdin(Stdio::null())
            .stdout(if quiet { Stdio::null() } else { std::io::stderr().into() })
            .stderr(output());
        *lock(&shared.running) = Some((format!("{}={}", job.label, job.command), Instant::now()));
        let status = command.status();
        *lock(&shared.running) = None;
        let failed = match status {
            Ok(status) if status.success() => None,
            // The Ctrl-C that ends the program ends its commands, too.
            Ok(status) if status.code().is_none() && interrupt::requested() => None,
            Ok(status) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = failed {
            // Without a receiver, the program is about to end.
            let _ = failures.send(format!("--on {}={}: {why}", job.label, job.command));
        }
    }
}

/// The shell with the command, to which it passes time and label.
#[cfg(not(windows))]
fn shell(job: &Job) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &job.command, "soundclassify", &job.time, &job.label]);
    shell
}

/// The shell with the command. `cmd` passes no arguments to it, and does not know escaped quotes, so it gets the text as it is.
/// With `/S` it removes only the outer quotes.
#[cfg(windows)]
fn shell(job: &Job) -> Command {
    use std::os::windows::process::CommandExt;
    let mut shell = Command::new("cmd");
    shell.args(["/S", "/C"]).raw_arg(format!("\"{}\"", job.command));
    shell
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::state::tests::event;

    #[test]
    fn a_command_belongs_to_a_label_or_to_all() {
        let parse = |text: &str| text.parse::<OnEvent>();

        assert_eq!(parse(" Bark = echo a=b ").unwrap(), OnEvent { label: "Bark".into(), command: "echo a=b".into() });
        assert_eq!(parse("*=true").unwrap().named(), None);
        for wrong in ["Bark", "=true", "Bark="] {
            assert!(parse(wrong).unwrap_err().contains("LABEL=COMMAND"), "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn each_start_runs_its_commands_once() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("note");
        let wanted = ["Bark", "*"].map(|label| OnEvent {
            label: label.into(),
            command: format!("echo \"{label} $2 $1 $SOUNDCLASSIFY_LABEL\" >> {}", note.display()),
        });
        let mut commands = Commands::new(&wanted, true);
        for (kind, label) in [(EventKind::Start, "Bark"), (EventKind::End, "Bark"), (EventKind::Start, "Meow")] {
            assert_eq!(commands.event(&event(kind, 1, label)), None);
        }
        assert_eq!(commands.finish(true), Vec::<String>::new());

        let noted = std::fs::read_to_string(&note).unwrap();
        assert_eq!(noted, "Bark Bark 3.000 Bark\n* Bark 3.000 Bark\n* Meow 3.000 Meow\n");
    }

    #[cfg(unix)]
    #[test]
    fn what_waits_is_bounded() {
        let wanted = [OnEvent { label: "*".into(), command: "sleep 0.02".into() }];
        let mut commands = Commands::new(&wanted, true);

        let warnings = (0..2 * WAITING).filter_map(|id| commands.event(&event(EventKind::Start, id as u64, "Bark")));

        assert!(warnings.count() > WAITING / 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_keeps_others_waiting_is_mentioned_once() {
        let wanted = [OnEvent { label: "*".into(), command: "exec sleep 15".into() }];
        let mut commands = Commands::new(&wanted, true);
        commands.limit = Some(Duration::ZERO);
        assert_eq!(commands.event(&event(EventKind::Start, 1, "Bark")), None);
        while lock(&commands.shared.running).is_none() {
            std::thread::yield_now();
        }
        assert_eq!(commands.warnings().count(), 0, "nothing waits");

        assert_eq!(commands.event(&event(EventKind::Start, 2, "Meow")), None);
        let warnings: Vec<_> = commands.warnings().collect();

        assert!(warnings.len() == 1 && warnings[0].starts_with("--on Bark=exec sleep 15: it has run"), "{warnings:?}");
        assert_eq!(commands.warnings().count(), 0);
        commands.finish(false);
    }

    #[cfg(unix)]
    #[test]
    fn who_quits_waits_for_no_command() {
        let wanted = [OnEvent { label: "*".into(), command: "exec sleep 15".into() }];
        let mut commands = Commands::new(&wanted, true);
        (0..4).for_each(|id| drop(commands.event(&event(EventKind::Start, id, "Bark"))));
        while commands.shared.waiting.load(Ordering::SeqCst) > 3 {
            std::thread::yield_now();
        }
        let start = Instant::now();

        let warnings = commands.finish(false);

        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(warnings[0].contains("goes on by itself") && warnings[1].contains("3 commands"), "{warnings:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_fails_is_reported() {
        for quiet in [false, true] {
            let wanted = [OnEvent { label: "*".into(), command: "exit 3".into() }];
            let mut commands = Commands::new(&wanted, quiet);
            assert_eq!(commands.event(&event(EventKind::Start, 1, "Bark")), None);

            let warnings = commands.finish(true);

            assert!(warnings.len() == 1 && warnings[0].starts_with("--on Bark=exit 3: exit status: 3"), "{warnings:?}");
        }
    }
}
