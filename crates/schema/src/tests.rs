//! Cases that scripts do not reach.

mod script;
mod scripts;
