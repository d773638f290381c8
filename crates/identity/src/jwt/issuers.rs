//! Which issuers are trusted, and for what.

use core::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use serde::Deserialize;

use super::algorithm::Algorithm;
use crate::template::Template;

/// Most issuers, most audiences of one, most algorithms of one and most claims for conditions of one.
const ENTRIES_MAX: usize = 64;
/// Longest address of an issuer or of its keys, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// The issuers whose tokens are taken.
///
/// ```toml
/// [[issuers]]
/// issuer = "https://login.example.org"        # exactly the `iss` of its tokens
/// audiences = ["portcullis"]                  # one of them is in `aud`
/// algorithms = ["RS256", "ES256"]             # RS256/384/512, PS256/384/512, ES256, ES384, EdDSA
/// jwks-url = "https://login.example.org/keys" # or jwks-file = "/etc/portcullis/keys.json"
/// jwks-ca-file = "/etc/portcullis/ca.pem"     # in place of the authorities of the system
/// subject = "user:{sub}"                      # claims in braces; the type is fixed
/// groups = { claim = "groups", object = "group:{}" }
/// context = ["department"]                    # for conditions, beside acr, amr and auth_time
/// max-age = "8h"                              # since `iat`, whatever `exp` says
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Vec<Written>")]
pub struct Issuers(pub(super) Vec<Arc<Issuer>>);

/// One issuer.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its address, exactly as its tokens say it.
    pub issuer: Arc<str>,
    /// Where its keys are.
    pub keys: KeySource,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) subject: Template,
    pub(super) groups: Option<Groups>,
    pub(super) context: Vec<String>,
    pub(super) max_age: Option<Duration>,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// At an address.
    Url {
        /// The address, of scheme `https`; or `http` on this machine.
        url: Uri,
        /// The authorities, in PEM, that its certificate may be of; without it, those of the system.
        ca_file: Option<PathBuf>,
    },
    /// In a file.
    File(PathBuf),
}

/// Which claim lists the groups of the subject, and what they are called here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Groups {
    pub(super) claim: String,
    pub(super) object: Template,
}

/// An issuer as it is configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    issuer: String,
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    jwks_url: Option<String>,
    jwks_ca_file: Option<PathBuf>,
    jwks_file: Option<PathBuf>,
    subject: Template,
    groups: Option<Groups>,
    #[serde(default)]
    context: Vec<String>,
    max_age: Option<String>,
}

/// Why a configuration of issuers is not taken. Correct it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuersError {
    /// It has no valid address.
    #[error("the issuer `{issuer}` is no address: give exactly what its tokens have as `iss`, `https://` included")]
    Issuer {
        /// The issuer.
        issuer: String,
    },
    /// It is there twice.
    #[error("the issuer `{issuer}` is configured twice: give all in one")]
    Twice {
        /// The issuer.
        issuer: String,
    },
    /// A list is empty, too long or has an empty text.
    #[error("the issuer `{issuer}` has {count} `{list}`: give 1 to 64, none of them empty")]
    List {
        /// The issuer.
        issuer: String,
        /// The list.
        list: &'static str,
        /// How many it has.
        count: usize,
    },
    /// It has no source of keys, or two.
    #[error("the issuer `{issuer}` must have one of `jwks-url`, with `jwks-ca-file` if need be, and `jwks-file`")]
    Source {
        /// The issuer.
        issuer: String,
    },
    /// The address of its keys is none.
    #[error(
        "the issuer `{issuer}` has `jwks-url` `{url}`: give one of `https`, or of `http` on this machine, without a user"
    )]
    Url {
        /// The issuer.
        issuer: String,
        /// The address.
        url: String,
    },
    /// Its template would give all callers one subject.
    #[error(
        "the issuer `{issuer}` has the subject `{subject}` for everybody: name a claim in it, as in `user:{{sub}}`"
    )]
    Subject {
        /// The issuer.
        issuer: String,
        /// The template.
        subject: Template,
    },
    /// Its template for groups has other places than the one.
    #[error(
        "the issuer `{issuer}` has the group `{object}`: give one with `{{}}` in it and no other place, as in `group:{{}}`"
    )]
    Groups {
        /// The issuer.
        issuer: String,
        /// The template.
        object: Template,
    },
    /// Its longest age is none.
    #[error("the issuer `{issuer}` has `max-age` `{max_age}`: give a duration such as `90s` or `8h`, longer than none")]
    MaxAge {
        /// The issuer.
        issuer: String,
        /// What was given.
        max_age: String,
    },
    /// There are too many.
    #[error("there are {count} issuers: the most is 64")]
    TooMany {
        /// How many.
        count: usize,
    },
}

