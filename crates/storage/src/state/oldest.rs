//! The oldest remembered outcome of each tenant, in memory: every command looks at it, and it seldom changes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use portcullis_machine::{MemoryKey, Remembered};
use portcullis_model::TenantId;

/// What was read, until it changes.
#[derive(Default)]
pub(super) struct Oldest {
    read: Mutex<BTreeMap<TenantId, (MemoryKey, Remembered)>>,
}

impl Oldest {
    pub(super) fn get(&self, tenant: &TenantId) -> Option<(MemoryKey, Remembered)> {
        self.read.lock().expect("INVARIANT: nothing panics while holding it").get(tenant).cloned()
    }

    pub(super) fn put(&self, tenant: &TenantId, oldest: (MemoryKey, Remembered)) {
        self.read.lock().expect("INVARIANT: nothing panics while holding it").insert(tenant.clone(), oldest);
    }

    /// An outcome goes or is replaced. New ones are never older than those that are there.
    pub(super) fn changes(&self, memory: &MemoryKey) {
        let mut read = self.read.lock().expect("INVARIANT: nothing panics while holding it");
        if read.get(&memory.tenant).is_some_and(|(oldest, _)| oldest == memory) {
            read.remove(&memory.tenant);
        }
    }

    /// All of a tenant go.
    pub(super) fn drop_tenant(&self, tenant: &TenantId) {
        self.read.lock().expect("INVARIANT: nothing panics while holding it").remove(tenant);
    }
}
