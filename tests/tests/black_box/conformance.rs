//! What schemas and relationships mean, by validation files: each holds both and says what is to come of them.
//!
//! The files of `tests/conformance` are our own. `portcullis validate` has to agree with each of them, and so has every
//! node of a cluster, which is asked more: whatever can be asked about the objects of a file, as the evaluator answers it
//! without a cluster. What lies in `refused` beside them is wrong in one way each.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, anyhow, bail, ensure};
use portcullis_client::{Client, v1};
use portcullis_eval::memory::{Fact, Memory};
use portcullis_eval::{Budget, Circumstances, Query, check};
use portcullis_model::{
    Clock, Context, Object, PermissionName, Relationship, Subject, Timestamp, Tuple, TypeName, limit,
};
use portcullis_schema::{Schema, compile};
use portcullis_tests::Cluster;
use serde::{Deserialize, Deserializer};

use crate::shell::run_in;

/// Names the folder that holds a folder `spicedb` with further validation files.
pub(crate) const FOLDER: &str = "PORTCULLIS_CONFORMANCE";
/// How many lines a file has at most, so that it can be seen as a whole.
const LINES_MAX: usize = 100;
/// How many differences of one file are shown.
const SHOWN_MAX: usize = 10;
/// The reason of an answer that there is not because a condition could not be evaluated.
const CAVEAT_FAILED: &str = "CAVEAT_EVALUATION_FAILED";
/// An object of each type that no relationship names.
const STRANGER: &str = "a-stranger";

/// A validation file.
#[derive(Deserialize)]
pub(crate) struct File {
    pub(crate) schema: String,
    #[serde(default)]
    relationships: String,
    #[serde(default, deserialize_with = "or_none")]
    pub(crate) assertions: Assertions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Assertions {
    #[serde(rename = "assertTrue")]
    pub(crate) allowed: Vec<String>,
    #[serde(rename = "assertFalse")]
    pub(crate) denied: Vec<String>,
    #[serde(rename = "assertCaveated")]
    pub(crate) conditional: Vec<String>,
}

/// A file may say that there are no assertions by saying nothing after the word.
fn or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Assertions, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl File {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        serde_saphyr::from_str(&fs::read_to_string(path)?).map_err(|error| anyhow!("{}: {error}", path.display()))
    }
}

/// What can be asked, with the text of what is known for conditions.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) resource: Object,
    pub(crate) permission: PermissionName,
    pub(crate) subject: Subject,
    pub(crate) context: String,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allow,
    Deny,
    /// With the names of what is missing.
    Conditional(Vec<String>),
    /// A condition could not be evaluated.
    Error,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{} with `{}`", self.resource, self.permission, self.subject, self.context)
    }
}

/// The schema and relationships of a file, as they are now.
pub(crate) struct World {
    schema: Schema,
    /// As they are written in the file.
    lines: Vec<String>,
    pub(crate) tuples: Vec<Tuple>,
    memory: Memory,
    now: Timestamp,
}

