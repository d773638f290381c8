//! `portcullis relationship import`: a file of relationships, in as many writes as it takes.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use futures::{StreamExt, stream};
use indicatif::ProgressBar;
use portcullis_client::{Client, v1};
use portcullis_model::{Relationship, Tuple, limit};

use super::{revision, write_options};
use crate::args::{Output, Write};
use crate::output;

/// How many relationships a message holds.
const PIECE: usize = limit::UPDATES_MAX;

/// Reads all of a file before anything is written, so that a line that is wrong changes nothing.
pub(crate) async fn run(client: &Client, output: Output, file: &Path, write: Write) -> anyhow::Result<()> {
    let text = read(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    let relationships = parse(&text).with_context(|| format!("`{}`; nothing was written", file.display()))?;
    if relationships.is_empty() {
        bail!("`{}` holds no relationship: give one a line, such as `group:eng#member@user:alice`", file.display());
    }
    let progress = ProgressBar::new(relationships.len() as u64);
    let message = |relationships: &[Tuple]| v1::ImportRelationshipsRequest {
        options: Some(write_options(write.clone())),
        relationships: relationships.iter().map(ToString::to_string).collect(),
        ..v1::ImportRelationshipsRequest::default()
    };
    let messages: Vec<_> = relationships.chunks(PIECE).map(message).collect();
    let mut told = client.import_relationships(stream::iter(messages)).await?;
    let mut last = v1::ImportRelationshipsResponse::default();
    while let Some(message) = told.next().await {
        last = message.map_err(|error| {
            let done = progress.position();
            anyhow!("{error}; at least {done} relationships are written: run it again, what exists is left as it is")
        })?;
        progress.set_position(last.written);
    }
    progress.finish_and_clear();
    output::one(output, &last, |last| {
        let at = revision(last.position.as_ref());
        format!("{} read, {} created at revision {at}", last.written, last.created)
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

/// One relationship a line; empty lines and those that begin with `#` or `//` say nothing. Of what is said of a relationship
/// more than once, the last counts.
fn parse(text: &str) -> anyhow::Result<Vec<Tuple>> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let says_something = |line: &str| !(line.is_empty() || line.starts_with('#') || line.starts_with("//"));
    let mut tuples: BTreeMap<Relationship, Tuple> = BTreeMap::new();
    for (number, line) in lines.filter(|(_, line)| says_something(line)) {
        let tuple: Tuple = line.parse().with_context(|| format!("line {number}, `{line}`"))?;
        tuples.insert(tuple.relationship.clone(), tuple);
    }
    Ok(tuples.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wrong_is_named() {
        let text = "# people\n\n  group:eng#member@user:alice\n// more\ndocument:plan#parent@folder:q3";
        assert_eq!(parse(text).unwrap().len(), 2);
        let twice = parse("group:eng#member@user:alice[c]\ngroup:eng#member@user:alice[d]").unwrap();
        assert_eq!(twice, ["group:eng#member@user:alice[d]".parse().unwrap()]);
        let error = format!("{:#}", parse("group:eng#member@user:alice\ngroup:eng@user:bob").unwrap_err());
        assert!(error.starts_with("line 2, `group:eng@user:bob`: "), "{error}");
    }
}
