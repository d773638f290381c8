//! `portcullis.peer.v1.Peer`: calls from other nodes.

use std::sync::Arc;
use std::time::Duration;

use portcullis_consensus::AnswerError;
use portcullis_model::{ClusterId, GroupId, NodeId};
use portcullis_node::Node;
use portcullis_wire::peer::peer_server::Peer;
use portcullis_wire::peer::{CallRequest, CallResponse, PostResponse};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use crate::tls::Arrived;

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
    /// Whether the listener takes no more calls. A stream of notes would keep it open.
    pub(crate) stopped: watch::Receiver<bool>,
    /// Whether nodes have to prove who they are.
    pub(crate) proves: bool,
}

#[tonic::async_trait]
impl Peer for Service {
    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        let shown = shown(&request);
        let request = request.into_inner();
        self.check_shown(shown, request.from).map_err(Status::permission_denied)?;
        self.check_addressee(&request).map_err(Status::failed_precondition)?;
        self.check_sender(request.from).map_err(Status::failed_precondition)?;
        let body = self.node.answer(NodeId(request.from), &request.body).await.map_err(|error| match error {
            AnswerError::GateClosed { .. } => Status::failed_precondition(error.to_string()),
            AnswerError::Malformed(_) => Status::invalid_argument(error.to_string()),
            AnswerError::Snapshot(_) | AnswerError::Stopped => Status::unavailable(error.to_string()),
        })?;
        Ok(Response::new(CallResponse { body }))
    }

    async fn post(&self, request: Request<Streaming<CallRequest>>) -> Result<Response<PostResponse>, Status> {
        let (shown, mut last_words) = (shown(&request), LastWords::default());
        let (mut notes, mut stopped) = (request.into_inner(), self.stopped.clone());
        loop {
            let note = tokio::select! {
                note = notes.message() => note?,
                _ = stopped.wait_for(|stopped| *stopped) => return Err(Status::unavailable("the node is stopping")),
            };
            let Some(note) = note else { return Ok(Response::new(PostResponse {})) };
            self.check_shown(shown, note.from).map_err(Status::permission_denied)?;
            if last_words.are_over(Instant::now(), || self.check_sender(note.from).is_err()) {
                return Err(Status::failed_precondition(format!("node id {} is retired", note.from)));
            }
            self.check_addressee(&note).map_err(Status::failed_precondition)?;
            let received = self.node.receive(NodeId(note.from), &note.body);
            received.map_err(|error| Status::invalid_argument(error.to_string()))?;
        }
    }
}

/// How long a node is heard after its id was used up: it may hold a lease for so long, and what it has registered counts.
const LAST_WORDS_MAX: Duration = Duration::from_secs(90);
/// How often it is looked whether the id of a node that sends notes is used up.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is left to say for a node whose stream of notes was open when its id was used up.
#[derive(Default)]
struct LastWords {
    looked: Option<Instant>,
    retired: Option<Instant>,
}

impl LastWords {
    /// Whether the node is heard no more.
    fn are_over(&mut self, now: Instant, is_retired: impl FnOnce() -> bool) -> bool {
        if self.looked.is_none_or(|looked| now >= looked + LOOK_EVERY) {
            self.looked = Some(now);
            self.retired = is_retired().then(|| self.retired.unwrap_or(now));
        }
        self.retired.is_some_and(|retired| now >= retired + LAST_WORDS_MAX)
    }
}

impl Service {
    /// Refuses calls that are meant for another cluster, group or node.
    fn check_addressee(&self, request: &CallRequest) -> Result<(), String> {
        let own = self.node.cluster();
        let theirs = <[u8; 16]>::try_from(request.cluster.as_slice()).ok().map(ClusterId);
        match (own, theirs) {
            (Some(own), Some(theirs)) if own == theirs => {}
            (Some(own), Some(theirs)) => {
                return Err(format!("this is a node of cluster {own}, and the call is from cluster {theirs}"));
            }
            // It must not vote or follow before the cluster has let it in under its id.
            (None, _) => return Err("this node belongs to no cluster yet".to_owned()),
            (_, None) => return Err("the call names no cluster".to_owned()),
        }
        if request.group != GroupId::FIRST.0 {
            return Err(format!("this node has no group {}", request.group));
        }
        if request.to != self.node.id().0 {
            return Err(format!("this is node {}, and the call is for node {}", self.node.id(), request.to));
        }
        Ok(())
    }

    /// Refuses calls of a node that has shown another's certificate, or none.
    fn check_shown(&self, shown: Option<NodeId>, from: u64) -> Result<(), String> {
        match shown {
            _ if !self.proves => Ok(()),
            Some(shown) if shown.0 == from => Ok(()),
            Some(shown) => {
                Err(format!("the call says that it is of node {from}, and the certificate is of node {shown}"))
            }
            None => Err("the connection shows no certificate".to_owned()),
        }
    }

    /// Refuses calls of nodes whose id is used up.
    fn check_sender(&self, from: u64) -> Result<(), String> {
        match self.node.is_retired(NodeId(from)) {
            Ok(false) => Ok(()),
            Ok(true) => {
                Err(format!("node id {from} is retired: wipe the node's data folder and let it join under a new id"))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The node that has shown its certificate when the connection was made.
fn shown<T>(request: &Request<T>) -> Option<NodeId> {
    request.extensions().get::<Arrived>()?.node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_whose_id_is_used_up_is_heard_until_it_can_hold_no_lease() {
        let (mut last_words, begun) = (LastWords::default(), Instant::now());
        assert!(!last_words.are_over(begun, || false));
        assert!(!last_words.are_over(begun, || unreachable!("it was looked at just now")));
        let retired = begun + LOOK_EVERY;
        assert!(!last_words.are_over(retired, || true));
        assert!(!last_words.are_over(retired + LAST_WORDS_MAX - LOOK_EVERY, || true));
        assert!(last_words.are_over(retired + LAST_WORDS_MAX, || true));
    }
}
