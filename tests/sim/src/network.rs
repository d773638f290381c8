//! The network between nodes: the server's own connections, over turmoil's sockets, with what is sent counted. Of a machine that has
//! died nothing is heard any more, and it hears nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, stream};
use portcullis_consensus::{Transport, TransportError};
use portcullis_model::NodeId;
use portcullis_server::{Connection, Dial, GrpcTransport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

use crate::host::Host;
use crate::trap::Trap;

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
pub(crate) fn dial(trap: &Arc<Trap>) -> Dial {
    let trap = Arc::clone(trap);
    Arc::new(move |address: String| {
        let trap = Arc::clone(&trap);
        async move {
            let place = address.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
            let place: (String, u16) = place.ok_or_else(|| io::Error::other("it is no `host:port`"))?;
            let stream = TcpStream::connect(place).await?;
            Ok(Box::new(Wire { stream, trap }) as Box<dyn Connection>)
        }
        .boxed()
    })
}

/// Connections that come in at a port of the host that calls.
pub(crate) async fn listen(
    port: u16,
    trap: &Arc<Trap>,
) -> io::Result<impl Stream<Item = io::Result<Wire>> + Send + use<>> {
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    Ok(stream::unfold((listener, Arc::clone(trap)), async |(listener, trap)| {
        let accepted = listener.accept().await.map(|(stream, _)| Wire { stream, trap: Arc::clone(&trap) });
        Some((accepted, (listener, trap)))
    }))
}

/// A connection, for as long as the machine lives.
pub(crate) struct Wire {
    stream: TcpStream,
    trap: Arc<Trap>,
}

impl Wire {
    /// The connection; none once the machine has died. Whoever waits is then gone before it could be woken.
    fn alive(self: Pin<&mut Self>) -> Poll<Pin<&mut TcpStream>> {
        let wire = self.get_mut();
        if wire.trap.is_dead() { Poll::Pending } else { Poll::Ready(Pin::new(&mut wire.stream)) }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.alive()).poll_read(context, bytes)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.alive()).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.alive()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.alive()).poll_shutdown(context)
    }
}
