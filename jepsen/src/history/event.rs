//! A call in the words of its workload.
//!
//! What is asked and what is answered are types of the workload; in the history they are values with a name, so a new workload
//! changes neither the format nor what reads it. Whoever judges takes them back into its types, once, by [`History::told`].

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::History;

/// A call of a client, as the history has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The client.
    pub client: u32,
    /// The node that was called.
    pub node: u64,
    /// What was asked, by its name.
    pub f: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// Whether it changes anything.
    pub writes: bool,
    /// When.
    pub invoked_us: u64,
    /// When the client heard of the outcome, or gave up.
    pub completed_us: u64,
    /// What came of it.
    #[serde(flatten)]
    pub came: Came,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Came {
    /// It was carried out, or answered.
    Ok {
        /// The answer, if there is more to say than that.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        answer: Value,
        /// Where in the log: of a write, where it took place; of a read, where its answer was true.
        revision: u64,
    },
    /// It did not take place, and never will.
    Fail {
        /// The documented reason, or empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// What the node, or the client library, said.
        error: String,
    },
    /// It may have taken place, may do so later, or may never.
    Unknown {
        /// What the node, or the client library, said.
        error: String,
    },
}

/// What is asked, as a workload has it: an enum with a tag `f` and a content `value`.
pub trait Deed: Serialize + DeserializeOwned {
    /// What is answered.
    type Answer: Serialize + DeserializeOwned;

    /// Whether it changes anything.
    fn writes(&self) -> bool;
}

/// A call of a client, in the types of its workload.
#[derive(Clone, Debug)]
pub struct Told<'a, D: Deed> {
    /// What was asked.
    pub deed: D,
    /// The answer, if there was one.
    pub answer: Option<D::Answer>,
    /// The call as the history has it, with its times.
    pub event: &'a Event,
}

/// Why a call makes no sense to a judge.
#[derive(Debug, thiserror::Error)]
#[error("the call of client {client} that was invoked at {invoked_us} us is none of this workload")]
pub struct Foreign {
    client: u32,
    invoked_us: u64,
    #[source]
    source: serde_json::Error,
}

impl History {
    /// The calls in the types of a workload, in the order of their invocations.
    pub fn told<D: Deed>(&self) -> Result<Vec<Told<'_, D>>, Foreign> {
        self.events.iter().map(Event::told).collect()
    }
}

impl Event {
    fn told<D: Deed>(&self) -> Result<Told<'_, D>, Foreign> {
        let foreign = |source| Foreign { client: self.client, invoked_us: self.invoked_us, source };
        let asked =
            if self.value.is_null() { json!({ "f": self.f }) } else { json!({ "f": self.f, "value": self.value }) };
        let deed = serde_json::from_value(asked).map_err(foreign)?;
        let answer = match &self.came {
            Came::Ok { answer, .. } => Some(serde_json::from_value(answer.clone()).map_err(foreign)?),
            Came::Fail { .. } | Came::Unknown { .. } => None,
        };
        Ok(Told { deed, answer, event: self })
    }

    /// When it had taken effect at the latest, if it ever does.
    pub fn until_us(&self) -> u64 {
        match self.came {
            Came::Ok { .. } | Came::Fail { .. } => self.completed_us,
            Came::Unknown { .. } => u64::MAX,
        }
    }

    /// The revision, if there was an answer.
    pub fn revision(&self) -> Option<u64> {
        match self.came {
            Came::Ok { revision, .. } => Some(revision),
            Came::Fail { .. } | Came::Unknown { .. } => None,
        }
    }

    /// Whether it was answered.
    pub fn is_ok(&self) -> bool {
        self.revision().is_some()
    }

    /// Whether it took place, or may have.
    pub fn may_have_happened(&self) -> bool {
        !matches!(self.came, Came::Fail { .. })
    }
}

/// The name and the content of what is asked.
pub(crate) fn parts(deed: &impl Deed) -> (String, Value) {
    let asked = serde_json::to_value(deed).expect("INVARIANT: what a workload asks is a value with a name");
    let Value::Object(mut asked) = asked else { unreachable!("INVARIANT: what a workload asks has a tag") };
    let Some(Value::String(name)) = asked.remove("f") else { unreachable!("INVARIANT: the tag is called f") };
    (name, asked.remove("value").unwrap_or_default())
}

impl std::fmt::Display for Event {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { client, node, f, value, invoked_us, completed_us, came, .. } = self;
        write!(out, "{f} {value} by client {client} at node {node}, invoked at {invoked_us} us: ")?;
        match came {
            Came::Ok { answer, revision } => {
                write!(out, "{answer} at revision {revision}, returned at {completed_us} us")
            }
            Came::Fail { reason, error } => write!(out, "failed at {completed_us} us: {reason} {error}"),
            Came::Unknown { error } => write!(out, "unknown, given up at {completed_us} us: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::history;
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "f", content = "value", rename_all = "snake_case")]
    enum Ask {
        Put { key: u64 },
        Read,
    }

    impl Deed for Ask {
        type Answer = Option<u64>;

        fn writes(&self) -> bool {
            matches!(self, Self::Put { .. })
        }
    }

    fn event(deed: &Ask, came: Came) -> Event {
        let (f, value) = parts(deed);
        Event { client: 1, node: 2, f, value, writes: deed.writes(), invoked_us: 3, completed_us: 4, came }
    }

    #[test]
    fn what_a_workload_asks_comes_back_in_its_types() {
        let mut history = history([]);
        history.events = vec![
            event(&Ask::Put { key: 9 }, Came::Ok { answer: Value::Null, revision: 5 }),
            event(&Ask::Read, Came::Ok { answer: json!(7), revision: 6 }),
            event(&Ask::Read, Came::Unknown { error: "no answer".to_owned() }),
        ];
        let told = history.told::<Ask>().unwrap();
        assert_eq!(
            told.iter().map(|told| &told.deed).collect::<Vec<_>>(),
            [&Ask::Put { key: 9 }, &Ask::Read, &Ask::Read]
        );
        assert_eq!(told.iter().map(|told| told.answer).collect::<Vec<_>>(), [Some(None), Some(Some(7)), None]);
        assert_eq!((told[1].event.until_us(), told[2].event.until_us()), (4, u64::MAX));
        history.events[0].f = "dance".to_owned();
        assert!(history.told::<Ask>().is_err());
    }

    #[test]
    fn the_format_is_frozen() {
        let put = event(&Ask::Put { key: 9 }, Came::Ok { answer: Value::Null, revision: 5 });
        let expected = r#"{"client":1,"node":2,"f":"put","value":{"key":9},"writes":true,"invoked_us":3,"completed_us":4,"outcome":"ok","revision":5}"#;
        assert_eq!(serde_json::to_string(&put).unwrap(), expected);
        let refused = Came::Fail { reason: "GRANT_EXISTS".to_owned(), error: "no".to_owned() };
        let expected = r#"{"client":1,"node":2,"f":"read","writes":false,"invoked_us":3,"completed_us":4,"outcome":"fail","reason":"GRANT_EXISTS","error":"no"}"#;
        assert_eq!(serde_json::to_string(&event(&Ask::Read, refused)).unwrap(), expected);
    }
}
