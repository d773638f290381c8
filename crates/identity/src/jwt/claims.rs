//! From verified claims to an identity.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::{Clock, Context, Object, Timestamp, Value};

use super::error::Error;
use super::issuers::{Groups, Issuer};
use super::json::Members;
use crate::{Identity, Method, Shown};

/// What is sought in a token whose signature is right.
pub(super) struct Claims<'c> {
    issuer: &'c Issuer,
    members: &'c Members,
}

/// When a token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    issued_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    expires: Timestamp,
}

/// The issuer that a token says to be of, in which nobody believes yet.
pub(super) fn issuer(members: &Members) -> Result<&str, Error> {
    match members.get("iss") {
        Some(Value::Text(issuer)) => Ok(issuer),
        Some(_) => Err(wrong("iss", "a text")),
        None => Err(Error::Missing { claim: "iss".into() }),
    }
}

impl Lifetime {
    /// Ends then, whenever it began.
    #[cfg(test)]
    pub(super) fn until(expires: Timestamp) -> Self {
        Self { issued_at: None, not_before: None, expires }
    }

    /// Whether a token counts now: only if the clock leaves no doubt, be it as wrong as it may.
    pub(super) fn check(&self, clock: &Clock) -> Result<(), Error> {
        let (earliest, latest) = (clock.earliest(), clock.latest());
        if latest >= self.expires {
            return Err(Error::Expired { expires: self.expires, latest });
        }
        if let Some(not_before) = self.not_before.filter(|not_before| earliest < *not_before) {
            return Err(Error::NotYet { not_before, earliest });
        }
        // It is no bound for use, only has to be possible.
        match self.issued_at.filter(|issued_at| *issued_at > latest) {
            Some(issued_at) => Err(Error::Future { issued_at, latest }),
            None => Ok(()),
        }
    }

    /// Whether it was issued since the tokens of its subject were declared void.
    pub(super) fn check_void(&self, not_before: Option<Timestamp>) -> Result<(), Error> {
        match (not_before, self.issued_at) {
            (None, _) => Ok(()),
            (Some(not_before), Some(issued_at)) if issued_at >= not_before => Ok(()),
            (Some(not_before), Some(_)) => Err(Error::Void { not_before }),
            (Some(_), None) => Err(Error::Missing { claim: "iat".into() }),
        }
    }
}

impl<'c> Claims<'c> {
    pub(super) fn new(issuer: &'c Issuer, members: &'c Members) -> Self {
        Self { issuer, members }
    }

    pub(super) fn lifetime(&self) -> Result<Lifetime, Error> {
        // Towards the earlier where it ends, and towards the later where it starts.
        let issued_at = self.time("iat", f64::floor)?;
        let mut expires = self.time("exp", f64::floor)?.ok_or_else(|| Error::Missing { claim: "exp".into() })?;
        if let Some(max_age) = self.issuer.max_age {
            let no_age = || Error::NoAge { issuer: Arc::clone(&self.issuer.issuer), max_age };
            let age = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
            expires = expires.min(issued_at.ok_or_else(no_age)?.plus_ms(age));
        }
        Ok(Lifetime { issued_at, not_before: self.time("nbf", f64::ceil)?, expires })
    }

    pub(super) fn check_audience(&self) -> Result<(), Error> {
        let expected = "a text or a list of texts";
        let audiences: Vec<&str> = match self.members.get("aud") {
            None => return Err(Error::Missing { claim: "aud".into() }),
            Some(Value::Text(audience)) => vec![audience],
            Some(list) => texts(list).ok_or_else(|| wrong("aud", expected))?,
        };
        if audiences.iter().any(|audience| self.issuer.audiences.iter().any(|ours| ours == audience)) {
            return Ok(());
        }
        let quoted: Vec<String> = audiences.iter().map(|audience| format!("`{audience}`")).collect();
        let given = if quoted.is_empty() { "nobody".to_owned() } else { quoted.join(", ") };
        Err(Error::Audience { given: Shown::new(&given) })
    }

