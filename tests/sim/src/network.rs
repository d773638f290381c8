//! The network between nodes: the server's own connections, over turmoil's sockets, with what is sent counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, stream};
use portcullis_consensus::{Transport, TransportError};
use portcullis_model::NodeId;
use portcullis_server::{Connection, Dial, GrpcTransport};
use turmoil::net::{TcpListener, TcpStream};

use crate::host::Host;

/// Where a node listens for others.
pub(crate) const PEER_PORT: u16 = 7_001;

/// Sends as the server does, and counts.
pub(crate) struct Counted {
    pub(crate) transport: Arc<GrpcTransport>,
    pub(crate) host: Arc<Host>,
}

impl Transport for Counted {
    fn call(
        &self,
        to: NodeId,
        address: &str,
        message: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, TransportError>> {
        self.host.sent.fetch_add(1, Ordering::Relaxed);
        self.transport.call(to, address, message, timeout)
    }

    fn send(&self, to: NodeId, address: &str, note: Vec<u8>) {
        self.host.sent.fetch_add(1, Ordering::Relaxed);
        self.transport.send(to, address, note);
    }
}

/// Connects to `host:port` by the names of the simulation.
pub(crate) fn dial() -> Dial {
    Arc::new(|address: String| {
        async move {
            let place = address.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
            let place: (String, u16) = place.ok_or_else(|| io::Error::other("it is no `host:port`"))?;
            let stream = TcpStream::connect(place).await?;
            Ok(Box::new(stream) as Box<dyn Connection>)
        }
        .boxed()
    })
}

/// Connections that come in at a port of the host that calls.
pub(crate) async fn listen(port: u16) -> io::Result<impl Stream<Item = io::Result<TcpStream>> + Send> {
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    Ok(stream::unfold(listener, async |listener| {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    }))
}
