//! From where to go on with a lookup.

use std::fmt::Write;

use portcullis_model::{Clock, GroupId, ObjectKey, Revision, TenantId, Timestamp, Token};
use sha2::{Digest, Sha256};

use super::Sought;

/// A place in what a lookup finds, at the version and the time that it stood on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) token: Token,
    pub(super) now: Clock,
    pub(super) after: ObjectKey,
}

/// Why a text is no cursor of a lookup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It is none.
    #[error("`{0}` is not a cursor: give that of an earlier answer, unchanged")]
    Malformed(String),
    /// It is one of something else.
    #[error(
        "`{0}` is a cursor of another lookup, or was changed: give it with the tenant, the question and the context that it \
         was handed out for"
    )]
    OfAnother(String),
}

/// The first byte of a cursor; another layout takes another byte.
const VERSION: u8 = 1;
/// Version, group, revision, reading and error of the clock.
const HEAD_BYTES: usize = 1 + 4 + 8 + 8 + 8;
const SUM_BYTES: usize = 8;

impl Cursor {
    /// As callers see it. It says for which question it was handed out, so that another one is not answered from it.
    pub fn to_text(&self, tenant: &TenantId, sought: &Sought) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.token.group.0.to_be_bytes());
        bytes.extend(self.token.revision.0.to_be_bytes());
        bytes.extend(self.now.reading.0.to_be_bytes());
        bytes.extend(self.now.error_ms.to_be_bytes());
        bytes.extend(self.after.as_str().bytes());
        bytes.extend(sum(&bytes, tenant, sought));
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            write!(text, "{byte:02x}").expect("INVARIANT: writing to a string never fails");
        }
        text
    }

    /// Reads what [`Cursor::to_text`] wrote for the same question.
    pub fn parse(text: &str, tenant: &TenantId, sought: &Sought) -> Result<Self, CursorError> {
        let malformed = || CursorError::Malformed(text.to_owned());
        if !text.is_ascii() || !text.len().is_multiple_of(2) {
            return Err(malformed());
        }
        let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
        let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().map_err(|_| malformed())?;
        let (said, given) = bytes.split_last_chunk::<SUM_BYTES>().ok_or_else(malformed)?;
        let (head, after) = said.split_at_checked(HEAD_BYTES).ok_or_else(malformed)?;
        if head[0] != VERSION {
            return Err(malformed());
        }
        if sum(said, tenant, sought) != *given {
            return Err(CursorError::OfAnother(text.to_owned()));
        }
        let after =
            std::str::from_utf8(after).ok().and_then(|after| ObjectKey::new(after).ok()).ok_or_else(malformed)?;
        let number = |at: usize| {
            let bytes = head[at..at + 8].try_into().expect("INVARIANT: the head has its length");
            u64::from_be_bytes(bytes)
        };
        let group = u32::from_be_bytes(head[1..5].try_into().expect("INVARIANT: the head has its length"));
        Ok(Self {
            token: Token { group: GroupId(group), revision: Revision(number(5)) },
            now: Clock { reading: Timestamp(number(13).cast_signed()), error_ms: number(21) },
            after,
        })
    }
}

/// What binds a cursor to its question. It keeps mistakes apart, and no secrets: whatever a cursor may say can be asked for by
/// a token as well.
fn sum(said: &[u8], tenant: &TenantId, sought: &Sought) -> [u8; SUM_BYTES] {
    let question = match sought {
        Sought::Resources { subject, permission, object_type, context } => {
            format!("resources {subject} {permission} {object_type} {context}")
        }
        Sought::Subjects { permission, resource, subject_type, subject_relation, context } => {
            let relation = subject_relation.as_ref().map(|relation| format!("#{relation}")).unwrap_or_default();
            format!("subjects {permission} {resource} {subject_type}{relation} {context}")
        }
    };
    let digest =
        Sha256::new().chain_update(said).chain_update(tenant.as_str()).chain_update([0]).chain_update(question);
    *digest.finalize().first_chunk().expect("INVARIANT: a digest is longer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sought(subject: &str) -> Sought {
        Sought::Resources {
            subject: subject.parse().unwrap(),
            permission: "view".parse().unwrap(),
            object_type: "document".parse().unwrap(),
            context: "{}".parse().unwrap(),
        }
    }

    #[test]
    fn cursors_are_frozen_and_belong_to_their_question() {
        let cursor = Cursor {
            token: Token { group: GroupId(1), revision: Revision(7) },
            now: Clock { reading: Timestamp(-2), error_ms: 250 },
            after: "plan".parse().unwrap(),
        };
        let (tenant, own) = (TenantId::default_tenant(), sought("user:a"));
        let text = cursor.to_text(&tenant, &own);
        assert_eq!(
            text,
            "01000000010000000000000007fffffffffffffffe00000000000000fa706c616e".to_owned()
                + &text[text.len() - 2 * SUM_BYTES..]
        );
        assert_eq!(Cursor::parse(&text, &tenant, &own), Ok(cursor));
        let changed = text.replacen("0000000007", "0000000008", 1);
        for (text, tenant, sought) in
            [(&text, &TenantId::system(), &own), (&text, &tenant, &sought("user:b")), (&changed, &tenant, &own)]
        {
            assert_eq!(Cursor::parse(text, tenant, sought), Err(CursorError::OfAnother(text.clone())));
        }
        // No byte of it can be another.
        for at in (0..text.len()).step_by(2) {
            for other in ["00", "01", "7f", "ff"] {
                let forged = format!("{}{other}{}", &text[..at], &text[at + 2..]);
                assert!(forged == text || Cursor::parse(&forged, &tenant, &own).is_err(), "{forged}");
            }
            assert!(Cursor::parse(&text[..at], &tenant, &own).is_err(), "{at}");
        }
        for bad in ["", "01", "é1", "0g", "02000000", &text[2..], &text.replacen("01", "02", 1)] {
            assert!(Cursor::parse(bad, &tenant, &own).is_err(), "{bad}");
        }
    }
}
