//! What commands print, and what they exit with.

use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use portcullis_wire::json::{Document, to_json};

use crate::args::Output;

/// The exit status of a command that was refused or failed.
pub(crate) const FAILED: u8 = 2;
/// The exit status of a check that was denied.
pub(crate) const DENIED: u8 = 1;
/// The exit status of a check that depends on parameters.
pub(crate) const CONDITIONAL: u8 = 3;

/// Prints a line, or ends the command. A reader that wants no more, such as `head`, is no reason to complain.
pub(crate) fn line(text: impl Display) {
    if let Err(error) = writeln!(io::stdout(), "{text}") {
        if error.kind() != io::ErrorKind::BrokenPipe {
            eprintln!("error: standard output cannot be written: {error}");
        }
        std::process::exit(FAILED.into());
    }
}

/// Prints a message as JSON, or ends the command where it has no form in JSON.
fn json<M: Document>(message: &M) {
    match to_json(message) {
        Ok(json) => line(json),
        Err(error) => {
            eprintln!("error: {:#}", anyhow::Error::new(error));
            std::process::exit(FAILED.into());
        }
    }
}

/// Prints one message: as JSON, or as the lines that `people` makes of it.
pub(crate) fn one<M: Document>(output: Output, message: &M, people: impl FnOnce(&M) -> String) {
    match output {
        Output::Json => json(message),
        Output::Table => line(people(message)),
    }
}

/// Prints a list: a JSON document a line, or a table.
pub(crate) fn many<M: Document>(
    output: Output,
    messages: &[M],
    header: &[&str],
    mut row: impl FnMut(&M) -> Vec<String>,
) {
    match output {
        Output::Json => {
            for message in messages {
                json(message);
            }
        }
        Output::Table => {
            let mut table = Table::new();
            table.load_preset(NOTHING).set_header(header.iter().map(|name| name.to_uppercase()));
            for message in messages {
                table.add_row(row(message));
            }
            line(table.trim_fmt());
        }
    }
}
