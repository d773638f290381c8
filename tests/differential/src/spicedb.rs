//! What SpiceDB says, through `driver.py`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use portcullis_model::{Context, Object, Subject, Tuple};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::questions::Questions;
use crate::world::{Source, World};

const DRIVER: &str = include_str!("../driver.py");

/// The driver, running. It ends when it is dropped.
pub(crate) struct SpiceDb {
    process: Child,
    /// There until it ends.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What is said of a world. What is refused leaves nothing else to say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answers {
    /// Why the schema is refused.
    pub(crate) schema: Option<String>,
    /// Why the relationships are refused.
    pub(crate) relationships: Option<String>,
    /// By context, within that by subject, within that by resource.
    pub(crate) checks: Vec<Answer>,
    pub(crate) resource_lookups: Vec<Lookup>,
    pub(crate) subject_lookups: Vec<Lookup>,
}

/// What came of a lookup.
#[derive(Debug, Deserialize)]
pub(crate) enum Lookup {
    /// What was found; one id may be there twice.
    Found(Vec<Row>),
    Error(String),
}

/// An id, what is said of it, and of a wildcard its exceptions.
pub(crate) type Row = (String, Answer, Vec<(String, Answer)>);

impl SpiceDb {
    pub(crate) fn start(python: &str) -> Result<Self> {
        let mut command = Command::new(python);
        command.args(["-c", DRIVER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("cannot start `{python}`"))?;
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("the driver has no output")?);
        Ok(Self { process, questions, answers })
    }

    pub(crate) fn ask(&mut self, world: &World, questions: &Questions) -> Result<Answers> {
        self.ask_about(&world.text_for_spicedb(), world, questions)
    }

    /// Asks about a world with another text of its schema.
    pub(crate) fn ask_about(&mut self, text: &str, world: &World, questions: &Questions) -> Result<Answers> {
        let resources = questions.resources.iter();
        let resources: Vec<Value> =
            resources.map(|(object, permission)| json!([object.object_type, object.key, permission])).collect();
        let resource_lookups = questions.resource_lookups.iter();
        let resource_lookups: Vec<Value> = resource_lookups
            .map(|one| json!([one.object_type, one.permission, subject(&one.subject), one.context]))
            .collect();
        let subject_lookups = questions.subject_lookups.iter().map(|one| {
            let Object { object_type, key } = &one.resource;
            let relation = one.subject_relation.as_ref().map_or("", |relation| relation.as_str());
            json!([[object_type, key, one.permission], one.subject_type, relation, one.context])
        });
        let line = json!({
            "schema": text,
            "has_loop": world.has_loop(),
            "types": types(&world.source),
            "relationships": world.tuples.iter().map(relationship).collect::<Vec<_>>(),
            "contexts": questions.contexts.iter().map(fields).collect::<Vec<_>>(),
            "resources": resources,
            "subjects": questions.subjects.iter().map(subject).collect::<Vec<_>>(),
            "resource_lookups": resource_lookups,
            "subject_lookups": subject_lookups.collect::<Vec<_>>(),
        });
        let questions = self.questions.as_mut().context("the driver has no input")?;
        writeln!(questions, "{line}").context("the driver has ended")?;
        let mut answers = String::new();
        self.answers.read_line(&mut answers).context("the driver does not answer")?;
        if answers.is_empty() {
            bail!("the driver ended with {}", self.process.wait()?);
        }
        serde_json::from_str(&answers).with_context(|| format!("the driver answers with `{answers}`"))
    }
}

impl Drop for SpiceDb {
    fn drop(&mut self) {
        drop(self.questions.take());
        // One that has ended already is what is wanted.
        drop(self.process.wait());
    }
}

fn types(source: &Source) -> Vec<&str> {
    match source {
        Source::Sound(schema) => schema.definitions.iter().map(|one| one.name.as_str()).collect(),
        Source::Damaged(_) => Vec::new(),
    }
}

fn relationship(tuple: &Tuple) -> Value {
    let Tuple { relationship, qualifier } = tuple;
    json!({
        "resource": [relationship.resource.object_type, relationship.resource.key],
        "relation": relationship.relation,
        "subject": subject(&relationship.subject),
        "caveat": qualifier.caveat.as_ref().map(|caveat| &caveat.name),
        "context": qualifier.caveat.as_ref().map(|caveat| fields(&caveat.context)),
        "expires": qualifier.expires.map(|end| end.to_string()),
    })
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::Object(object) => json!([object.object_type, object.key, ""]),
        Subject::Userset { object, relation } => json!([object.object_type, object.key, relation]),
        Subject::Wildcard(object_type) => json!([object_type, "*", ""]),
    }
}

fn fields(context: &Context) -> Value {
    serde_json::from_str(&context.to_string()).expect("INVARIANT: a context prints as JSON")
}
