//! Calls to other nodes, over gRPC.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use portcullis_consensus::{Transport, TransportError};
use portcullis_model::{GroupId, NodeId, limit};
use portcullis_node::Node;
use portcullis_pki::tls::Credentials;
use portcullis_wire::peer::CallRequest;
use portcullis_wire::peer::peer_client::PeerClient;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use crate::connection::{Dial, Dialler};
use crate::{meter, tls};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often an idle connection is probed, so that one that died in a partition does not stay.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(2);
/// How long a probe may go unanswered.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection that is made by a [`Dial`] remembers calls that were given up.
const REMEMBERED_FOR: Duration = Duration::from_hours(1);
/// Notes to one node that may wait to be sent.
const NOTES_MAX: usize = 1_024;
/// How soon after a stream of notes was begun another may be.
const POST_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Messages between nodes may be larger than those of clients: a batch of entries is one message.
pub(crate) const PEER_MESSAGE_BYTES_MAX: usize = 64 * limit::MESSAGE_BYTES_MAX;

/// The connections of a node to its peers, one each, made when first needed.
pub struct GrpcTransport {
    me: NodeId,
    /// The runtime that connections belong to, whoever calls: the one that the transport was made in.
    runtime: Handle,
    /// How to connect.
    way: Way,
    node: OnceLock<Weak<Node>>,
    /// By node and address: who answers may have to prove to be that node.
    channels: Mutex<HashMap<(NodeId, String), Channel>>,
    posts: Mutex<HashMap<(NodeId, String), Post>>,
}

/// How nodes connect to each other.
enum Way {
    /// By the network of the system, and nobody proves anything.
    Plain,
    /// By the network of the system, and both ends prove who they are.
    Proven(Credentials),
    /// In some other way.
    Dialled(Dial),
}

/// A stream of notes to a node.
struct Post {
    notes: mpsc::Sender<CallRequest>,
    begun: Instant,
}

impl GrpcTransport {
    /// A transport without connections. They will belong to the runtime that this is called in.
    ///
    /// # Panics
    ///
    /// When it is called outside of a runtime.
    pub fn new(me: NodeId) -> Arc<Self> {
        Self::make(me, Way::Plain)
    }

    /// The same, whose connections prove who is at their ends.
    ///
    /// # Panics
    ///
    /// When it is called outside of a runtime.
    pub fn proving(me: NodeId, credentials: Credentials) -> Arc<Self> {
        Self::make(me, Way::Proven(credentials))
    }

    /// A transport that connects by `dial`, without connections.
    pub fn dialling(me: NodeId, dial: Dial) -> Arc<Self> {
        Self::make(me, Way::Dialled(dial))
    }

    fn make(me: NodeId, way: Way) -> Arc<Self> {
        Arc::new(Self {
            me,
            runtime: Handle::current(),
            way,
            node: OnceLock::new(),
            channels: Mutex::default(),
            posts: Mutex::default(),
        })
    }

    /// Lets calls carry the cluster that the node belongs to. Before this they carry none.
    pub fn identify(&self, node: &Arc<Node>) {
        // A second node behind one transport would be a mistake of the caller; the first stays.
        let _ = self.node.set(Arc::downgrade(node));
    }

    fn cluster(&self) -> Vec<u8> {
        let node = self.node.get().and_then(Weak::upgrade);
        node.and_then(|node| node.cluster()).map(|cluster| cluster.0.to_vec()).unwrap_or_default()
    }

    fn channel(&self, node: NodeId, address: &str) -> Result<Channel, String> {
        let key = (node, address.to_owned());
        let mut channels = self.channels.lock().expect("INVARIANT: nothing panics while holding the channels");
        if let Some(channel) = channels.get(&key) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let _within = self.runtime.enter();
        let channel = match &self.way {
            Way::Plain => endpoint.connect_lazy(),
            Way::Proven(credentials) => endpoint.connect_with_connector_lazy(Dialler(tls::dial(credentials, node)?)),
            Way::Dialled(dial) => {
                // A call that was given up is forgotten by the clock of the system, which a simulation does not have.
                let endpoint = endpoint.http2_reset_stream_duration(REMEMBERED_FOR);
                endpoint.connect_with_connector_lazy(Dialler(Arc::clone(dial)))
            }
        };
        channels.insert(key, channel.clone());
        Ok(channel)
    }
}

impl GrpcTransport {
    fn request(&self, to: NodeId, body: Vec<u8>) -> CallRequest {
        CallRequest { cluster: self.cluster(), group: GroupId::FIRST.0, from: self.me.0, to: to.0, body }
    }

    /// Where notes to an address wait to be sent.
    fn post(&self, node: NodeId, address: &str) -> Option<mpsc::Sender<CallRequest>> {
        let mut posts = self.posts.lock().expect("INVARIANT: nothing panics while holding the posts");
        if let Some(post) = posts.get(&(node, address.to_owned())) {
            if !post.notes.is_closed() {
                return Some(post.notes.clone());
            }
            // One that broke off at once would again.
            if post.begun.elapsed() < POST_AGAIN_AFTER {
                return None;
            }
        }
        let channel = self.channel(node, address).ok()?;
        let (post, notes) = mpsc::channel(NOTES_MAX);
        self.runtime.spawn(carry(channel, notes));
        posts.insert((node, address.to_owned()), Post { notes: post.clone(), begun: Instant::now() });
        Some(post)
    }
}

/// Sends notes in one stream until it breaks. Those that wait then are lost: newer ones say what still matters.
async fn carry(channel: Channel, notes: mpsc::Receiver<CallRequest>) {
    let mut client = PeerClient::new(channel);
    if let Err(status) = client.post(ReceiverStream::new(notes)).await {
        tracing::debug!(%status, "a stream of notes broke off");
    }
}

impl Transport for GrpcTransport {
    fn call(
        &self,
        to: NodeId,
        address: &str,
        message: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, TransportError>> {
        let address = address.to_owned();
        meter::called();
        let request = self.request(to, message);
        let channel = self.channel(to, &address);
        async move {
            let channel = channel.map_err(|why| TransportError::Unreachable { to, address: address.clone(), why })?;
            let mut client = PeerClient::new(channel)
                .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
                .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX);
            let mut request = Request::new(request);
            request.set_timeout(timeout);
            match tokio::time::timeout(timeout, client.call(request)).await {
                Err(_) => Err(TransportError::TimedOut { to, waited: timeout }),
                Ok(Ok(answer)) => Ok(answer.into_inner().body),
                Ok(Err(status)) => Err(match status.code() {
                    Code::FailedPrecondition => TransportError::Refused { to, why: status.message().to_owned() },
                    Code::DeadlineExceeded | Code::Cancelled => TransportError::TimedOut { to, waited: timeout },
                    _ => TransportError::Unreachable { to, address, why: status.message().to_owned() },
                }),
            }
        }
        .boxed()
    }

    fn send(&self, to: NodeId, address: &str, note: Vec<u8>) {
        meter::noted();
        let Some(post) = self.post(to, address) else { return };
        // One that finds no room is lost, as it may be.
        let _ = post.try_send(self.request(to, note));
    }
}
