//! `portcullis validate`: SpiceDB's validation files, in this process and without a server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use portcullis_eval::memory::{Fact, Memory};
use portcullis_eval::{Budget, Circumstances, Query, check};
use portcullis_machine::command::check_tuple;
use portcullis_model::{Clock, Context, Object, PermissionName, Subject, Timestamp, Tuple};
use portcullis_schema::{Schema, compile};
use serde::Deserialize;

use super::{expected, schema};
use crate::args::Output;
use crate::output;

/// A validation file, as far as we know it.
#[derive(Debug, Deserialize)]
struct File {
    schema: Option<String>,
    /// The name of a file beside it.
    #[serde(rename = "schemaFile")]
    schema_beside: Option<PathBuf>,
    #[serde(default)]
    relationships: Option<String>,
    #[serde(default)]
    assertions: Option<Assertions>,
    /// Expected relations: for each, who has it and by what.
    #[serde(default)]
    validation: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Assertions {
    #[serde(rename = "assertTrue")]
    allowed: Option<Vec<String>>,
    #[serde(rename = "assertFalse")]
    denied: Option<Vec<String>>,
    #[serde(rename = "assertCaveated")]
    conditional: Option<Vec<String>>,
}

/// Validates files, and says where they differ from what they expect.
pub(crate) fn run(output: Output, files: &[PathBuf], now: Timestamp) -> anyhow::Result<ExitCode> {
    let mut failed = false;
    for file in files {
        let found = validate(file, now).with_context(|| format!("`{}`", file.display()))?;
        failed |= !found.differences.is_empty();
        match output {
            Output::Json => output::line(serde_json::json!({
                "file": file, "assertions": found.assertions, "differences": found.differences,
            })),
            Output::Table => {
                let verdict = if found.differences.is_empty() { "ok" } else { "FAILED" };
                output::line(format!("{}: {verdict}, {} assertions", file.display(), found.assertions));
                for difference in &found.differences {
                    output::line(format!("  {difference}"));
                }
            }
        }
    }
    Ok(if failed { ExitCode::from(output::FAILED) } else { ExitCode::SUCCESS })
}

/// What came of one file.
struct Found {
    assertions: usize,
    differences: Vec<String>,
}

fn validate(path: &Path, now: Timestamp) -> anyhow::Result<Found> {
    let file: File = serde_saphyr::from_str(&schema::read(path)?)
        .map_err(|error| anyhow!("it is not a validation file: {error}"))?;
    let text = match (file.schema, file.schema_beside) {
        (Some(text), _) => text,
        (None, Some(beside)) => schema::read(&path.parent().unwrap_or(Path::new("")).join(beside))?,
        (None, None) => bail!("it has no schema: give `schema`, or `schemaFile` with the name of a file beside it"),
    };
    let schema = compile(&text).map_err(|problems| anyhow!("{problems}"))?;
    let world = World::new(&schema, &tuples(&file.relationships.unwrap_or_default())?, now)?;
    let mut found = Found { assertions: 0, differences: Vec::new() };
    let assertions = file.assertions.unwrap_or_default();
    for (expected, asserted) in [
        (Verdict::Allow, assertions.allowed),
        (Verdict::Deny, assertions.denied),
        (Verdict::Conditional, assertions.conditional),
    ] {
        for assertion in asserted.unwrap_or_default() {
            found.assertions += 1;
            found.differences.extend(world.assert(expected, &assertion)?);
        }
    }
    let singles = world.without_wildcards(&schema)?;
    for (relation, expected) in file.validation.unwrap_or_default() {
        found.assertions += 1;
        found.differences.extend(expected::compare(&world, &singles, &relation, &expected)?);
    }
    Ok(found)
}

/// The relationships of a file, one a line; empty lines and comments say nothing.
fn tuples(text: &str) -> anyhow::Result<Vec<Tuple>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.map(|line| line.parse::<Tuple>().with_context(|| format!("relationship `{line}`"))).collect()
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    Deny,
    Conditional,
}

/// A schema and relationships.
pub(super) struct World {
    memory: Memory,
    pub(super) tuples: Vec<Tuple>,
    now: Timestamp,
}

impl World {
    /// Relationships that have ended by now are not part of it.
    fn new(schema: &Schema, tuples: &[Tuple], now: Timestamp) -> anyhow::Result<Self> {
        let mut memory = Memory::default();
        memory.put(&Fact::Schema(schema.clone()));
        let lasting = |tuple: &&Tuple| tuple.qualifier.expires.is_none_or(|expires| expires > now);
        let tuples: Vec<Tuple> = tuples.iter().filter(lasting).cloned().collect();
        for tuple in &tuples {
            check_tuple(schema, tuple).map_err(|refusal| anyhow!("{refusal}"))?;
            memory.put(&Fact::Tuple(tuple.clone()));
        }
        Ok(Self { memory, tuples, now })
    }

    /// The same without what is said of all objects of a type at once.
    fn without_wildcards(&self, schema: &Schema) -> anyhow::Result<Self> {
        let single = |tuple: &&Tuple| !matches!(tuple.relationship.subject, Subject::Wildcard(_));
        let tuples: Vec<Tuple> = self.tuples.iter().filter(single).cloned().collect();
        Self::new(schema, &tuples, self.now)
    }

    pub(super) fn check(
        &self,
        subject: &Subject,
        permission: &PermissionName,
        resource: &Object,
        context: Option<&Context>,
    ) -> anyhow::Result<Verdict> {
        let clock = Some(Clock { reading: self.now, error_ms: 0 });
        let is_late = || false;
        let query = Query { subject, permission, resource };
        let outcome = check(&self.memory, query, Circumstances { clock, context }, &Budget::new(&is_late))?;
        Ok(match outcome.bounds.decided() {
            Some(true) => Verdict::Allow,
            Some(false) => Verdict::Deny,
            None => Verdict::Conditional,
        })
    }

    /// Where an assertion does not hold: `document:plan#view@user:alice with {"ip": "10.0.0.1"}`.
    fn assert(&self, expected: Verdict, assertion: &str) -> anyhow::Result<Option<String>> {
        let (question, context) = match assertion.split_once(" with ") {
            Some((question, context)) => (question, Some(context)),
            None => (assertion, None),
        };
        let context: Option<Context> =
            context.map(str::parse).transpose().with_context(|| format!("assertion `{assertion}`"))?;
        let asked: Tuple = question.trim().parse().with_context(|| format!("assertion `{assertion}`"))?;
        let permission = PermissionName::new(asked.relationship.relation.as_str())?;
        let (subject, resource) = (&asked.relationship.subject, &asked.relationship.resource);
        let verdict = self.check(subject, &permission, resource, context.as_ref());
        let verdict = verdict.with_context(|| format!("assertion `{assertion}`"))?;
        Ok((verdict != expected).then(|| format!("- {expected:?} {assertion}\n  + {verdict:?}")))
    }
}
