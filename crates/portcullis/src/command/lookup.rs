//! `portcullis lookup`.

use futures::TryStreamExt;
use portcullis_client::{Client, v1};

use super::consistency;
use crate::args::{Consistency, Lookup, Mode, Output, Part};
use crate::output;

/// Looks up what is allowed, and prints it as it is found.
pub(crate) async fn run(client: &Client, output: Output, lookup: Lookup) -> anyhow::Result<()> {
    match lookup {
        Lookup::Permissions { subject, resource, context, consistency: given } => {
            let request = v1::LookupPermissionsRequest {
                tenant: String::new(),
                subject: subject.to_string(),
                resource: resource.to_string(),
                consistency: consistency(given)?,
                context: context.unwrap_or_default(),
            };
            let answer = client.lookup_permissions(request).await?;
            output::one(output, &answer, permissions);
            Ok(())
        }
        Lookup::Resources { subject, permission, object_type, part } => {
            let Part { context, limit, cursor, consistency: given } = part;
            let request = v1::LookupResourcesRequest {
                tenant: String::new(),
                subject: subject.to_string(),
                permission,
                resource_type: object_type.to_string(),
                consistency: first_fresh(given, cursor.as_deref())?,
                context: context.unwrap_or_default(),
                page_size: limit.map_or(0, Into::into),
                page_token: cursor.unwrap_or_default(),
            };
            let mut found = client.lookup_resources(request).await?;
            let mut end = End::new(limit.is_some());
            while let Some(message) = found.try_next().await.map_err(|error| end.cut_off(error))? {
                for one in &message.resources {
                    output::one(output, one, |one| with_missing(&one.resource, &one.missing));
                }
                end.reached(message.next_page_token);
            }
            end.tell();
            Ok(())
        }
        Lookup::Subjects { permission, resource, subject_type, part } => {
            let Part { context, limit, cursor, consistency: given } = part;
            let request = v1::LookupSubjectsRequest {
                tenant: String::new(),
                permission,
                resource: resource.to_string(),
                subject_type,
                consistency: first_fresh(given, cursor.as_deref())?,
                context: context.unwrap_or_default(),
                page_size: limit.map_or(0, Into::into),
                page_token: cursor.unwrap_or_default(),
            };
            let mut found = client.lookup_subjects(request).await?;
            let mut end = End::new(limit.is_some());
            while let Some(message) = found.try_next().await.map_err(|error| end.cut_off(error))? {
                for one in &message.subjects {
                    output::one(output, one, subject);
                }
                end.reached(message.next_page_token);
            }
            end.tell();
            Ok(())
        }
    }
}

/// How fresh a lookup has to be. One that goes on behind a cursor is as of its revision, unless something else was asked for,
/// which is then refused.
fn first_fresh(given: Consistency, cursor: Option<&str>) -> anyhow::Result<Option<v1::Consistency>> {
    if cursor.is_some() && given.at.is_none() && given.mode == Mode::Linearizable {
        return Ok(None);
    }
    consistency(given)
}

/// How far a lookup has come.
struct End {
    is_limited: bool,
    cursor: String,
}

impl End {
    fn new(is_limited: bool) -> Self {
        Self { is_limited, cursor: String::new() }
    }

    fn reached(&mut self, cursor: String) {
        self.cursor = cursor;
    }

    /// Says where to go on; not among what was found, so that a program does not take it for that.
    fn tell(&self) {
        if self.is_limited && !self.cursor.is_empty() {
            eprintln!("more may follow: --cursor {}", self.cursor);
        }
    }

    fn cut_off(&self, error: portcullis_client::Error) -> anyhow::Error {
        let error = anyhow::Error::from(error);
        if self.cursor.is_empty() {
            return error;
        }
        error.context(format!("not all was found; to go on, as of the same revision: --cursor {}", self.cursor))
    }
}

fn permissions(answer: &v1::LookupPermissionsResponse) -> String {
    let mut names = answer.permissions.clone();
    names.extend(answer.conditional.iter().map(|one| with_missing(&one.permission, &one.missing)));
    names.extend(answer.all.then(|| "*".to_owned()));
    if names.is_empty() { "nothing".to_owned() } else { names.join("\n") }
}

fn subject(found: &v1::FoundSubject) -> String {
    let text = with_missing(&found.subject, &found.missing);
    if found.excluded.is_empty() {
        return text;
    }
    let excluded = found.excluded.iter().map(|one| with_missing(&one.subject, &one.missing));
    format!("{text} but not {}", excluded.collect::<Vec<_>>().join(", "))
}

fn with_missing(name: &str, missing: &[String]) -> String {
    if missing.is_empty() { name.to_owned() } else { format!("{name} (missing: {})", missing.join(", ")) }
}