impl World {
    pub(crate) fn new(file: &File) -> anyhow::Result<Self> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let now = Timestamp(i64::try_from(since.as_millis())?);
        let schema = compile(&file.schema).map_err(|problems| anyhow!("{problems}"))?;
        let mut memory = Memory::default();
        memory.put(&Fact::Schema(schema.clone()));
        let (mut lines, mut tuples) = (Vec::new(), Vec::new());
        let said = file.relationships.lines().map(str::trim);
        for line in said.filter(|line| !line.is_empty() && !line.starts_with("//")) {
            let tuple: Tuple = line.parse().with_context(|| format!("relationship `{line}`"))?;
            // A store takes away what has ended.
            if tuple.qualifier.expires.is_none_or(|expires| expires > now) {
                memory.put(&Fact::Tuple(tuple.clone()));
                lines.push(line.to_owned());
                tuples.push(tuple);
            }
        }
        Ok(Self { schema, lines, tuples, memory, now })
    }

    /// Whatever can be asked about the objects and usersets that the relationships name, under each of these contexts.
    pub(crate) fn questions(&self, contexts: &BTreeSet<String>) -> anyhow::Result<Vec<Question>> {
        let mut objects = BTreeSet::new();
        for definition in self.schema.definitions() {
            objects.insert(format!("{}:{STRANGER}", definition.name()).parse::<Object>()?);
        }
        let mut usersets = BTreeSet::new();
        for tuple in &self.tuples {
            let Relationship { resource, subject, .. } = &tuple.relationship;
            objects.insert(resource.clone());
            match subject {
                Subject::Wildcard(_) => {}
                Subject::Object(object) => _ = objects.insert(object.clone()),
                Subject::Userset { object, .. } => {
                    objects.insert(object.clone());
                    usersets.insert(subject.clone());
                }
            }
        }
        let subjects: Vec<Subject> = objects.iter().cloned().map(Subject::Object).chain(usersets).collect();
        let mut questions = Vec::new();
        for resource in &objects {
            for permission in self.permissions(&resource.object_type)? {
                for context in contexts {
                    questions.extend(subjects.iter().map(|subject| Question {
                        resource: resource.clone(),
                        permission: permission.clone(),
                        subject: subject.clone(),
                        context: context.clone(),
                    }));
                }
            }
        }
        Ok(questions)
    }

    fn permissions(&self, object_type: &TypeName) -> anyhow::Result<Vec<PermissionName>> {
        let members = self.schema.definition(object_type).into_iter().flat_map(portcullis_schema::Definition::members);
        members.map(|member| Ok(PermissionName::new(member.name())?)).collect()
    }

    /// What the evaluator says.
    pub(crate) fn answer(&self, question: &Question) -> anyhow::Result<Answer> {
        let clock = Some(Clock { reading: self.now, error_ms: 0 });
        let context: Option<Context> =
            Some(&question.context).filter(|text| !text.is_empty()).map(|text| text.parse()).transpose()?;
        let Question { resource, permission, subject, .. } = question;
        let is_late = || false;
        let circumstances = Circumstances { clock, context: context.as_ref() };
        let query = Query { subject, permission, resource };
        Ok(match check(&self.memory, query, circumstances, &Budget::new(&is_late)) {
            Ok(outcome) => match outcome.bounds.decided() {
                Some(true) => Answer::Allow,
                Some(false) => Answer::Deny,
                None => Answer::Conditional(outcome.missing.iter().map(ToString::to_string).collect()),
            },
            Err(portcullis_eval::Error::Caveat { .. }) => Answer::Error,
            Err(error) => return Err(error).with_context(|| question.to_string()),
        })
    }
}

/// The question of an assertion, `document:plan#view@user:alice with {"ip": "10.0.0.1"}`.
pub(crate) fn question(assertion: &str) -> anyhow::Result<Question> {
    let (asked, context) = assertion.split_once(" with ").unwrap_or((assertion, ""));
    let asked: Tuple = asked.trim().parse().with_context(|| format!("assertion `{assertion}`"))?;
    let permission = PermissionName::new(asked.relationship.relation.as_str())?;
    let (resource, subject) = (asked.relationship.resource, asked.relationship.subject);
    Ok(Question { resource, permission, subject, context: context.to_owned() })
}

/// The YAML files of a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(!paths.is_empty(), "no validation files in {}", folder.display());
    paths
}

