// SPDX-License-Identifier: MIT OR Apache-2.0
//! Completion scripts and the manual page, made of the command line itself.

use std::io::{self, Write};

use clap::Command;
use clap_complete::Shell;

use crate::{
    args,
    exit::{Exit, Failure, Result},
};

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "soundclassify", &mut script);
    print(&script)
}

/// Prints the manual page, a section for each command.
pub(crate) fn man() -> Result<Exit> {
    let mut command = args::command();
    command.build();
    let mut page = Vec::new();
    sections(&command, &mut page).map_err(|error| Failure::output(&error))?;
    print(&page)
}

fn sections(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    let told = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    for subcommand in command.get_subcommands().filter(told) {
        let man = clap_mangen::Man::new(subcommand.clone());
        writeln!(page, ".SH {}", subcommand.get_name().to_uppercase())?;
        man.render_synopsis_section(page)?;
        man.render_description_section(page)?;
        man.render_options_section(page)?;
    }
    man.render_extra_section(page)?;
    man.render_version_section(page)
}

fn print(text: &[u8]) -> Result<Exit> {
    let mut out = io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Success)
}
