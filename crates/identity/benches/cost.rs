//! What it costs to find out who a caller is. Prints the median of many rounds, and the quickest.
//!
//! `cargo bench -p portcullis-identity`, or with `--profile verify` while developing.

#[path = "../tests/identity/keys.rs"]
mod keys;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/identity/world.rs"]
mod world;

use std::hint::black_box;
use std::time::{Duration, Instant};

use portcullis_identity::api_key::{ApiKey, RANDOM_BYTES};
use portcullis_identity::jwt::Verifier;

use crate::keys::{ED25519, P256, P384, RSA, Signer};
use crate::world::{Draft, NOW, give, verifier_of};

/// Rounds of which the median is taken.
const ROUNDS: usize = 51;
/// How long a round takes about.
const ROUND: Duration = Duration::from_millis(20);

fn main() {
    // `cargo test --benches` only wants to know whether it runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let key = ApiKey::generate([7; RANDOM_BYTES]);
    let (text, digest) = (key.reveal(), key.digest());
    print("API key, parsed and matched", rounds, || {
        assert!(ApiKey::parse(black_box(&text)).unwrap().matches(&digest));
    });
    for (algorithm, id, signer) in [
        ("RS256", "rsa", &RSA[0]),
        ("PS256", "rsa", &RSA[0]),
        ("ES256", "p256", &P256[0]),
        ("ES384", "p384", &P384[0]),
        ("EdDSA", "ed", &ED25519[0]),
    ] {
        let token = token(algorithm, id, signer);
        for (kind, tokens) in [("verified anew", 0), ("known", 100)] {
            let verifier = verifier(tokens);
            print(&format!("token of {} bytes, {algorithm}, {kind}", token.len()), rounds, || {
                assert!(verifier.verify(black_box(&token), &NOW, |_| None).is_ok());
            });
        }
    }
}

/// As large as those of usual issuers.
fn token(algorithm: &str, id: &str, signer: &Signer) -> String {
    let groups: Vec<String> = (0..10).map(|nth| format!("\"team-{nth}\"")).collect();
    Draft::good()
        .header("alg", &format!("{algorithm:?}"))
        .header("kid", &format!("{id:?}"))
        .claim("groups", &format!("[{}]", groups.join(",")))
        .claim("amr", r#"["pwd","otp"]"#)
        .claim("jti", r#""4f1d6b1e-5a0a-4a5b-9a57-3f6d1c9f0a11""#)
        .claim("name", r#""Alice Example""#)
        .claim("email", r#""alice@example.org""#)
        .signed(signer, algorithm)
}

fn verifier(cached_tokens: usize) -> Verifier {
    let verifier = verifier_of(world::ISSUERS, cached_tokens);
    give(&verifier, 0, &keys::set(&[("rsa", &RSA[0]), ("p256", &P256[0]), ("p384", &P384[0]), ("ed", &ED25519[0])]));
    verifier
}

fn print(name: &str, rounds: usize, mut run: impl FnMut()) {
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < ROUND {
        run();
        count += 1;
    }
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let started = Instant::now();
            (0..count).for_each(|_| run());
            started.elapsed() / count
        })
        .collect();
    times.sort();
    println!("{name:<48} {:>10} ns, at best {:>10} ns", times[rounds / 2].as_nanos(), times[0].as_nanos());
}
