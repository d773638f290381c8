//! What must hold for any input that comes from outside, as functions of bytes.
//!
//! A target reads the bytes as a text or a message of one kind and panics where a property does not hold. That nothing else
//! panics and nothing takes for ever is a property, too. Most inputs are refused; then the refusal has to name what is wrong.
//! Who makes the inputs up is not said here: the tests of this crate replay `corpus` and change it by a seed, and the package in
//! `coverage`, which is not of the workspace, is guided by what the inputs reach.
//!
//! A target keeps no state and depends on nothing but its input, so that a find can be replayed.

mod api_key;
mod authzed;
mod caveat;
mod certificate;
mod context;
mod cursor;
mod filter;
mod jwks;
mod jwt;
mod message;
mod portcullis;
mod relationship;
mod schema;
mod token;

/// A kind of input, and what must hold for it.
pub struct Target {
    /// The name; that of its folder in `corpus`.
    pub name: &'static str,
    /// Panics if a property does not hold for an input.
    pub run: fn(&[u8]),
}

/// All targets, in the order of their names.
pub const TARGETS: &[Target] = &[
    Target { name: "api_key", run: api_key::run },
    Target { name: "authzed", run: authzed::run },
    Target { name: "caveat", run: caveat::run },
    Target { name: "certificate", run: certificate::run },
    Target { name: "context", run: context::run },
    Target { name: "cursor", run: cursor::run },
    Target { name: "filter", run: filter::run },
    Target { name: "jwks", run: jwks::run },
    Target { name: "jwt", run: jwt::run },
    Target { name: "portcullis", run: portcullis::run },
    Target { name: "relationship", run: relationship::run },
    Target { name: "schema", run: schema::run },
    Target { name: "token", run: token::run },
];

/// Runs the target of a name.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no `{name}`"));
    (target.run)(input);
}

/// The input as a text, if it is one. Files of texts end in a line break, which is not part of it.
fn text(input: &[u8]) -> Option<&str> {
    let text = str::from_utf8(input).ok()?;
    Some(text.strip_suffix('\n').unwrap_or(text))
}
