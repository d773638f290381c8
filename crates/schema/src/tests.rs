//! Cases that scripts do not reach.

mod abuse;
mod conformance;
mod documentation;
mod random;
mod script;
mod scripts;
mod worlds;
