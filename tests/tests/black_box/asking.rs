//! Questions that several tests ask, and what they expect.

use portcullis_client::{Client, v1};
use portcullis_tests::{Cluster, requests};
use v1::Decision::{Allow, Deny};

/// A role that lets see documents.
pub(crate) const VIEWER: &str = "viewer";

/// Makes the role [`VIEWER`].
pub(crate) async fn make_viewer(client: &Client) -> anyhow::Result<()> {
    client.create_role(requests::role(VIEWER, ["document#view"])).await?;
    Ok(())
}

/// Grants a user the sight of a document, under the document's name.
pub(crate) fn may_view(user: &str, document: &str) -> v1::CreateGrantRequest {
    requests::grant(document, &format!("user:{user}"), VIEWER, &format!("document:{document}"))
}

/// May the user see the document?
pub(crate) fn views(user: &str, document: &str) -> v1::CheckRequest {
    requests::question(&format!("user:{user}"), "view", &format!("document:{document}"))
}

/// Asks all nodes at once; each has to say yes.
pub(crate) async fn assert_allowed(cluster: &Cluster, question: &v1::CheckRequest) {
    assert_all(cluster, question, Allow).await;
}

/// Asks all nodes at once; each has to say no.
pub(crate) async fn assert_denied(cluster: &Cluster, question: &v1::CheckRequest) {
    assert_all(cluster, question, Deny).await;
}

async fn assert_all(cluster: &Cluster, question: &v1::CheckRequest, expected: v1::Decision) {
    for (node, answer) in cluster.ask(question).await {
        assert_eq!(answer, Ok(expected), "node {node} on {question:?}");
    }
}

/// The ids of all grants that match, as one node lists them.
pub(crate) async fn grant_ids(client: &Client, filter: v1::GrantFilter) -> anyhow::Result<Vec<String>> {
    let mut request = v1::ListGrantsRequest { filter: Some(filter), ..v1::ListGrantsRequest::default() };
    let mut ids = Vec::new();
    loop {
        let page = client.list_grants(request.clone()).await?;
        ids.extend(page.grants.into_iter().map(|grant| grant.id));
        if page.next_page_token.is_empty() {
            return Ok(ids);
        }
        request.page_token = page.next_page_token;
    }
}
