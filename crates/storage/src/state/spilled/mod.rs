//! Tenants whose relationships are read from the disk, because there is no room for them in memory.
//!
//! Their roles, grants and schema stay in memory. A relationship is read from the rows, as they were when the version
//! was published, so what a check sees does not depend on where a tenant is.
//!
//! Names have numbers for the length of one evaluation: those that the index in memory has, then those of what is in
//! doubt, then those that the evaluation meets.

mod earlier;
mod kinds;
mod met;
mod reading;
mod rows;

use portcullis_model::TenantId;

pub(super) use earlier::Earlier;
pub use reading::Reading;

use super::still::Still;
use crate::resident::{TenantDoubts, TenantIndex};

/// A tenant of a version, wherever its relationships are.
#[derive(Clone, Copy, Debug)]
pub enum Stored<'a> {
    /// In memory.
    Resident(&'a TenantIndex),
    /// On disk.
    Spilled(Spilled<'a>),
}

/// A tenant whose relationships are on disk.
#[derive(Clone, Copy, Debug)]
pub struct Spilled<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) index: &'a TenantIndex,
    pub(super) still: &'a Still,
    /// What has changed since the version, if the moment is a later one.
    pub(super) earlier: Option<&'a Earlier>,
}

impl<'a> Spilled<'a> {
    /// For one evaluation, or for some on one thread, which then share what they have met. Doubts that are laid over it
    /// must be these.
    pub fn read(self, doubts: Option<&'a TenantDoubts>) -> Reading<'a> {
        Reading::new(self, doubts)
    }
}
