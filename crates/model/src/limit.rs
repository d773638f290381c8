//! Every limit of the interfaces, by name and unit. The table in `docs/limits.md` repeats these values.

/// Longest type name, in bytes.
pub const TYPE_BYTES_MAX: usize = 128;
/// Longest relation or permission name, in bytes.
pub const RELATION_BYTES_MAX: usize = 64;
/// Longest role or tenant id, in bytes.
pub const ROLE_BYTES_MAX: usize = 128;
/// Longest object id or grant id, in bytes.
pub const ID_BYTES_MAX: usize = 1_024;
/// Longest reason or ticket, in bytes.
pub const REASON_BYTES_MAX: usize = 4 * 1_024;
/// Most that a question or a relationship says for its conditions, in bytes as JSON.
pub const CONTEXT_BYTES_MAX: usize = 64 * 1_024;
/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// Most updates in one write.
pub const UPDATES_MAX: usize = 1_000;
/// Most checks in one batch.
pub const BATCH_CHECKS_MAX: usize = 10_000;
/// Deepest chain of groups, scopes or inherited roles that one check follows.
pub const DEPTH_MAX: u32 = 50;
/// Most tuples that one check visits.
pub const VISITED_MAX: u64 = 100_000;
/// Most tuples that one lookup visits to find out what may be an answer. Each of these is a check of its own then.
pub const LOOKUP_VISITED_MAX: u64 = 10_000_000;
/// Most permissions that one role names, and most roles that it inherits.
pub const ROLE_ENTRIES_MAX: usize = 1_000;
/// Most grants or relationships that one call ends by filter; beyond it the filter has to be narrowed.
pub const ENDED_BY_FILTER_MAX: usize = 100_000;
/// Page of a list when the caller names none, in items.
pub const PAGE_DEFAULT: usize = 1_000;
/// Largest page of a list, in items.
pub const PAGE_MAX: usize = 10_000;
/// Largest message on any listener, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// How long the outcome of a write is remembered under its idempotency key, in milliseconds (24 hours).
pub const IDEMPOTENCY_RETENTION_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most idempotency keys remembered for one tenant; the oldest is forgotten first.
pub const IDEMPOTENCY_KEYS_MAX: u64 = 1_000_000;
/// How long the state can be read as it was unless configured otherwise, in seconds (24 hours).
pub const HISTORY_RETENTION_S: u64 = 24 * 60 * 60;
/// Deadline of a check whose caller gave none, in milliseconds.
pub const CHECK_DEADLINE_MS: u64 = 5_000;
/// Deadline of a lookup, or another stream that comes to an end, whose caller gave none, in milliseconds.
pub const STREAM_DEADLINE_MS: u64 = 60_000;
/// Bound on the error of a node's wall clock unless configured otherwise, in milliseconds.
pub const CLOCK_ERROR_MS: u64 = 250;
/// Watchers of one node unless configured otherwise.
pub const WATCHERS_MAX: usize = 10_000;
/// How long a watcher may leave a change untaken before it is disconnected unless configured otherwise, in seconds.
pub const WATCHER_PATIENCE_S: u64 = 30;
/// Time between two checkpoints of a watch unless asked for otherwise, in milliseconds.
pub const CHECKPOINT_MS: u64 = 1_000;
/// Shortest time between two checkpoints of a watch, in milliseconds.
pub const CHECKPOINT_MS_MIN: u64 = 100;
/// Longest time between two checkpoints of a watch, in milliseconds.
pub const CHECKPOINT_MS_MAX: u64 = 60_000;
/// Most types, and most filters over relationships, that one watch asks for.
pub const WATCH_FILTERS_MAX: usize = 100;
/// Largest message of a watch, in bytes: a change is told as a whole, however much one filter has ended.
pub const EVENT_BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// Most authorities whose signatures count at a time: the one that signs, and the one before it.
pub const AUTHORITIES_MAX: usize = 2;
/// Most join tokens that may wait to be used.
pub const JOIN_TOKENS_MAX: usize = 100;
/// Longest time for which a join token is made, in milliseconds (7 days).
pub const JOIN_TOKEN_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1_000;
