//! What commands print, and what they exit with.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use portcullis_wire::json::{Document, to_json};

use crate::args::Output;

/// The exit status of a command that was refused or failed.
pub(crate) const FAILED: u8 = 2;
/// The exit status of a check that was denied.
pub(crate) const DENIED: u8 = 1;

/// Prints one message: as JSON, or as the lines that `people` makes of it.
pub(crate) fn one<M: Document>(output: Output, message: &M, people: impl FnOnce(&M) -> String) {
    match output {
        Output::Json => println!("{}", to_json(message)),
        Output::Table => println!("{}", people(message)),
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
                println!("{}", to_json(message));
            }
        }
        Output::Table => {
            let mut table = Table::new();
            table.load_preset(NOTHING).set_header(header.iter().map(|name| name.to_uppercase()));
            for message in messages {
                table.add_row(row(message));
            }
            println!("{}", table.trim_fmt());
        }
    }
}
