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

/// Prints a line. A reader that wants no more, such as `head`, ends the command without complaint.
pub(crate) fn line(text: impl Display) {
    if writeln!(io::stdout(), "{text}").is_err() {
        std::process::exit(FAILED.into());
    }
}

/// Prints one message: as JSON, or as the lines that `people` makes of it.
pub(crate) fn one<M: Document>(output: Output, message: &M, people: impl FnOnce(&M) -> String) {
    match output {
        Output::Json => line(to_json(message)),
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
                line(to_json(message));
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
