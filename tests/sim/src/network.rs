//! The network between nodes: the server's own connections, over turmoil's sockets.

use std::io;
use std::sync::Arc;

use futures::{FutureExt, Stream, stream};
use portcullis_server::{Connection, Dial};
use turmoil::net::{TcpListener, TcpStream};

/// Where a node listens for others.
pub(crate) const PEER_PORT: u16 = 7_001;

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
