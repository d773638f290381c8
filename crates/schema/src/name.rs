//! The name of a caveat.

pub use portcullis_model::CaveatName;
