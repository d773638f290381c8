//! Tests of the whole: scripts, properties, and input that wishes no good.

mod expressions;
mod hostile;
mod properties;
mod scripts;
