// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--on LABEL=COMMAND`: a command for each event that begins.

use std::{
    process::{Command, Stdio},
    str::FromStr,
    sync::mpsc::{self, Receiver, SyncSender, TrySendError},
    thread::JoinHandle,
};

use gstsoundclassify::{ClassificationEvent, EventKind};

use crate::output;

/// Maximum number of waiting commands; further ones are skipped with a warning.
const WAITING: usize = 100;
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
    jobs: Option<SyncSender<Job>>,
    worker: Option<JoinHandle<()>>,
}

impl Commands {
    /// `quiet`: whether the view uses the screen, so the output of commands is discarded.
    pub(super) fn new(wanted: &[OnEvent], quiet: bool) -> Self {
        let (jobs, waiting) = mpsc::sync_channel(WAITING);
        let worker = (!wanted.is_empty()).then(|| std::thread::spawn(move || work(&waiting, quiet)));
        Self { wanted: wanted.to_vec(), jobs: Some(jobs), worker }
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
            if let Some(Err(TrySendError::Full(_))) = self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
                warning =
                    Some(format!("--on: {WAITING} commands are waiting; an event of {} is skipped", event.now.label));
            }
        }
        warning
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(worker) = self.worker.take() {
            // Commands of events that have begun still run; one that panicked is done as well.
            let _ = worker.join();
        }
    }
}

fn work(waiting: &Receiver<Job>, quiet: bool) {
    for job in waiting {
        let output = || if quiet { Stdio::null() } else { Stdio::inherit() };
        let mut command = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
        command.args(if cfg!(windows) { ["/C", &job.command] } else { ["-c", &job.command] });
        if !cfg!(windows) {
            command.args(["soundclassify", &job.time, &job.label]);
        }
        command
            .env("SOUNDCLASSIFY_TIME", &job.time)
            .env("SOUNDCLASSIFY_LABEL", &job.label)
            .env("SOUNDCLASSIFY_PROBABILITY", &job.probability)
            .stdin(Stdio::null())
            .stdout(if quiet { Stdio::null() } else { std::io::stderr().into() })
            .stderr(output());
        let failed = match command.status() {
            Ok(status) if status.success() => None,
            Ok(status) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = failed.filter(|_| !quiet) {
            output::note(format_args!("soundclassify: warning: --on {}={}: {why}", job.label, job.command));
        }
    }
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
        drop(commands);

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
}