impl TryFrom<Vec<Written>> for Issuers {
    type Error = IssuersError;

    fn try_from(written: Vec<Written>) -> Result<Self, IssuersError> {
        if written.len() > ENTRIES_MAX {
            return Err(IssuersError::TooMany { count: written.len() });
        }
        let mut issuers: Vec<Arc<Issuer>> = Vec::new();
        for written in written {
            let issuer = Issuer::try_from(written)?;
            if issuers.iter().any(|other| other.issuer == issuer.issuer) {
                return Err(IssuersError::Twice { issuer: issuer.issuer.to_string() });
            }
            issuers.push(Arc::new(issuer));
        }
        Ok(Self(issuers))
    }
}

impl TryFrom<Written> for Issuer {
    type Error = IssuersError;

    fn try_from(written: Written) -> Result<Self, IssuersError> {
        let keys = written.keys()?;
        let Written { issuer, audiences, algorithms, subject, groups, context, max_age, .. } = written;
        let address = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
        let is_address =
            address.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()));
        if !is_address || issuer.len() > URL_BYTES_MAX {
            return Err(IssuersError::Issuer { issuer });
        }
        let lists = [
            ("audiences", audiences.len(), 1, audiences.iter().any(String::is_empty)),
            ("algorithms", algorithms.len(), 1, false),
            ("context", context.len(), 0, context.iter().any(String::is_empty)),
        ];
        for (list, count, least, has_empty) in lists {
            if !(least..=ENTRIES_MAX).contains(&count) || has_empty {
                return Err(IssuersError::List { issuer, list, count });
            }
        }
        if subject.places().next().is_none() {
            return Err(IssuersError::Subject { issuer, subject });
        }
        if let Some(groups) = groups.as_ref().filter(|groups| groups.object.places().collect::<Vec<_>>() != [""]) {
            return Err(IssuersError::Groups { issuer, object: groups.object.clone() });
        }
        let max_age = max_age.map(|text| match humantime::parse_duration(&text) {
            Ok(age) if !age.is_zero() => Ok(age),
            Ok(_) | Err(_) => Err(IssuersError::MaxAge { issuer: issuer.clone(), max_age: text }),
        });
        let max_age = max_age.transpose()?;
        Ok(Self { issuer: issuer.into(), keys, audiences, algorithms, subject, groups, context, max_age })
    }
}

impl Written {
    fn keys(&self) -> Result<KeySource, IssuersError> {
        let issuer = || self.issuer.clone();
        match (&self.jwks_url, &self.jwks_file, &self.jwks_ca_file) {
            (Some(text), None, ca_file) => {
                let url = text.parse().ok().filter(|url| text.len() <= URL_BYTES_MAX && may_be_fetched(url));
                // What stands before `@` may be a password.
                let shown = || text.rsplit_once('@').map_or_else(|| text.clone(), |(_, rest)| format!("…@{rest}"));
                let url = url.ok_or_else(|| IssuersError::Url { issuer: issuer(), url: shown() })?;
                Ok(KeySource::Url { url, ca_file: ca_file.clone() })
            }
            (None, Some(file), None) => Ok(KeySource::File(file.clone())),
            _ => Err(IssuersError::Source { issuer: issuer() }),
        }
    }
}