    pub(super) fn identity(&self, lifetime: &Lifetime) -> Result<Identity, Error> {
        for claim in ["sub", "jti"] {
            self.text(claim)?;
        }
        Ok(Identity {
            subject: self.subject()?,
            groups: self.groups()?,
            context: self.context()?,
            method: Method::Jwt { issuer: Arc::clone(&self.issuer.issuer) },
            issued_at: lifetime.issued_at,
            expires: Some(lifetime.expires),
        })
    }

    fn subject(&self) -> Result<Object, Error> {
        let template = &self.issuer.subject;
        for claim in template.places() {
            // Where users may enter any address, it would make them whoever has it.
            if claim == "email" && self.members.get("email_verified") != Some(&Value::Bool(true)) {
                return Err(Error::EmailNotVerified);
            }
            self.text(claim)?;
        }
        template.fill(|claim| self.text(claim).ok().flatten()).map_err(Error::Subject)
    }

    fn groups(&self) -> Result<Vec<Object>, Error> {
        let Some(Groups { claim, object }) = &self.issuer.groups else { return Ok(Vec::new()) };
        // An issuer leaves out what is too much, and says where it is to be fetched (OpenID Connect Core, 5.6.2).
        if let Some(Value::Map(elsewhere)) = self.members.get("_claim_names")
            && elsewhere.contains_key(claim.as_str())
        {
            return Err(Error::GroupsElsewhere { claim: claim.clone() });
        }
        let Some(list) = self.members.get(claim.as_str()) else { return Ok(Vec::new()) };
        let names = texts(list).ok_or_else(|| wrong(claim, "a list of texts"))?;
        let mut groups = Vec::new();
        for name in names {
            let group = object.fill(|_| Some(name)).map_err(Error::Group)?;
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        Ok(groups)
    }

    fn context(&self) -> Result<Context, Error> {
        let mut fields: BTreeMap<Arc<str>, Value> = BTreeMap::new();
        for claim in &self.issuer.context {
            if let Some(value) = self.members.get(claim.as_str()) {
                fields.insert(claim.as_str().into(), value.clone());
            }
        }
        if let Some(class) = self.text("acr")? {
            fields.insert("acr".into(), Value::Text(class.into()));
        }
        if let Some(methods) = self.members.get("amr") {
            texts(methods).ok_or_else(|| wrong("amr", "a list of texts"))?;
            fields.insert("amr".into(), methods.clone());
        }
        // Conditions know points in time by their text.
        if let Some(time) = self.time("auth_time", f64::floor)? {
            fields.insert("auth_time".into(), Value::Text(time.to_string().into()));
        }
        Context::new(fields).map_err(Error::Context)
    }

    fn text(&self, claim: &str) -> Result<Option<&'c str>, Error> {
        match self.members.get(claim) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(claim, "a text")),
        }
    }

    /// A number of seconds since 1970, which may have a fraction.
    fn time(&self, claim: &str, round: fn(f64) -> f64) -> Result<Option<Timestamp>, Error> {
        let expected = "a number of seconds since 1970 before the year 10000";
        let milliseconds = match self.members.get(claim) {
            None => return Ok(None),
            Some(Value::Int(seconds)) => seconds.checked_mul(1_000),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what does not fit stops at the largest, which is refused"
            )]
            Some(Value::Double(seconds)) => Some(round(seconds.get() * 1_000.0) as i64),
            Some(_) => None,
        };
        let time = milliseconds.map(Timestamp).filter(|time| (Timestamp(0)..=Timestamp::MAX).contains(time));
        time.map(Some).ok_or_else(|| wrong(claim, expected))
    }
}

/// The texts of a list that has nothing else.
fn texts(list: &Value) -> Option<Vec<&str>> {
    let Value::List(items) = list else { return None };
    let mut texts = Vec::new();
    for item in items {
        let Value::Text(text) = item else { return None };
        texts.push(&**text);
    }
    Some(texts)
}

fn wrong(claim: &str, expected: &'static str) -> Error {
    Error::Claim { claim: claim.to_owned(), expected }
}
