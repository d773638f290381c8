//! Limits of caveats, by name and unit. The table in `docs/limits.md` repeats these values.

/// Longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 100_000;
/// Deepest nesting of an expression, in levels: parentheses, operators within operators, calls and fields of what they
/// return. A row of `&&` or of `||` is one level, however long.
pub const NESTING_MAX: usize = 256;
/// Most parameters of one caveat.
pub const PARAMETERS_MAX: usize = 128;
/// Most problems that are reported at once.
pub const PROBLEMS_MAX: usize = 20;
/// Most steps of one evaluation. A step is a node of the expression, an element that is looked at, or 64 bytes of text.
pub const STEPS_MAX: u64 = 1_000_000;
/// How many elements a list or map of the context is assumed to have when an expression is judged before it is used.
pub const ELEMENTS_ASSUMED: u64 = 10;
/// How long a text of the context is assumed to be then, in bytes.
pub const TEXT_BYTES_ASSUMED: u64 = 64;
/// Most patterns of one expression.
pub const PATTERNS_MAX: usize = 64;
/// Longest pattern of `matches`, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1_024;
/// Largest automatons that the patterns of an expression may become together, in bytes of memory.
pub const PATTERN_MEMORY_BYTES_MAX: usize = 1_024 * 1_024;
/// Largest automaton that a pattern which comes from a context may become, in bytes of memory: it is compiled each time.
pub const GIVEN_PATTERN_MEMORY_BYTES_MAX: usize = 64 * 1_024;
/// Deepest nesting of groups in a pattern, in levels.
pub const PATTERN_NESTING_MAX: u32 = 50;
/// Longest text that an expression may put together, in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024 * 1_024;
/// Deepest nesting of lists and maps in a value, in levels.
pub const VALUE_NESTING_MAX: u32 = 512;
