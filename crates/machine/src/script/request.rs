//! Commands as scripts write them.

use std::num::NonZeroU64;
use std::time::Duration;

use portcullis_lease::Roster;
use portcullis_model::{Authority, Fingerprint, GrantFilter, IdempotencyKey, NameError, NodeId, Revision};

use super::{Moment, Spoilt, number, numbers};
use crate::command::{
    AdmitByToken, AdmitNode, Annotated, CompactHistory, ConfigureLeases, CreateGrant, CreateJoinToken, CreateRole,
    CreateTenant, DeleteRelationships, DeleteRole, DeleteTenant, DeleteTuples, DropAuthority, DueEnd, DueRelationship,
    DueStart, End, ExpireGrants, ExpireRelationships, Initialise, InstallAuthority, RaiseVersion, RetireNode,
    RevokeByFilter, RevokeGrants, RevokeJoinToken, SettleLeases, StartGrants, Update, UpdateRole, WriteRelationships,
    WriteSchema,
};
use crate::{Command, Envelope, Idempotency, Precondition, Target};

/// The settings of one command alone.
#[derive(Default)]
pub(super) struct Own {
    key: Option<IdempotencyKey>,
    preconditions: Vec<Precondition>,
}

impl Own {
    /// Reads the lines before a command.
    pub(super) fn read(lines: &[String]) -> Result<Self, Spoilt> {
        let mut own = Self::default();
        for line in lines {
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["key", key] => own.key = Some(key.parse()?),
                ["require", words @ ..] => own.preconditions.push(precondition(words)?),
                _ => return Err(Spoilt::Unclear),
            }
        }
        Ok(own)
    }
}

/// A command with the settings that are its own.
pub(super) struct Request {
    text: String,
    own: Own,
    command: Command,
}

impl Request {
    pub(super) fn read(text: &str, own: &[String]) -> Result<Self, Spoilt> {
        Ok(Self { text: text.trim().to_owned(), own: Own::read(own)?, command: command(text)? })
    }

    /// The command as it travels at this moment.
    pub(super) fn envelope(self, moment: &Moment) -> Envelope {
        let digest = digest(&format!("{:?} {:?} {}", moment.reason, self.own.preconditions, self.text));
        Envelope {
            version: moment.version,
            tenant: moment.tenant.clone(),
            actor: moment.actor.clone(),
            reason: moment.reason.clone(),
            idempotency: self.own.key.map(|key| Idempotency { key, digest }),
            preconditions: self.own.preconditions,
            stamp: moment.stamp,
            salt: [0; 16],
            command: self.command,
        }
    }
}

/// Stands for the digest of a request. The machine only compares digests, so FNV-1a does.
fn digest(text: &str) -> [u8; 32] {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&hash.to_be_bytes());
    digest
}

/// A command about who is trusted, if it is one.
fn about_trust(words: &[&str]) -> Result<Option<Command>, Spoilt> {
    Ok(Some(match words {
        ["admit-by-token", node, token, secret] => Command::AdmitByToken(AdmitByToken {
            node: NodeId(number(node)?),
            token: token.parse()?,
            proof: digest(secret),
            applicant: digest(node),
        }),
        ["create-join-token", id, secret, "until", expires] => Command::CreateJoinToken(CreateJoinToken {
            id: id.parse()?,
            proof: digest(secret),
            expires: expires.parse()?,
        }),
        ["revoke-join-token", id] => Command::RevokeJoinToken(RevokeJoinToken { id: id.parse()? }),
        ["install-authority", name] => Command::InstallAuthority(InstallAuthority { authority: authority(name) }),
        ["drop-authority", name] => Command::DropAuthority(DropAuthority { fingerprint: authority(name).fingerprint }),
        _ => return Ok(None),
    }))
}

/// An authority of which only the name matters.
fn authority(name: &str) -> Authority {
    Authority {
        fingerprint: Fingerprint(digest(name)),
        certificate: name.into(),
        cross_certificate: Vec::new(),
        sealed_key: Vec::new(),
    }
}

fn precondition(words: &[&str]) -> Result<Precondition, Spoilt> {
    if *words == ["only-adds"] {
        return Ok(Precondition::OnlyAdds);
    }
    let [kind, name, expected @ ..] = words else { return Err(Spoilt::Unclear) };
    let target = match *kind {
        "role" => Target::Role(name.parse()?),
        "grant" => Target::Grant(name.parse()?),
        "relationship" => Target::tuples(name.parse()?),
        _ => return Err(Spoilt::Unclear),
    };
    match expected {
        ["exists"] => Ok(Precondition::Exists(target)),
        ["missing"] => Ok(Precondition::Missing(target)),
        ["at", revision] => Ok(Precondition::At(target, Revision(number(revision)?))),
        _ => Err(Spoilt::Unclear),
    }
}

