//! SPIFFE ids: `spiffe://example.org/ns/shop/sa/web`.

use std::fmt;
use std::str::FromStr;

use crate::Shown;

const SCHEME: &str = "spiffe://";

/// Longest id, in bytes, that the standard allows.
const ID_BYTES_MAX: usize = 2_048;
/// Longest trust domain, in bytes.
const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// The id of a workload: a trust domain and a path, both in the only form that they can be written in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: String,
    path_start: usize,
}

/// Why a URI is no SPIFFE id of a workload. The certificate has to be issued anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeError {
    /// It does not begin with the scheme.
    #[error("`{uri}` is no SPIFFE id: one begins with `spiffe://`")]
    Scheme {
        /// The URI.
        uri: Shown,
    },
    /// It is too long.
    #[error("the SPIFFE id `{uri}` is {length} bytes long: the most is 2048, of which 255 for the trust domain")]
    TooLong {
        /// The URI.
        uri: Shown,
        /// Its length in bytes.
        length: usize,
    },
    /// The trust domain is empty or has other characters than it may.
    #[error(
        "the SPIFFE id `{uri}` has no valid trust domain: give lower-case letters, digits and `. - _`, and no port or user"
    )]
    TrustDomain {
        /// The URI.
        uri: Shown,
    },
    /// There is no path, so that it names a trust domain and no workload; or a segment of it is empty, `.` or `..`, or has
    /// other characters than it may.
    #[error(
        "the SPIFFE id `{uri}` has no valid path: give segments of letters, digits and `. - _` that are not `.` or `..`"
    )]
    Path {
        /// The URI.
        uri: Shown,
    },
}

impl SpiffeId {
    /// The `example.org` of `spiffe://example.org/ns/shop`.
    pub fn trust_domain(&self) -> &str {
        &self.text[SCHEME.len()..self.path_start]
    }

    /// The `/ns/shop` of `spiffe://example.org/ns/shop`.
    pub fn path(&self) -> &str {
        &self.text[self.path_start..]
    }

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a URI claims to be a SPIFFE id, right or wrong.
    pub(crate) fn is_claimed(uri: &str) -> bool {
        uri.get(.."spiffe:".len()).is_some_and(|start| start.eq_ignore_ascii_case("spiffe:"))
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeError;

    fn from_str(uri: &str) -> Result<Self, SpiffeError> {
        let shown = || Shown::new(uri);
        let rest = uri.strip_prefix(SCHEME).ok_or_else(|| SpiffeError::Scheme { uri: shown() })?;
        let (trust_domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if uri.len() > ID_BYTES_MAX || trust_domain.len() > TRUST_DOMAIN_BYTES_MAX {
            return Err(SpiffeError::TooLong { uri: shown(), length: uri.len() });
        }
        let is_domain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if trust_domain.is_empty() || !trust_domain.bytes().all(is_domain) {
            return Err(SpiffeError::TrustDomain { uri: shown() });
        }
        if !path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment)) {
            return Err(SpiffeError::Path { uri: shown() });
        }
        Ok(Self { text: uri.to_owned(), path_start: SCHEME.len() + trust_domain.len() })
    }
}

fn is_segment(segment: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_letter)
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_workloads_are_taken_apart() {
        let id: SpiffeId = "spiffe://example.org/ns/shop/sa/Web_1".parse().unwrap();
        assert_eq!((id.trust_domain(), id.path()), ("example.org", "/ns/shop/sa/Web_1"));
        assert_eq!(id.to_string(), "spiffe://example.org/ns/shop/sa/Web_1");
        for good in ["spiffe://a/b", "spiffe://a_b-c.1/...", "spiffe://10.0.0.1/x"] {
            assert!(good.parse::<SpiffeId>().is_ok(), "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (uri, problem) in [
            ("", "is no SPIFFE id"),
            ("https://example.org/a", "is no SPIFFE id"),
            ("SPIFFE://example.org/a", "is no SPIFFE id"),
            ("spiffe:/example.org/a", "is no SPIFFE id"),
            ("spiffe:///a", "has no valid trust domain"),
            ("spiffe://Example.org/a", "has no valid trust domain"),
            ("spiffe://example.org:80/a", "has no valid trust domain"),
            ("spiffe://user@example.org/a", "has no valid trust domain"),
            ("spiffe://ex%61mple.org/a", "has no valid trust domain"),
            ("spiffe://exämple.org/a", "has no valid trust domain"),
            ("spiffe://example.org?a", "has no valid trust domain"),
            ("spiffe://example.org", "has no valid path"),
            ("spiffe://example.org/", "has no valid path"),
            ("spiffe://example.org/a/", "has no valid path"),
            ("spiffe://example.org/a//b", "has no valid path"),
            ("spiffe://example.org/a/./b", "has no valid path"),
            ("spiffe://example.org/a/../b", "has no valid path"),
            ("spiffe://example.org/%2e%2e", "has no valid path"),
            ("spiffe://example.org/a?b", "has no valid path"),
            ("spiffe://example.org/a#b", "has no valid path"),
            ("spiffe://example.org/a\0", "has no valid path"),
            (&format!("spiffe://{}/a", "x".repeat(256)), "bytes long"),
            (&format!("spiffe://x/{}", "x".repeat(2_048)), "bytes long"),
        ] {
            let refused = uri.parse::<SpiffeId>().unwrap_err().to_string();
            assert!(refused.contains(problem), "{uri}: {refused}");
        }
    }
}
