//! What permissions are made of.

use portcullis_eval::{self as eval, Budget, Expanded};
use portcullis_model::{Object, PermissionName, TenantId};
use tokio::time::Instant;

use crate::check::CheckError;
use crate::decide::DecideError;
use crate::node::Node;
use crate::over::over;
use crate::view::{Freshness, Served};

impl Node {
    /// Expands a permission of an object; `None` for one that only roles name.
    pub async fn expand(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        (resource, permission): (&Object, &PermissionName),
        deadline: Instant,
    ) -> Result<(Option<Expanded>, Served), DecideError> {
        let served = self.standing(freshness, tenant, deadline).await?;
        let missing = || CheckError::TenantMissing(tenant.clone());
        let stored = served.view.tenant(tenant).ok_or_else(missing)?;
        let is_late = || Instant::now() >= deadline;
        let budget = Budget::new(&is_late);
        let expanded = over!(stored, None, |snapshot| eval::expand(snapshot, resource, permission, &budget))?;
        Ok((expanded, served))
    }

    /// Whether what was expanded may still leave.
    pub fn still_expands(&self, served: &Served, tenant: &TenantId) -> bool {
        self.may_leave(served, tenant, |_| false)
    }
}
