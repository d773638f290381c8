//! Which subject a certificate is for.

use portcullis_model::Context;
use serde::Deserialize;

use super::Names;
use super::pattern::Pattern;
use crate::spiffe::{SpiffeError, SpiffeId};
use crate::template::{Template, Unfit};
use crate::{Identity, Method, Shown};

/// Most rules.
const RULES_MAX: usize = 1_000;

/// Rules in order, of which the first that fits a certificate says its subject.
///
/// ```toml
/// [[rules]]
/// spiffe = "spiffe://example.org/ns/*/sa/*"
/// subject = "service:{1}/{2}"
///
/// [[rules]]
/// common-name = "*@example.org"
/// subject = "user:{1}"
///
/// [[rules]]
/// dns = "*.build.example.org"
/// subject = "service:build-{1}"
/// ```
///
/// `{1}` is what the first star stands for. A star stands for at least one character and stays within its segment of a
/// path, or its label of a name in the DNS; a trust domain has none. A certificate with a SPIFFE id is for that and nothing
/// else, so other rules are not asked about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Written>")]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    kind: Kind,
    pattern: Pattern,
    subject: Template,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Spiffe,
    CommonName,
    Dns,
}

/// A rule as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    spiffe: Option<String>,
    common_name: Option<String>,
    dns: Option<String>,
    subject: Template,
}

/// Why rules are not taken. Correct the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// A rule says several names or none.
    #[error("the rule for `{subject}` must have one of `spiffe`, `common-name` and `dns`, and has {count}")]
    Kinds {
        /// Its template.
        subject: Template,
        /// How many it has.
        count: usize,
    },
    /// A pattern has two stars in one part.
    #[error("the pattern `{pattern}` has two stars in one part: give one for each segment, label or common name")]
    Stars {
        /// The pattern.
        pattern: String,
    },
    /// A pattern for SPIFFE ids matches none.
    #[error("no SPIFFE id matches the pattern `{pattern}`: only segments of its path may have stars")]
    NoSpiffe {
        /// The pattern.
        pattern: String,
        /// What is wrong with an id that it would match.
        source: SpiffeError,
    },
    /// The template names what the pattern does not give.
    #[error(
        "the template `{subject}` has the place `{place}`, and the pattern `{pattern}` has {stars} stars: number them from 1"
    )]
    Place {
        /// The template.
        subject: Template,
        /// The name of the place.
        place: String,
        /// The pattern.
        pattern: String,
        /// How many stars it has.
        stars: usize,
    },
    /// There are too many rules.
    #[error("there are {count} rules for certificates: the most is 1000")]
    TooMany {
        /// How many.
        count: usize,
    },
}

/// Why a certificate is for nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmapped {
    /// No rule fits it.
    #[error("no rule for certificates fits {names}: add one, or present another certificate")]
    NoRule {
        /// The names that rules were asked about.
        names: Shown,
    },
    /// What the rule makes of it is no subject.
    #[error("the certificate's name `{name}` makes no subject: map another one")]
    Unfit {
        /// The name that fits the rule.
        name: Shown,
        /// Why not.
        source: Unfit,
    },
}

impl Rules {
    /// Says who a certificate is for.
    pub fn identify(&self, names: &Names) -> Result<Identity, Unmapped> {
        for rule in &self.0 {
            for name in rule.kind.names(names) {
                let Some(stars) = rule.pattern.matched(name) else { continue };
                let star = |place: &str| stars.get(place.parse::<usize>().ok()?.checked_sub(1)?).copied();
                let unfit = |source| Unmapped::Unfit { name: Shown::new(name), source };
                return Ok(Identity {
                    subject: rule.subject.fill(star).map_err(unfit)?,
                    groups: Vec::new(),
                    context: Context::default(),
                    method: Method::Certificate { name: name.to_owned() },
                    issued_at: Some(names.not_before),
                    expires: Some(names.not_after),
                });
            }
        }
        Err(Unmapped::NoRule { names: Shown::new(&listed(names)) })
    }
}

