//! How the nodes answered: from their own copy, or with the help of the leader. They count it themselves.

use portcullis_tests::Cluster;

/// What the label of the counter means.
const WAYS: &[(&str, &str)] = &[
    ("lease", "by the node alone, at once"),
    ("waited", "by the node alone, after a change was visible"),
    ("leader", "after asking the leader, without a lease"),
];

/// How many answers came about in one way.
pub(crate) struct Served {
    /// In which way.
    pub how: &'static str,
    /// How many.
    pub count: u64,
}

/// Asks all nodes that are up.
pub(crate) async fn by_all(cluster: &Cluster) -> anyhow::Result<Vec<Served>> {
    let mut served: Vec<Served> = WAYS.iter().map(|(_, how)| Served { how, count: 0 }).collect();
    for node in cluster.up() {
        let (_, metrics) = cluster.node(node).http("/metrics").await?;
        for (way, (label, _)) in served.iter_mut().zip(WAYS) {
            let begin = format!("portcullis_decisions_total{{group=\"1\",by=\"{label}\"}} ");
            let count = metrics.lines().find_map(|line| line.strip_prefix(&begin)?.parse::<u64>().ok());
            way.count += count.unwrap_or(0);
        }
    }
    Ok(served)
}
