//! The HTTP listener: whether the node lives, whether it is ready, and its metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use portcullis_consensus::LeaseStatus;
use portcullis_node::Node;

use crate::ready;

#[derive(Clone)]
struct Watched {
    node: Arc<Node>,
    metrics: PrometheusHandle,
}

pub(crate) fn router(node: Arc<Node>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .with_state(Watched { node, metrics })
}

async fn ready(State(watched): State<Watched>) -> (StatusCode, String) {
    match ready::look(&watched.node).await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn show_metrics(State(watched): State<Watched>) -> String {
    let status = watched.node.group_status();
    let group = watched.node.group_id().to_string();
    let gauge = |name: &'static str, value: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact up to 2^53")]
        metrics::gauge!(name, "group" => group.clone()).set(value as f64);
    };
    gauge("portcullis_raft_term", status.term);
    gauge("portcullis_raft_is_leader", u64::from(status.leads));
    gauge("portcullis_raft_last_log_index", status.last_log.unwrap_or(0));
    gauge("portcullis_raft_purged_index", status.purged.unwrap_or(0));
    gauge("portcullis_applied_revision", status.applied.unwrap_or(0));
    gauge("portcullis_disk_free_bytes", watched.node.disk_free_bytes().unwrap_or(0));
    gauge("portcullis_resident_bytes", watched.node.resident_bytes());
    gauge("portcullis_spilled_tenants", watched.node.spilled_tenants());
    gauge("portcullis_alarms", watched.node.alarms().len() as u64);
    gauge("portcullis_history_floor_revision", watched.node.history_floor().0);
    if let Some(ends) = watched.node.certificate_ends() {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact up to 2^53")]
        metrics::gauge!("portcullis_certificate_ends_timestamp_seconds").set(ends.0 as f64 / 1_000.0);
    }
    gauge("portcullis_watchers", watched.node.watchers() as u64);
    gauge("portcullis_visible_revision", watched.node.visible().0);
    show_lease_metrics(&watched.node, &group);
    watched.metrics.render()
}

fn show_lease_metrics(node: &Node, group: &str) {
    let LeaseStatus { left, visible, registered, fenced_for, sessions, counts, .. } = node.lease_status();
    let gauge = |name: &'static str, value: f64| metrics::gauge!(name, "group" => group.to_owned()).set(value);
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact up to 2^53")]
    let count = |count: u64| count as f64;
    gauge("portcullis_lease_seconds_left", left.as_secs_f64());
    gauge("portcullis_lease_pending_entries", count(registered.saturating_sub(visible)));
    gauge("portcullis_lease_fence_seconds_left", fenced_for.as_secs_f64());
    gauge("portcullis_lease_sessions", count(sessions.len() as u64));
    let counter = |name: &'static str, label: &'static str, value: u64| {
        metrics::counter!(name, "group" => group.to_owned(), "reason" => label).absolute(value);
    };
    metrics::counter!("portcullis_leases_granted_total", "group" => group.to_owned()).absolute(counts.granted);
    for (reason, refused) in [
        ("unconfirmed", counts.refused_unconfirmed),
        ("roster", counts.refused_roster),
        ("lag", counts.refused_lag),
        ("quarantine", counts.refused_quarantine),
        ("stale", counts.refused_stale),
    ] {
        counter("portcullis_leases_refused_total", reason, refused);
    }
    for (node, stalls) in counts.stalls {
        let labels = [("group", group.to_owned()), ("holder", node.to_string())];
        metrics::counter!("portcullis_lease_stalls_total", &labels).absolute(stalls);
    }
}
