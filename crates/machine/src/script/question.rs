//! Questions about the state as scripts ask them.

use portcullis_model::{NodeId, TenantId, Tuple, limit};

use portcullis_schema::Definition;

use super::answer::{self, listed};
use super::{Spoilt, number, request};
use crate::State;

/// What there is instead of a thing that does not exist.
const MISSING: &str = "missing";

/// Answers a question about what is in a tenant, or about the cluster.
pub(super) fn ask<S: State>(state: &S, tenant: &TenantId, question: &[&str]) -> Result<String, Spoilt> {
    let most = limit::PAGE_DEFAULT;
    Ok(match question {
        ["cluster"] => state.cluster()?.map_or(MISSING.to_owned(), |cluster| cluster.to_string()),
        ["version"] => state.active_version()?.to_string(),
        ["leases"] => answer::leases(&state.leases()?),
        ["trust"] => answer::trust(&state.trust()?),
        ["history"] => format!("from {}", state.history_floor()?),
        ["stamp"] => state.last_stamp()?.to_string(),
        ["node", node] => {
            let node = NodeId(number(node)?);
            match (state.is_admitted(node)?, state.is_retired(node)?) {
                (false, false) => "unknown",
                (true, false) => "admitted",
                (false, true) => "retired",
                (true, true) => "admitted, retired",
            }
            .to_owned()
        }
        ["tenant", id] => state.tenant(&id.parse()?)?.as_ref().map_or(MISSING.to_owned(), answer::tenant),
        ["role", id] => state.role(tenant, &id.parse()?)?.as_ref().map_or(MISSING.to_owned(), answer::role),
        ["grant", id] => state.grant(tenant, &id.parse()?)?.as_ref().map_or(MISSING.to_owned(), answer::grant),
        ["live", filter @ ..] => {
            let live = state.live_grants(tenant, &request::grant_filter(filter)?, most)?;
            listed(live.iter().map(|grant| &grant.id), ", ")
        }
        ["relationships", filter] => {
            let filter = filter.parse()?;
            let tuples = state.tuples_where(tenant, &filter, most, &|_| true)?;
            for Tuple { relationship, qualifier } in &tuples {
                let stored = state.qualifier(tenant, relationship)?;
                assert!(stored.as_ref() == Some(qualifier), "INVARIANT: what is listed is stored: {relationship}");
            }
            listed(tuples, ", ")
        }
        // Its names, in one line.
        ["schema"] => match state.schema(tenant)? {
            Some(schema) => listed(schema.definitions().map(Definition::name), ", "),
            None => MISSING.to_owned(),
        },
        ["remembered"] => {
            let oldest = state.oldest_remembered(tenant, most)?;
            let names = oldest.iter().map(|(name, old)| format!("{} of {} at {}", name.key, name.caller, old.revision));
            format!("{}: {}", state.remembered_count(tenant)?, listed(names, ", "))
        }
        _ => return Err(Spoilt::Unclear),
    })
}