/// The names that count, for a message.
fn listed(names: &Names) -> String {
    let all = [Kind::Spiffe, Kind::CommonName, Kind::Dns].map(|kind| kind.names(names));
    let quoted: Vec<String> = all.into_iter().flatten().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { "a certificate without a name".to_owned() } else { quoted.join(", ") }
}

impl Kind {
    /// The names of this kind that a certificate is for.
    fn names(self, names: &Names) -> Vec<&str> {
        match (self, &names.spiffe) {
            (Self::Spiffe, Some(id)) => vec![id.as_str()],
            (Self::Spiffe, None) | (Self::CommonName | Self::Dns, Some(_)) => Vec::new(),
            (Self::CommonName, None) => names.common_name.as_deref().into_iter().collect(),
            // A name that stands for many is nobody's.
            (Self::Dns, None) => names.dns.iter().map(String::as_str).filter(|name| !name.contains('*')).collect(),
        }
    }
}

impl TryFrom<Vec<Written>> for Rules {
    type Error = RulesError;

    fn try_from(rules: Vec<Written>) -> Result<Self, RulesError> {
        if rules.len() > RULES_MAX {
            return Err(RulesError::TooMany { count: rules.len() });
        }
        rules.into_iter().map(Rule::try_from).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<Written> for Rule {
    type Error = RulesError;

    fn try_from(written: Written) -> Result<Self, RulesError> {
        let Written { spiffe, common_name, dns, subject } = written;
        let kinds = [(Kind::Spiffe, spiffe), (Kind::CommonName, common_name), (Kind::Dns, dns)];
        let mut given: Vec<(Kind, String)> =
            kinds.into_iter().filter_map(|(kind, pattern)| Some((kind, pattern?))).collect();
        let (kind, text) = match (given.pop(), given.len()) {
            (Some(only), 0) => only,
            (last, others) => {
                return Err(RulesError::Kinds { subject, count: others + usize::from(last.is_some()) });
            }
        };
        let (text, separator) = match kind {
            Kind::Spiffe => (text, Some('/')),
            Kind::CommonName => (text, None),
            Kind::Dns => (text.to_ascii_lowercase(), Some('.')),
        };
        let pattern = Pattern::new(&text, separator).ok_or_else(|| RulesError::Stars { pattern: text.clone() })?;
        if kind == Kind::Spiffe {
            // A star in the trust domain would let every authority name the caller.
            let start =
                text.char_indices().filter(|(_, letter)| *letter == '/').nth(2).map_or(text.len(), |(at, _)| at);
            let example = format!("{}{}", &text[..start], text[start..].replace('*', "x"));
            let checked = example.parse::<SpiffeId>();
            checked.map_err(|source| RulesError::NoSpiffe { pattern: text.clone(), source })?;
        }
        let stars = pattern.stars();
        let place = subject.places().find(|place| !(1..=stars).any(|nth| nth.to_string() == **place));
        if let Some(place) = place.map(str::to_owned) {
            return Err(RulesError::Place { subject, place, pattern: text, stars });
        }
        Ok(Self { kind, pattern, subject })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::Timestamp;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        rules: Rules,
    }

    fn read(rules: &[&str]) -> Result<Rules, String> {
        let rules: Vec<String> = rules.iter().map(|rule| format!("[[rules]]\n{}", rule.replace("; ", "\n"))).collect();
        toml::from_str::<File>(&rules.join("\n")).map(|file| file.rules).map_err(|error| error.to_string())
    }

    fn names(spiffe: &str, common_name: &str, dns: &[&str]) -> Names {
        Names {
            spiffe: (!spiffe.is_empty()).then(|| spiffe.parse().unwrap()),
            common_name: (!common_name.is_empty()).then(|| common_name.to_owned()),
            dns: dns.iter().map(|name| (*name).to_owned()).collect(),
            not_before: Timestamp(1),
            not_after: Timestamp(2),
        }
    }

    #[test]
    fn the_first_rule_that_fits_says_the_subject() {
        let rules = read(&[
            r#"spiffe = "spiffe://example.org/ns/*/sa/*"; subject = "service:{2}.{1}""#,
            r#"spiffe = "spiffe://example.org/gateway"; subject = "service:gateway""#,
            r#"common-name = "admin"; subject = "user:root""#,
            r#"dns = "*.build.example.org"; subject = "service:build-{1}""#,
            r#"common-name = "*"; subject = "user:{1}""#,
        ])
        .unwrap();
        for (names, expected) in [
            (names("spiffe://example.org/ns/shop/sa/web", "admin", &[]), "service:web.shop"),
            (names("spiffe://example.org/gateway", "", &[]), "service:gateway"),
            (names("", "admin", &["a.build.example.org"]), "user:root"),
            (names("", "x", &["a.example.org", "a.build.example.org"]), "service:build-a"),
            (names("", "alice@example.org", &["*.build.example.org"]), "user:alice@example.org"),
            (names("spiffe://other.org/ns/shop/sa/web", "admin", &[]), "no rule for certificates fits `spiffe://other"),
            (names("spiffe://example.org/ns/a/b/sa/c", "admin", &[]), "no rule for certificates fits"),
            (names("", "Alice Smith", &[]), "the certificate's name `Alice Smith` makes no subject"),
            (names("", "*", &[]), "the certificate's name `*` makes no subject"),
            (names("", "", &[]), "no rule for certificates fits a certificate without a name"),
        ] {
            match rules.identify(&names) {
                Ok(identity) => assert_eq!(identity.subject.to_string(), expected),
                Err(error) => assert!(error.to_string().starts_with(expected), "{error}"),
            }
        }
    }

    #[test]
    fn an_identity_lasts_as_long_as_the_certificate() {
        let rules = read(&[r#"common-name = "*"; subject = "user:{1}""#]).unwrap();
        let identity = rules.identify(&names("", "alice", &[])).unwrap();
        assert_eq!((identity.issued_at, identity.expires), (Some(Timestamp(1)), Some(Timestamp(2))));
        assert_eq!(identity.method, Method::Certificate { name: "alice".into() });
    }

    #[test]
    fn rules_that_are_wrong_are_refused_by_name() {
        for (rule, expected) in [
            (r#"subject = "user:x""#, "must have one of `spiffe`, `common-name` and `dns`, and has 0"),
            (r#"dns = "a"; spiffe = "spiffe://a/b"; subject = "user:x""#, "and has 2"),
            (r#"dns = "a"; subject = "user:x"; role = "x""#, "unknown field `role`"),
            (r#"dns = "a""#, "missing field `subject`"),
            (r#"dns = "*"; subject = "*:{1}""#, "the template `*:{1}` has no valid type"),
            (r#"dns = "*"; subject = "user:{2}""#, "has the place `2`"),
            (r#"dns = "*"; subject = "user:{0}""#, "has the place `0`"),
            (r#"dns = "*"; subject = "user:{01}""#, "has the place `01`"),
            (r#"dns = "*"; subject = "user:{sub}""#, "has the place `sub`"),
            (r#"common-name = "*a*"; subject = "user:{1}""#, "has two stars in one part"),
            (r#"spiffe = "spiffe://*/a"; subject = "user:{1}""#, "no SPIFFE id matches the pattern `spiffe://*/a`"),
            (r#"spiffe = "spiffe://*"; subject = "user:{1}""#, "no SPIFFE id matches"),
            (r#"spiffe = "*"; subject = "user:{1}""#, "no SPIFFE id matches"),
            (r#"spiffe = "https://a/*"; subject = "user:{1}""#, "no SPIFFE id matches"),
        ] {
            let refused = read(&[rule]).unwrap_err();
            assert!(refused.contains(expected), "{rule}: {refused}");
        }
    }
}