pub(crate) fn ours() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// `portcullis validate` agrees with every file of a folder.
async fn assert_valid(folder: &Path) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for path in files(folder) {
        let ran = run_in(&[], &["validate", path.to_str().context("the path is UTF-8")?]).await?;
        if ran.status != Some(0) {
            failed.push(ran.stdout + &ran.stderr);
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// One tenant of a cluster, and a client of each node.
struct Asked<'a> {
    tenant: String,
    nodes: [&'a Client; 3],
}

impl Asked<'_> {
    async fn write(&self, file: &File, world: &World) -> anyhow::Result<()> {
        let [client, ..] = self.nodes;
        let tenant = self.tenant.clone();
        client.create_tenant(v1::CreateTenantRequest { id: tenant.clone(), ..Default::default() }).await?;
        let schema = file.schema.clone();
        client.write_schema(v1::WriteSchemaRequest { tenant: tenant.clone(), schema, options: None }).await?;
        let operation = v1::relationship_update::Operation::Create.into();
        let updates = world.lines.iter().cloned();
        let updates = updates.map(|relationship| v1::RelationshipUpdate { operation, relationship }).collect();
        client.write_relationships(v1::WriteRelationshipsRequest { tenant, updates, options: None }).await?;
        Ok(())
    }

    /// What one node says, question by question.
    async fn answers(&self, client: &Client, questions: &[Question]) -> anyhow::Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for asked in questions.chunks(limit::BATCH_CHECKS_MAX) {
            let items = asked.iter().map(|question| v1::CheckItem {
                subject: question.subject.to_string(),
                permission: question.permission.to_string(),
                resource: question.resource.to_string(),
                context: question.context.clone(),
            });
            let (tenant, items) = (self.tenant.clone(), items.collect());
            let answered = client.batch_check(v1::BatchCheckRequest { tenant, items, consistency: None }).await?;
            for result in answered.results {
                answers.push(match result.decision() {
                    v1::Decision::Allow => Answer::Allow,
                    v1::Decision::Deny => Answer::Deny,
                    v1::Decision::Conditional => Answer::Conditional(result.missing),
                    v1::Decision::Unspecified if result.error_reason == CAVEAT_FAILED => Answer::Error,
                    v1::Decision::Unspecified => bail!("{}: {}", result.error_reason, result.error_message),
                });
            }
        }
        ensure!(answers.len() == questions.len(), "{} answers to {}", answers.len(), questions.len());
        Ok(answers)
    }

    /// Where the nodes differ from what a file asserts, and from what the evaluator says.
    async fn differences(&self, file: &File, world: &World) -> anyhow::Result<Vec<String>> {
        let mut asserted = Vec::new();
        for (wanted, assertions) in [
            (v1::Decision::Allow, &file.assertions.allowed),
            (v1::Decision::Deny, &file.assertions.denied),
            (v1::Decision::Conditional, &file.assertions.conditional),
        ] {
            for assertion in assertions {
                asserted.push((wanted, question(assertion)?));
            }
        }
        let mut contexts: BTreeSet<String> = asserted.iter().map(|(_, question)| question.context.clone()).collect();
        contexts.insert(String::new());
        let mut questions: Vec<Question> = asserted.iter().map(|(_, question)| question.clone()).collect();
        questions.extend(world.questions(&contexts)?);
        let said = questions.iter().map(|question| world.answer(question)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut differences = Vec::new();
        for (nth, client) in self.nodes.iter().enumerate() {
            let answers = self.answers(client, &questions).await?;
            for ((wanted, question), answer) in asserted.iter().zip(&answers) {
                let is_wanted = match answer {
                    Answer::Allow => *wanted == v1::Decision::Allow,
                    Answer::Deny => *wanted == v1::Decision::Deny,
                    Answer::Conditional(_) => *wanted == v1::Decision::Conditional,
                    Answer::Error => false,
                };
                if !is_wanted {
                    differences.push(format!("node {}: {question} is {answer:?}, not {wanted:?}", nth + 1));
                }
            }
            for ((question, answer), said) in questions.iter().zip(&answers).zip(&said) {
                if answer != said {
                    differences.push(format!("node {}: {question} is {answer:?}, in process {said:?}", nth + 1));
                }
            }
        }
        Ok(differences)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_validation_files_are_valid() -> anyhow::Result<()> {
    assert_valid(&ours()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn further_validation_files_are_valid() -> anyhow::Result<()> {
    let Some(folder) = std::env::var_os(FOLDER) else {
        // Not by `eprintln`, which is not shown of tests that pass.
        writeln!(std::io::stderr(), "SKIPPED: further validation files: {FOLDER} does not name their folder")?;
        return Ok(());
    };
    assert_valid(&Path::new(&folder).join("spicedb")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused() -> anyhow::Result<()> {
    for path in files(&ours().join("refused")) {
        let text = fs::read_to_string(&path)?;
        let first = text.lines().next().unwrap_or_default();
        let says = first.strip_prefix("# refused: ").with_context(|| format!("{}: {first}", path.display()))?;
        run_in(&[], &["validate", path.to_str().context("the path is UTF-8")?]).await?.assert_refused(&[says]);
    }
    Ok(())
}

#[test]
fn every_file_says_what_it_is_about_on_one_page() -> anyhow::Result<()> {
    for path in [files(&ours()), files(&ours().join("refused"))].concat() {
        let text = fs::read_to_string(&path)?;
        assert!(text.starts_with("# ") && text.contains("\n---\n"), "{}", path.display());
        assert!(text.lines().count() <= LINES_MAX, "{}", path.display());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_answers_as_validation_files_say() -> anyhow::Result<()> {
    let cluster = Cluster::start_with_spilling_node(3).await?;
    let mut failed = Vec::new();
    for path in files(&ours()) {
        let tenant = path.file_stem().and_then(|stem| stem.to_str()).context("the name is UTF-8")?.to_owned();
        let file = File::read(&path)?;
        let world = World::new(&file).with_context(|| path.display().to_string())?;
        let asked = Asked { tenant, nodes: [cluster.client(1), cluster.client(2), cluster.client(3)] };
        asked.write(&file, &world).await.with_context(|| path.display().to_string())?;
        let differences = asked.differences(&file, &world).await.with_context(|| path.display().to_string())?;
        let shown = differences.into_iter().take(SHOWN_MAX);
        failed.extend(shown.map(|difference| format!("{}: {difference}", path.display())));
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    cluster.finish()
}
