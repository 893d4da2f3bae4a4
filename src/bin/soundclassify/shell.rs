// SPDX-License-Identifier: MIT OR Apache-2.0
//! Completion scripts and the manual page, made of the command line itself.

use std::io::{self, Write};

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
    let render = clap_mangen::Man::new(command.clone()).render(&mut page);
    let render = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_fold((), |(), subcommand| {
            let man = clap_mangen::Man::new(subcommand.clone());
            writeln!(page, ".SH {}", subcommand.get_name().to_uppercase())?;
            man.render_synopsis_section(&mut page)?;
            man.render_description_section(&mut page)?;
            man.render_options_section(&mut page)
        })
        .and(render);
    render.map_err(|error| Failure::output(&error))?;
    print(&page)
}

fn print(text: &[u8]) -> Result<Exit> {
    io::stdout().lock().write_all(text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Success)
}
