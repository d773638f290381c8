//! Limits of the language, by name and unit. The table in `docs/limits.md` repeats these values.

/// Longest schema text, in bytes (4 MiB: what fits into a message).
pub const TEXT_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Deepest nesting of an expression, in levels: parentheses and operators within operators. A row of the same `+` or `&`
/// is one level; every `-` of a row is one of its own.
pub const NESTING_MAX: usize = 200;
/// Most arrows in a row, as in `a->b->c`, which has two.
pub const ARROWS_MAX: usize = 32;
/// Longest name of a caveat's parameter, in bytes.
pub const PARAMETER_BYTES_MAX: usize = 128;
/// Deepest nesting of a parameter's type, in levels: `list<map<int>>` has three.
pub const PARAMETER_NESTING_MAX: usize = 8;
/// Most names that a schema mentions once its partials are in place: relations, permissions, allowed subjects and the
/// operands of expressions.
pub const MENTIONS_MAX: usize = 1_000_000;
/// Most steps that the check of declared permission types takes, in references followed.
pub const TYPE_STEPS_MAX: usize = 10_000_000;
/// Most problems that are reported at once.
pub const PROBLEMS_MAX: usize = 100;
/// Most references between relations and permissions; an arrow is one for every type that it leads to.
pub const REFERENCES_MAX: usize = 2_000_000;
