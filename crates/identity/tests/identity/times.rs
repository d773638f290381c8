//! When a token counts: only while the clock leaves no doubt.

use portcullis_model::{Clock, Timestamp};

use crate::world::{Draft, NOW, verified, verifier};

#[test]
fn a_token_counts_only_while_the_clock_leaves_no_doubt() {
    for (claim, value, reading, error_ms, expected) in [
        ("exp", "2000", 1_999_999, 0, ""),
        ("exp", "2000", 2_000_000, 0, "the token expired"),
        ("exp", "2000", 1_999_749, 250, ""),
        ("exp", "2000", 1_999_750, 250, "the token expired"),
        ("exp", "2000.5", 2_000_499, 0, ""),
        ("exp", "2000.5", 2_000_500, 0, "the token expired"),
        ("exp", "0", 1_500_000, 0, "the token expired"),
        ("nbf", "1000", 1_000_000, 0, ""),
        ("nbf", "1000", 999_999, 0, "the token is valid from"),
        ("nbf", "1000", 1_000_250, 250, ""),
        ("nbf", "1000", 1_000_249, 250, "the token is valid from"),
        ("nbf", "1000.0005", 1_000_000, 0, "the token is valid from"),
        // When it was issued is no bound, but has to be possible.
        ("iat", "1600", 1_600_000, 0, ""),
        ("iat", "1600", 1_599_999, 0, "the token was issued at"),
        ("iat", "1600", 1_599_750, 250, ""),
        ("iat", "1600", 1_599_749, 250, "the token was issued at"),
    ] {
        let (verifier, token) = (verifier(), Draft::good().claim(claim, value).token());
        let clock = Clock { reading: Timestamp(reading), error_ms };
        let fresh = verified(&verifier, &token, &clock).map(drop).err().unwrap_or_default();
        assert!(fresh.starts_with(expected) && fresh.is_empty() == expected.is_empty(), "{claim} {value}: {fresh}");
        // One that is remembered is treated alike.
        let again = crate::world::verifier();
        if verified(&again, &token, &Clock { reading: Timestamp(1_700_000), error_ms: 0 }).is_ok() {
            assert_eq!(again.cached_tokens(), 1);
            assert_eq!(verified(&again, &token, &clock).map(drop).err().unwrap_or_default(), fresh);
        }
    }
}

#[test]
fn tokens_of_before_a_time_can_be_void() {
    let verifier = verifier();
    let (dated, undated) = (Draft::good().token(), Draft::good().claim("iat", "").token());
    // Also once they are remembered.
    for _ in 0..2 {
        for (token, not_before, expected) in [
            (&dated, None, ""),
            (&undated, None, ""),
            (&dated, Some(1_000_000), ""),
            (
                &dated,
                Some(1_000_001),
                "the tokens of the subject that were issued before 1970-01-01T00:16:40.001Z are void",
            ),
            (&undated, Some(0), "the token has no claim `iat`"),
        ] {
            let found = verifier.verify(token, &NOW, |subject| {
                assert_eq!(subject.to_string(), "user:alice");
                not_before.map(Timestamp)
            });
            let found = found.map(drop).map_err(|error| error.to_string()).err().unwrap_or_default();
            assert!(found.starts_with(expected) && found.is_empty() == expected.is_empty(), "{not_before:?}: {found}");
        }
    }
}