fn command(text: &str) -> Result<Command, Spoilt> {
    let words: Vec<String> = text.split_whitespace().flat_map(expand).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(command) = about_trust(&words)? {
        return Ok(command);
    }
    Ok(match words.as_slice() {
        ["initialise", cluster, node] => {
            Command::Initialise(Initialise { cluster: cluster.parse()?, node: NodeId(number(node)?) })
        }
        ["raise-version", version] => Command::RaiseVersion(RaiseVersion { version: number(version)? }),
        ["admit-node", node] => Command::AdmitNode(AdmitNode { node: NodeId(number(node)?) }),
        ["retire-node", node] => Command::RetireNode(RetireNode { node: NodeId(number(node)?) }),
        ["configure-leases", words @ ..] => Command::ConfigureLeases(configure_leases(words)?),
        ["compact-history", floor] => Command::CompactHistory(CompactHistory { floor: Revision(number(floor)?) }),
        ["settle-leases", changed_at] => Command::SettleLeases(SettleLeases { changed_at: number(changed_at)? }),
        ["create-tenant", id] => Command::CreateTenant(CreateTenant { id: id.parse()? }),
        ["delete-tenant", id] => Command::DeleteTenant(DeleteTenant { id: id.parse()? }),
        ["create-role", id, words @ ..] => {
            let (permissions, inherits) = contents(words);
            let (permissions, inherits) = (parsed(permissions)?, parsed(inherits)?);
            Command::CreateRole(CreateRole { id: id.parse()?, permissions, inherits })
        }
        ["update-role", id, words @ ..] => {
            let (permissions, inherits) = contents(words);
            let (permissions, inherits) = (parsed(permissions)?, parsed(inherits)?);
            Command::UpdateRole(UpdateRole { id: id.parse()?, permissions, inherits })
        }
        ["delete-role", id] => Command::DeleteRole(DeleteRole { id: id.parse()? }),
        ["create-grant", id, subject, role, scope, window @ ..] => {
            Command::CreateGrant(Box::new(create_grant([id, subject, role, scope], window)?))
        }
        ["revoke-grants", ids @ ..] => Command::RevokeGrants(RevokeGrants { ids: parsed(ids)? }),
        ["revoke-by-filter", words @ ..] => Command::RevokeByFilter(RevokeByFilter { filter: grant_filter(words)? }),
        ["start-grants", words @ ..] => Command::StartGrants(StartGrants { due: starts(words)? }),
        ["expire-grants", words @ ..] => Command::ExpireGrants(ExpireGrants { due: ends(words)? }),
        ["write-schema", ..] => {
            // A schema is not in words: its spaces are its own.
            let text = text.trim_start().strip_prefix("write-schema").unwrap_or(text).trim();
            Command::WriteSchema(WriteSchema { text: text.to_owned() })
        }
        ["expire-relationships", words @ ..] => {
            Command::ExpireRelationships(ExpireRelationships { due: expired(words)? })
        }
        ["write-relationships", words @ ..] => {
            Command::WriteRelationships(WriteRelationships { updates: updates(words)? })
        }
        ["delete-relationships", filter] => {
            Command::DeleteRelationships(DeleteRelationships { filter: filter.parse()? })
        }
        ["delete-tuples", filter, "most", most, words @ ..] => {
            let partly = match words {
                [] => false,
                ["partly"] => true,
                _ => return Err(Spoilt::Unclear),
            };
            Command::DeleteTuples(DeleteTuples { filter: filter.parse()?, most: number(most)?, partly })
        }
        ["annotated", metadata, command @ ..] => {
            let metadata = metadata.parse().map_err(|_| Spoilt::Unclear)?;
            Command::Annotated(Annotated { metadata, command: Box::new(self::command(&command.join(" "))?) })
        }
        _ => return Err(Spoilt::Unclear),
    })
}

/// Writes out a word that stands for many.
fn expand(word: &str) -> Vec<String> {
    let split = word.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (range, after))) = split else { return vec![word.to_owned()] };
    match numbers(range) {
        Some(numbers) => numbers.map(|n| format!("{before}{n}{after}")).collect(),
        None => vec![word.to_owned()],
    }
}

fn parsed<T, C>(words: &[&str]) -> Result<C, Spoilt>
where
    T: std::str::FromStr<Err = NameError>,
    C: FromIterator<T>,
{
    Ok(words.iter().map(|word| word.parse()).collect::<Result<C, _>>()?)
}

/// The permissions of a role and, after `inherits`, the roles that it inherits.
fn contents<'a, 'b>(words: &'a [&'b str]) -> (&'a [&'b str], &'a [&'b str]) {
    let split = words.iter().position(|word| *word == "inherits");
    split.map_or((words, &[]), |at| (&words[..at], &words[at + 1..]))
}

