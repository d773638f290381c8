//! What commands print.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints a line. A reader that wants no more, such as `head`, is no reason to complain, nor to leave anything undone.
pub(super) fn line(text: impl Display) {
    if let Err(error) = writeln!(io::stdout(), "{text}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("jepsen: error: standard output cannot be written: {error}");
    }
}
