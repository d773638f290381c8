//! `portcullis relationship`.

use std::path::PathBuf;

use clap::Subcommand;
use futures::TryStreamExt;
use portcullis_client::{Client, v1};
use portcullis_model::{Tuple, TupleFilter};
use portcullis_wire::wire_tuple_filter;
use v1::relationship_update::Operation;

use super::{import, revision, write_options};
use crate::args::{self, AsOf, Output, Write};
use crate::output;

/// `portcullis relationship`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create relationships; refused if one exists.
    Create {
        /// `group:eng#member@user:alice`, or with what it holds under, `…[caveat:{"k":"v"}][expiration:TIME]`.
        #[arg(required = true, value_parser = args::tuple)]
        relationships: Vec<Tuple>,
        #[command(flatten)]
        write: Write,
    },
    /// Create relationships, or replace what they hold under.
    Touch {
        /// `group:eng#member@user:alice`, or with what it holds under, `…[caveat:{"k":"v"}][expiration:TIME]`.
        #[arg(required = true, value_parser = args::tuple)]
        relationships: Vec<Tuple>,
        #[command(flatten)]
        write: Write,
    },
    /// Delete relationships.
    Delete {
        /// `group:eng#member@user:alice`, or with what it holds under, `…[caveat:{"k":"v"}][expiration:TIME]`.
        #[arg(required = true, value_parser = args::tuple)]
        relationships: Vec<Tuple>,
        #[command(flatten)]
        write: Write,
    },
    /// Delete every relationship that matches.
    DeleteBy {
        /// How many at most; where more match, nothing is deleted.
        #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
        limit: u32,
        /// Delete the first of them where more match.
        #[arg(long)]
        partial: bool,
        /// `type[:id][#relation][@subject]`; `*` is any type, and `…` any id, any end of one, or any relation:
        /// `document:plan…`, `*@user:…`, `*@group:…#…`.
        #[arg(value_parser = args::filter)]
        filter: TupleFilter,
        #[command(flatten)]
        write: Write,
    },
    /// List relationships that match.
    Read {
        /// `type[:id][#relation][@subject]`; `*` is any type, and `…` any id, any end of one, or any relation:
        /// `document:plan…`, `*@user:…`, `*@group:…#…`.
        #[arg(value_parser = args::filter)]
        filter: TupleFilter,
        #[command(flatten)]
        as_of: AsOf,
    },
    /// Create the relationships of a file, one a line, or leave them as they are.
    Import {
        /// The file; `-` is standard input.
        file: PathBuf,
        #[command(flatten)]
        write: Write,
    },
    /// List all relationships, one a line, as `import` reads them.
    Export {
        #[command(flatten)]
        as_of: AsOf,
    },
}

/// Runs the command.
pub(crate) async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create { relationships, write } => {
            update(client, output, Operation::Create, &relationships, write).await
        }
        Command::Touch { relationships, write } => {
            update(client, output, Operation::Touch, &relationships, write).await
        }
        Command::Delete { relationships, write } => {
            update(client, output, Operation::Delete, &relationships, write).await
        }
        Command::DeleteBy { limit, partial, filter, write } => {
            let request = v1::DeleteRelationshipsRequest {
                tenant: String::new(),
                filter: Some(wire_tuple_filter(&filter)),
                options: Some(write_options(write)),
                limit,
                allow_partial: partial,
            };
            let answer = client.delete_relationships(request).await?;
            output::one(output, &answer, |answer| {
                let more = if answer.more { ", more match" } else { "" };
                format!("{} deleted at revision {}{more}", answer.deleted, revision(answer.position.as_ref()))
            });
            Ok(())
        }
        Command::Read { filter, as_of } => read(client, output, &filter, &as_of).await,
        Command::Import { file, write } => import::run(client, output, &file, write).await,
        Command::Export { as_of } => export(client, output, &as_of).await,
    }
}

async fn update(
    client: &Client,
    output: Output,
    operation: Operation,
    relationships: &[Tuple],
    write: Write,
) -> anyhow::Result<()> {
    let update = |relationship: &Tuple| v1::RelationshipUpdate {
        operation: operation.into(),
        relationship: relationship.to_string(),
    };
    let request = v1::WriteRelationshipsRequest {
        tenant: String::new(),
        updates: relationships.iter().map(update).collect(),
        options: Some(write_options(write)),
    };
    let answer = client.write_relationships(request).await?;
    output::one(output, &answer, |answer| {
        let at = revision(answer.position.as_ref());
        format!("{} created, {} deleted at revision {at}", answer.created, answer.deleted)
    });
    Ok(())
}

/// Prints all relationships as they were at one revision, as they come.
async fn export(client: &Client, output: Output, as_of: &AsOf) -> anyhow::Result<()> {
    let consistency = super::as_of(as_of)?;
    let request = v1::ExportRelationshipsRequest { consistency, ..v1::ExportRelationshipsRequest::default() };
    let mut messages = client.export_relationships(request).await?;
    while let Some(message) = messages.try_next().await? {
        message.relationships.iter().for_each(|relationship| print(output, relationship));
    }
    Ok(())
}

fn print(output: Output, relationship: &str) {
    match output {
        Output::Json => output::line(serde_json::json!({ "relationship": relationship })),
        Output::Table => output::line(relationship),
    }
}

async fn read(client: &Client, output: Output, filter: &TupleFilter, as_of: &AsOf) -> anyhow::Result<()> {
    let (filter, consistency) = (Some(wire_tuple_filter(filter)), super::as_of(as_of)?);
    let mut request = v1::ReadRelationshipsRequest { filter, consistency, ..v1::ReadRelationshipsRequest::default() };
    loop {
        let page = client.read_relationships(request.clone()).await?;
        page.relationships.iter().for_each(|relationship| print(output, relationship));
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}
