//! `portcullis relationship import`: a file of relationships, in as many writes as it takes.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use indicatif::ProgressBar;
use portcullis_client::{Client, v1};
use portcullis_model::{Tuple, limit};
use v1::relationship_update::Operation;

use super::{revision, write_options};
use crate::args::{Output, Write};
use crate::output;

/// Reads all of a file before anything is written, so that a line that is wrong changes nothing.
pub(crate) async fn run(client: &Client, output: Output, file: &Path, write: Write) -> anyhow::Result<()> {
    let text = read(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    let relationships = parse(&text).with_context(|| format!("`{}`; nothing was written", file.display()))?;
    if relationships.is_empty() {
        bail!("`{}` holds no relationship: give one a line, such as `group:eng#member@user:alice`", file.display());
    }
    let progress = ProgressBar::new(relationships.len() as u64);
    let mut total = v1::WriteRelationshipsResponse::default();
    for (nth, relationships) in relationships.chunks(limit::UPDATES_MAX).enumerate() {
        let request = v1::WriteRelationshipsRequest {
            updates: relationships.iter().map(touch).collect(),
            options: Some(write_options(part(&write, nth))),
            ..v1::WriteRelationshipsRequest::default()
        };
        let answer = client.write_relationships(request).await.map_err(|error| {
            let done = progress.position();
            anyhow!("{error}; {done} relationships are written: run it again, what exists is left as it is")
        })?;
        total = v1::WriteRelationshipsResponse { created: total.created + answer.created, ..answer };
        progress.inc(relationships.len() as u64);
    }
    progress.finish_and_clear();
    output::one(output, &total, |total| {
        let (read, at) = (relationships.len(), revision(total.position.as_ref()));
        format!("{read} read, {} created at revision {at}", total.created)
    });
    Ok(())
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}

/// One relationship a line; empty lines and those that begin with `#` or `//` say nothing.
fn parse(text: &str) -> anyhow::Result<Vec<Tuple>> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let says_something = |line: &str| !(line.is_empty() || line.starts_with('#') || line.starts_with("//"));
    let parse =
        |(number, line): (usize, &str)| line.parse::<Tuple>().with_context(|| format!("line {number}, `{line}`"));
    lines.filter(|(_, line)| says_something(line)).map(parse).collect()
}

/// Each write has a name of its own, so that a repeated import repeats each of them.
fn part(write: &Write, nth: usize) -> Write {
    let key = write.idempotency_key.as_ref().map(|key| format!("{key}-{nth}"));
    Write { idempotency_key: key, ..write.clone() }
}

fn touch(relationship: &Tuple) -> v1::RelationshipUpdate {
    v1::RelationshipUpdate { operation: Operation::Touch.into(), relationship: relationship.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wrong_is_named() {
        let text = "# people\n\n  group:eng#member@user:alice\n// more\ndocument:plan#parent@folder:q3";
        assert_eq!(parse(text).unwrap().len(), 2);
        let error = format!("{:#}", parse("group:eng#member@user:alice\ngroup:eng@user:bob").unwrap_err());
        assert!(error.starts_with("line 2, `group:eng@user:bob`: "), "{error}");
    }
}