fn create_grant([id, subject, role, scope]: [&str; 4], window: &[&str]) -> Result<CreateGrant, Spoilt> {
    let (start, window) = match window {
        ["from", time, window @ ..] => (Some(time.parse()?), window),
        window => (None, window),
    };
    let end = match window {
        [] => End::Never,
        ["until", time] => End::At(time.parse()?),
        ["for", duration] => End::After(milliseconds(duration)?),
        _ => return Err(Spoilt::Unclear),
    };
    let (id, subject, role, scope) = (id.parse()?, subject.parse()?, role.parse()?, scope.parse()?);
    Ok(CreateGrant { id, subject, role, scope, start, end })
}

fn configure_leases(words: &[&str]) -> Result<ConfigureLeases, Spoilt> {
    let (words, roster) = match words {
        [words @ .., "roster", "all"] => (words, Some(Roster::Everyone)),
        _ => match words.iter().position(|word| *word == "roster") {
            Some(at) => {
                let nodes = words[at + 1..].iter().map(|node| number(node)).collect::<Result<_, _>>()?;
                (&words[..at], Some(Roster::Only(nodes)))
            }
            None => (words, None),
        },
    };
    let mut command = ConfigureLeases { roster, ..ConfigureLeases::default() };
    let (pairs, []) = words.as_chunks::<2>() else { return Err(Spoilt::Unclear) };
    for [part, wanted] in pairs {
        let time = || milliseconds(wanted).map(|ms| Some(Duration::from_millis(ms.get())));
        match *part {
            "length" => command.length = time()?,
            "renewal" => command.renewal = time()?,
            "lag" => command.lag = time()?,
            "drift" => command.drift_ppm = Some(number(wanted)?),
            _ => return Err(Spoilt::Unclear),
        }
    }
    Ok(command)
}

/// `250ms`, `90s`, `2h`.
fn milliseconds(duration: &str) -> Result<NonZeroU64, Spoilt> {
    let unit_at = duration.find(|letter: char| !letter.is_ascii_digit()).ok_or(Spoilt::Unclear)?;
    let (count, unit) = duration.split_at(unit_at);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "h" => 3_600_000,
        _ => return Err(Spoilt::Unclear),
    };
    let ms = number::<u64>(count)?.checked_mul(unit).and_then(NonZeroU64::new);
    ms.ok_or(Spoilt::Unclear)
}

pub(super) fn grant_filter(words: &[&str]) -> Result<GrantFilter, Spoilt> {
    let (pairs, rest) = words.as_chunks::<2>();
    let mut filter = GrantFilter::default();
    for [part, wanted] in pairs {
        match *part {
            "subject" => filter.subject = Some(wanted.parse()?),
            "role" => filter.role = Some(wanted.parse()?),
            "scope" => filter.scope = Some(wanted.parse()?),
            _ => return Err(Spoilt::Unclear),
        }
    }
    if rest.is_empty() { Ok(filter) } else { Err(Spoilt::Unclear) }
}

fn starts(words: &[&str]) -> Result<Vec<DueStart>, Spoilt> {
    let (all, []) = words.as_chunks::<6>() else { return Err(Spoilt::Unclear) };
    let start = |[tenant, id, version, subject, role, scope]: &[&str; 6]| {
        Ok(DueStart {
            tenant: tenant.parse()?,
            id: id.parse()?,
            version: Revision(number(version)?),
            subject: subject.parse()?,
            role: role.parse()?,
            scope: scope.parse()?,
        })
    };
    all.iter().map(start).collect()
}

fn ends(words: &[&str]) -> Result<Vec<DueEnd>, Spoilt> {
    let (all, []) = words.as_chunks::<3>() else { return Err(Spoilt::Unclear) };
    let end = |[tenant, id, version]: &[&str; 3]| {
        Ok(DueEnd { tenant: tenant.parse()?, id: id.parse()?, version: Revision(number(version)?) })
    };
    all.iter().map(end).collect()
}

fn expired(words: &[&str]) -> Result<Vec<DueRelationship>, Spoilt> {
    let (all, []) = words.as_chunks::<3>() else { return Err(Spoilt::Unclear) };
    let due = |[tenant, relationship, expires]: &[&str; 3]| {
        let (tenant, relationship) = (tenant.parse()?, relationship.parse()?);
        Ok(DueRelationship { tenant, relationship, expires: expires.parse()? })
    };
    all.iter().map(due).collect()
}

fn updates(words: &[&str]) -> Result<Vec<Update>, Spoilt> {
    let mut updates = Vec::new();
    let mut verb = None;
    for word in words {
        match (*word, verb) {
            ("create" | "touch" | "delete", _) => verb = Some(*word),
            (tuple, Some("create")) => updates.push(Update::create(tuple.parse()?)),
            (tuple, Some("touch")) => updates.push(Update::touch(tuple.parse()?)),
            (relationship, Some(_)) => updates.push(Update::Delete(relationship.parse()?)),
            (_, None) => return Err(Spoilt::Unclear),
        }
    }
    Ok(updates)
}
