//! Tokens of freshness.

use portcullis_model::{GroupId, Revision, Token};

pub(crate) fn run(input: &[u8]) {
    if let Some(text) = crate::text(input)
        && let Ok(token) = text.parse::<Token>()
    {
        assert!(token.to_string().eq_ignore_ascii_case(text), "{token} was read from {text}");
    }
    // Whatever is handed out is understood.
    if let Some((group, rest)) = input.split_first_chunk()
        && let Some(revision) = rest.first_chunk()
    {
        let token =
            Token { group: GroupId(u32::from_le_bytes(*group)), revision: Revision(u64::from_le_bytes(*revision)) };
        assert_eq!(token.to_string().parse(), Ok(token));
    }
}
