//! Certificates in DER, and the names that they have.

use std::sync::LazyLock;

use portcullis_identity::certificate::{Names, Rules};
use portcullis_identity::{Method, SpiffeId};
use portcullis_pki::NodeName;
use serde::Deserialize;

const RULES: &str = r#"
[[rules]]
spiffe = "spiffe://example.org/ns/*/sa/*"
subject = "service:{1}/{2}"

[[rules]]
dns = "*.example.org"
subject = "service:{1}"

[[rules]]
common-name = "*"
subject = "user:{1}"
"#;

#[derive(Deserialize)]
struct File {
    rules: Rules,
}

static MAPPED: LazyLock<Rules> = LazyLock::new(|| toml::from_str::<File>(RULES).expect("the rules are valid").rules);

pub(crate) fn run(input: &[u8]) {
    if let Some(text) = crate::text(input) {
        match text.parse::<SpiffeId>() {
            Ok(id) => named(&id, text),
            Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
        }
    }
    match Names::of(input) {
        Ok(names) => mapped(&names),
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.len() < 1_000 && !message.contains(char::is_control), "{message:?}");
        }
    }
}

fn named(id: &SpiffeId, text: &str) {
    assert_eq!(id.to_string(), text, "an id has one text");
    assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
    if let Ok(node) = id.as_str().parse::<NodeName>() {
        assert_eq!(node.to_string(), text, "a node has one name");
    }
}

/// A subject is of the only name that counts.
fn mapped(names: &Names) {
    match MAPPED.identify(names) {
        Ok(identity) => {
            let Method::Certificate { name } = &identity.method else { panic!("{:?}", identity.method) };
            let known = match &names.spiffe {
                Some(id) => id.as_str() == name,
                None => names.common_name.as_ref() == Some(name) || names.dns.contains(name),
            };
            assert!(known, "{name} is not in {names:?}");
            assert!(matches!(identity.subject.object_type.as_str(), "user" | "service"));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
}
