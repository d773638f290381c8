//! `portcullis schema`.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Subcommand;
use portcullis_client::{Client, v1};
use portcullis_schema::limit::TEXT_BYTES_MAX;
use portcullis_schema::{Schema, compile, diff, lint, print};
use serde_json::json;

use super::{revision, write_options};
use crate::args::{AsOf, Output, Write};
use crate::output;

/// `portcullis schema`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Give the tenant a schema, in place of an earlier one.
    Write {
        /// The file; `-` is standard input.
        file: PathBuf,
        #[command(flatten)]
        write: Write,
    },
    /// Print the schema of the tenant.
    Read {
        #[command(flatten)]
        as_of: AsOf,
    },
    /// Print what a schema would change.
    Diff {
        /// The file; `-` is standard input.
        file: PathBuf,
    },
    /// Print a schema in its canonical form; no server is needed.
    Fmt {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// Write it back into the file.
        #[arg(long)]
        write: bool,
    },
    /// Print what is unusual in a schema; no server is needed.
    Lint {
        /// The file; `-` is standard input.
        file: PathBuf,
    },
}

impl Command {
    /// Whether it works without a server.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Fmt { .. } | Self::Lint { .. } => true,
            Self::Write { .. } | Self::Read { .. } | Self::Diff { .. } => false,
        }
    }
}

/// Runs a command that needs a server.
pub(crate) async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Write { file, write } => {
            let request = v1::WriteSchemaRequest {
                tenant: String::new(),
                schema: sendable(&file)?,
                options: Some(write_options(write)),
            };
            let answer = client.write_schema(request).await?;
            output::one(output, &answer, |answer| {
                format!("written at revision {}", revision(answer.position.as_ref()))
            });
        }
        Command::Read { as_of } => {
            let request = v1::ReadSchemaRequest { tenant: String::new(), consistency: super::as_of(&as_of)? };
            let answer = client.read_schema(request).await?;
            output::one(output, &answer, |answer| answer.schema.trim_end().to_owned());
        }
        Command::Diff { file } => {
            let new = compiled(&file)?;
            let answer = client.read_schema(v1::ReadSchemaRequest::default()).await?;
            let old =
                compile(&answer.schema).map_err(|problems| anyhow!("the stored schema is not sound: {problems}"))?;
            let changes = diff(&old, &new);
            for change in &changes {
                let kind = change.kind.to_string();
                match output {
                    Output::Json => output::line(json!({
                        "change": kind, "takesAccess": change.takes_access, "orphans": change.orphans,
                    })),
                    Output::Table => {
                        let takes = if change.takes_access { "  (may take access away)" } else { "" };
                        let orphans = if change.orphans { "  (refused while relationships need it)" } else { "" };
                        output::line(format!("{kind}{takes}{orphans}"));
                    }
                }
            }
            if changes.is_empty() && output == Output::Table {
                output::line("nothing would change");
            }
        }
        Command::Fmt { .. } | Command::Lint { .. } => unreachable!("INVARIANT: these need no client"),
    }
    Ok(())
}

/// Runs a command that needs no server.
pub(crate) fn run_locally(output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Fmt { file, write } => {
            let text = print(&compiled(&file)?);
            if !write {
                output::line(text.trim_end());
            } else if file == Path::new("-") {
                bail!("standard input cannot be written back: leave out `--write`");
            } else {
                std::fs::write(&file, text).with_context(|| format!("`{}` cannot be written", file.display()))?;
            }
        }
        Command::Lint { file } => {
            let text = read(&file)?;
            let schema = compile(&text).map_err(|problems| anyhow!("`{}`: {problems}", file.display()))?;
            for warning in lint(&schema) {
                let (line, column) = warning.place.line_and_column(&text);
                match output {
                    Output::Json => output::line(json!({
                        "warning": warning.kind.name(), "message": warning.to_string(), "line": line, "column": column,
                    })),
                    Output::Table => output::line(format!("{}:{line}:{column}: {warning}", file.display())),
                }
            }
        }
        Command::Write { .. } | Command::Read { .. } | Command::Diff { .. } => {
            unreachable!("INVARIANT: these need a client")
        }
    }
    Ok(())
}

fn compiled(file: &Path) -> anyhow::Result<Schema> {
    compile(&read(file)?).map_err(|problems| anyhow!("`{}`: {problems}", file.display()))
}

/// The text of a schema that fits into a message; of a longer one the compiler says how long it may be.
fn sendable(file: &Path) -> anyhow::Result<String> {
    let text = read(file)?;
    if text.len() > TEXT_BYTES_MAX {
        compile(&text).map_err(|problems| anyhow!("`{}`: {problems}", file.display()))?;
    }
    Ok(text)
}

/// The text of a file, or of standard input.
pub(super) fn read(file: &Path) -> anyhow::Result<String> {
    let text =
        if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    text.with_context(|| format!("`{}` cannot be read", file.display()))
}
