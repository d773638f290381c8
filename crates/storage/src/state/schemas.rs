//! Schemas, compiled: every write of relationships asks for one, and compiling costs more than all the rest.

use std::collections::HashMap;
use std::sync::Mutex;

use foldhash::fast::FixedState;
use portcullis_model::{Revision, TenantId};
use portcullis_schema::Schema;

/// How many are kept; once there are more, all go, and what is asked for next comes again.
const KEPT_MAX: usize = 100;

/// The last schema of each tenant, and where it was written. A row that was written elsewhere is another schema.
#[derive(Default)]
pub(super) struct Schemas {
    by_tenant: Mutex<HashMap<TenantId, (Revision, Schema), FixedState>>,
}

impl Schemas {
    /// The schema that was written at a revision.
    pub(super) fn get(&self, tenant: &TenantId, written: Revision) -> Option<Schema> {
        let kept = self.lock();
        kept.get(tenant).filter(|(kept, _)| *kept == written).map(|(_, schema)| schema.clone())
    }

    pub(super) fn put(&self, tenant: &TenantId, written: Revision, schema: Schema) {
        let mut kept = self.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(tenant.clone(), (written, schema));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, (Revision, Schema), FixedState>> {
        self.by_tenant.lock().expect("INVARIANT: nothing panics while holding the schemas")
    }
}