/// Keys that come over a network in clear could be anybody's.
fn may_be_fetched(url: &Uri) -> bool {
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else { return false };
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return false;
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    scheme == "https" || (scheme == "http" && is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        issuers: Issuers,
    }

    const GOOD: &[(&str, &str)] = &[
        ("issuer", r#""https://login.example.org""#),
        ("audiences", r#"["portcullis"]"#),
        ("algorithms", r#"["RS256"]"#),
        ("jwks-url", r#""https://login.example.org/keys""#),
        ("subject", r#""user:{sub}""#),
    ];

    /// Reads a good configuration in which some keys have other values, or none.
    fn read(changes: &[(&str, &str)]) -> Result<Issuers, String> {
        let mut entries: std::collections::BTreeMap<&str, &str> = GOOD.iter().copied().collect();
        entries.extend(changes.iter().copied());
        let given = entries.iter().filter(|(_, value)| !value.is_empty());
        let lines: Vec<String> = given.map(|(key, value)| format!("{key} = {value}")).collect();
        let text = format!("[[issuers]]\n{}", lines.join("\n"));
        toml::from_str::<File>(&text).map(|file| file.issuers).map_err(|error| error.to_string())
    }

    #[test]
    fn issuers_are_read() {
        for changes in [
            &[][..],
            &[("jwks-url", ""), ("jwks-file", r#""/etc/keys.json""#)],
            &[("jwks-url", r#""http://127.0.0.1:8080/keys""#)],
            &[("jwks-url", r#""http://[::1]/keys""#), ("jwks-ca-file", r#""/etc/ca.pem""#)],
            &[("jwks-url", r#""http://localhost/keys""#)],
            &[("groups", r#"{ claim = "groups", object = "group:x-{}" }"#), ("context", r#"["department"]"#)],
            &[("max-age", r#""8h""#), ("algorithms", r#"["PS512", "ES384", "EdDSA"]"#)],
        ] {
            assert_eq!(read(changes).unwrap().0.len(), 1, "{changes:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_refused_by_name() {
        for ((key, value), expected) in [
            (("issuer", r#""login.example.org""#), "the issuer `login.example.org` is no address"),
            (("issuer", r#""https://""#), "the issuer `https://` is no address"),
            (("issuer", r#""https://a b""#), "the issuer `https://a b` is no address"),
            (("audiences", "[]"), "has 0 `audiences`"),
            (("audiences", r#"[""]"#), "has 1 `audiences`"),
            (("algorithms", "[]"), "has 0 `algorithms`"),
            (("algorithms", r#"["none"]"#), "unknown variant `none`"),
            (("algorithms", r#"["HS256"]"#), "unknown variant `HS256`"),
            (("algorithms", r#"["rs256"]"#), "unknown variant `rs256`"),
            (("jwks-url", ""), "must have one of `jwks-url`"),
            (("jwks-file", r#""/etc/keys.json""#), "must have one of `jwks-url`"),
            (("jwks-url", r#""http://login.example.org/keys""#), "`jwks-url` `http://login.example.org/keys`"),
            (("jwks-url", r#""http://127.0.0.1.example.org/keys""#), "`jwks-url` `http://127"),
            (("jwks-url", r#""http://localhost@example.org/keys""#), "`jwks-url` `…@example.org/keys`"),
            (("jwks-url", r#""https://a:b@example.org/keys""#), "`jwks-url` `…@example.org/keys`"),
            (("jwks-url", r#""file:///etc/passwd""#), "`jwks-url` `file:"),
            (("jwks-url", r#""/keys""#), "`jwks-url` `/keys`"),
            (("subject", r#""user:everybody""#), "the subject `user:everybody` for everybody"),
            (("subject", r#""{sub}""#), "the template `{sub}` does not begin with a type"),
            (("groups", r#"{ claim = "groups", object = "group:{name}" }"#), "the group `group:{name}`"),
            (("groups", r#"{ claim = "groups", object = "group:all" }"#), "the group `group:all`"),
            (("groups", r#"{ claim = "groups", object = "group:{}", x = 1 }"#), "unknown field `x`"),
            (("context", r#"[""]"#), "has 1 `context`"),
            (("max-age", r#""0s""#), "`max-age` `0s`"),
            (("max-age", r#""soon""#), "`max-age` `soon`"),
            (("leeway", r#""60s""#), "unknown field `leeway`"),
        ] {
            let refused = read(&[(key, value)]).unwrap_err();
            assert!(refused.contains(expected), "{key} = {value}: {refused}");
        }
        let lines: Vec<String> = GOOD.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let one = format!("[[issuers]]\n{}\n", lines.join("\n"));
        let refused = toml::from_str::<File>(&one.repeat(2)).unwrap_err().to_string();
        assert!(refused.contains("the issuer `https://login.example.org` is configured twice"), "{refused}");
        let many: String = (0..65).map(|nth| one.replace("login", &format!("login{nth}"))).collect();
        assert!(toml::from_str::<File>(&many).unwrap_err().to_string().contains("there are 65 issuers"));
    }
}
