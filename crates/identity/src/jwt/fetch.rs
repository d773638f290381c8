//! Fetching of keys: the only input and output of this crate.
//!
//! Keys come from the configured address and from nowhere else: no redirect is followed, no proxy is used, and nothing that
//! a token says has any influence. An answer has a limit in time and in size. What cannot be fetched or read changes
//! nothing: the last good keys stay in use, and how old they are can be asked for.
//!
//! Calls block, so they belong to a thread that may.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use portcullis_model::Timestamp;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

use super::issuers::KeySource;
use super::jwks::{KeySet, SET_BYTES_MAX, SetError};
use super::schedule::Schedule;
use super::verifier::Trusted;

/// Longest time for an answer, from the name's resolution to the last byte.
pub const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Longest file of authorities, in bytes.
const AUTHORITIES_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Keeps the keys of an issuer up to date.
#[derive(Debug)]
pub struct Keeper {
    trusted: Trusted,
    source: Source,
    schedule: Schedule,
}

#[derive(Debug)]
enum Source {
    Url { agent: ureq::Agent, url: String },
    File { path: PathBuf, seen: Option<Version> },
}

/// What tells that a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    modified: SystemTime,
    length: u64,
    inode: u64,
}

/// Why keys could not be fetched. The last good ones stay in use, and it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address does not answer, in time or at all.
    #[error("the keys at `{url}` cannot be fetched")]
    Url {
        /// The address.
        url: String,
        /// Why not.
        source: Box<ureq::Error>,
    },
    /// The address answers with something else.
    #[error(
        "the keys at `{url}` cannot be fetched: the answer has status {status}; give the address that they are at, no redirect"
    )]
    Status {
        /// The address.
        url: String,
        /// The status of HTTP.
        status: u16,
    },
    /// A file cannot be read.
    #[error("`{}` cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of authorities has none.
    #[error("`{}` has no certificate of an authority: give a file in PEM", path.display())]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The system knows no authority.
    #[error("this system has no certificates of authorities: install them, or set `jwks-ca-file`")]
    NoSystemAuthority,
    /// What came is no set of keys.
    #[error("the keys at `{place}` are not taken")]
    Set {
        /// The address or the file.
        place: String,
        /// Why not.
        source: SetError,
    },
}

impl Keeper {
    /// Prepares to fetch; reads the authorities of the connection, and fetches nothing yet.
    pub fn new(trusted: Trusted) -> Result<Self, FetchError> {
        let source = match &trusted.issuer.keys {
            KeySource::Url { url, ca_file } => {
                let is_plain = url.scheme_str() == Some("http");
                Source::Url { agent: agent(is_plain, ca_file.as_deref(), TIME_LIMIT)?, url: url.to_string() }
            }
            KeySource::File(path) => Source::File { path: path.clone(), seen: None },
        };
        Ok(Self { trusted, source, schedule: Schedule::default() })
    }

    /// Whose keys.
    pub fn trusted(&self) -> &Trusted {
        &self.trusted
    }

    /// Fetches the keys if that is due, and says whether they are others than before. Called about once a second, with the
    /// time since any start and the time of day.
    pub fn step(&mut self, elapsed: Duration, now: Timestamp) -> Option<Result<bool, FetchError>> {
        let wanted = self.trusted.keys.take_refetch();
        if !self.schedule.is_due(elapsed, wanted) && !self.source.has_changed() {
            return None;
        }
        let fetched = self.source.fetch();
        match &fetched {
            Ok(_) => self.schedule.succeeded(elapsed),
            Err(_) => self.schedule.failed(elapsed),
        }
        Some(fetched.map(|set| self.trusted.keys.replace(set, now)))
    }
}

impl Source {
    /// Whether it is worth a look before one is due.
    fn has_changed(&self) -> bool {
        match self {
            Self::Url { .. } => false,
            // A file that is gone is looked for when it is due.
            Self::File { path, seen } => Version::of(path).is_ok_and(|version| Some(version) != *seen),
        }
    }

    fn fetch(&mut self) -> Result<KeySet, FetchError> {
        let (place, bytes) = match self {
            Self::Url { agent, url } => (url.clone(), get(agent, url)?),
            Self::File { path, seen } => {
                // Before it is read, so that a change meanwhile is seen the next time.
                *seen = Version::of(path).ok();
                (path.display().to_string(), read(path, SET_BYTES_MAX)?)
            }
        };
        KeySet::parse(&bytes).map_err(|source| FetchError::Set { place, source })
    }
}

fn get(agent: &ureq::Agent, url: &str) -> Result<Vec<u8>, FetchError> {
    let failed = |source| FetchError::Url { url: url.to_owned(), source: Box::new(source) };
    let mut answer =
        agent.get(url).header("accept", "application/jwk-set+json, application/json").call().map_err(failed)?;
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(FetchError::Status { url: url.to_owned(), status });
    }
    answer.body_mut().with_config().limit(SET_BYTES_MAX as u64).read_to_vec().map_err(failed)
}

/// A byte more than the limit, where there is one, so that the reader sees that it is too long.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|source| FetchError::File { path: path.to_owned(), source })
}

/// A client for one address, with the settings of nobody else.
fn agent(is_plain: bool, ca_file: Option<&Path>, time_limit: Duration) -> Result<ureq::Agent, FetchError> {
    let authorities = match (is_plain, ca_file) {
        (true, _) => Vec::new(),
        (false, Some(path)) => authorities(path)?,
        (false, None) => system_authorities()?,
    };
    let tls = TlsConfig::builder().root_certs(RootCerts::Specific(authorities.into())).build();
    let config = ureq::Agent::config_builder()
        .https_only(!is_plain)
        .timeout_global(Some(time_limit))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // Otherwise the environment would name one.
        .proxy(None)
        .max_idle_connections(0)
        .user_agent("portcullis")
        .tls_config(tls);
    Ok(config.build().new_agent())
}

fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>, FetchError> {
    let bytes = read(path, AUTHORITIES_BYTES_MAX)?;
    let none = || FetchError::NoAuthority { path: path.to_owned() };
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(&bytes) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| none())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(none()) } else { Ok(certificates) }
}

/// What cannot be read of them is left out, as any program does; without any, no certificate would be right.
fn system_authorities() -> Result<Vec<Certificate<'static>>, FetchError> {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return Err(FetchError::NoSystemAuthority);
    }
    Ok(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect())
}

impl Version {
    fn of(path: &Path) -> io::Result<Self> {
        let found = path.metadata()?;
        Ok(Self { modified: found.modified()?, length: found.len(), inode: found.ino() })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn an_answer_that_never_ends_is_given_up() {
        for started in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/keys", listener.local_addr().unwrap());
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(started.as_bytes()).unwrap();
                // Ends when the client has gone.
                let mut asked = Vec::new();
                let _ = stream.read_to_end(&mut asked);
                asked
            });
            let agent = agent(true, None, Duration::from_millis(200)).unwrap();
            match get(&agent, &url) {
                Err(FetchError::Url { source, .. }) => assert!(matches!(*source, ureq::Error::Timeout(_)), "{source}"),
                other => panic!("{other:?}"),
            }
            drop(agent);
            assert!(server.join().unwrap().starts_with(b"GET /keys HTTP/1.1\r\n"));
        }
    }
}
