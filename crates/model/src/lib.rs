//! The nouns of Portcullis, parsed once and valid by construction.
//!
//! A value of a type from this crate never needs checking again: every string was matched against its grammar and
//! length when it was made, also when it was read from disk or from the network (`serde` goes through the same
//! constructors). The crate knows nothing of clocks, disks, threads or transport.

pub mod limit;

mod actor;
mod cluster;
mod filter;
mod grant;
mod name;
mod object;
mod permission;
mod relationship;
mod revision;
mod role;
mod tenant;
mod time;
mod trust;
mod tuple;
mod value;

pub use actor::{Actor, IdempotencyKey, Reason, Verified};
pub use cluster::{ClusterId, GroupId, Member, NodeId, Region};
pub use filter::{Prefix, SubjectFilter, TupleFilter, Which};
pub use grant::{Grant, GrantFilter, GrantId, GrantState};
pub use name::{CaveatName, NameError, ObjectKey, PermissionName, RelationName, RoleId, TenantId, TypeName};
pub use object::{Object, Subject};
pub use permission::{Permission, PermissionPattern};
pub use relationship::{Relationship, RelationshipFilter};
pub use revision::{Revision, Token};
pub use role::Role;
pub use tenant::Tenant;
pub use time::{Clock, Timestamp, Window, WindowError};
pub use trust::{Authority, Fingerprint, JoinToken, JoinTokenId, Trust};
pub use tuple::{CaveatUse, Qualifier, Tuple, TupleError};
pub use value::{Context, ContextError, Double, Value};
