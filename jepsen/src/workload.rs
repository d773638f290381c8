//! What clients do.

pub mod revocation;

/// A workload, and what it does in words.
pub const ALL: &[(&str, &str)] = &[(
    revocation::NAME,
    "grants are made, asked about at every node, and taken away again: directly, by nested group, by scope, by a change of \
     the role, by filter",
)];
