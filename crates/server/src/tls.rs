//! Connections that begin with a handshake.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt};
use portcullis_model::NodeId;
use portcullis_pki::NodeName;
use portcullis_pki::tls::{self, Credentials};
use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::connection::{Connection, Dial};
use crate::meter;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many handshakes may be under way at a listener. The oldest is given up for one more, so that those who never finish
/// keep nobody out for long.
const HANDSHAKES_MAX: usize = 1_024;
/// How many connections may wait to be served.
const ACCEPTED_MAX: usize = 64;
/// How long to wait when the system accepts no connection, because files have run out for example.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Whom a node asks for when it connects to another. Who answers is looked at in the certificate.
const PEER_NAME: &str = "node.portcullis";

/// A connection whose handshake is done.
pub(crate) struct Secured {
    stream: TlsStream<TcpStream>,
    pub(crate) from: SocketAddr,
}

/// What is known of a connection, for the calls that come over it.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// The node that has shown its certificate, if one has.
    pub(crate) node: Option<NodeId>,
}

/// Accepts connections, and passes on those whose handshake is done. Ends with the stream.
pub(crate) fn accept(
    name: &'static str,
    listener: TcpListener,
    config: Arc<ServerConfig>,
) -> impl Stream<Item = io::Result<Secured>> + Send + 'static {
    let (accepted, connections) = mpsc::channel(ACCEPTED_MAX);
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(config);
        let mut under_way: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            let (stream, from) = tokio::select! {
                () = accepted.closed() => return,
                arrived = listener.accept() => match arrived {
                    Ok(arrived) => arrived,
                    Err(error) => {
                        tracing::warn!(%error, listener = name, "a connection was not accepted");
                        tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                        continue;
                    }
                },
            };
            under_way.retain(|handshake| !handshake.is_finished());
            if under_way.len() >= HANDSHAKES_MAX
                && let Some(oldest) = under_way.pop_front()
            {
                meter::handshake(name, "crowded_out");
                oldest.abort();
            }
            let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
            let handshake = tokio::spawn(async move {
                match shake_hands(&acceptor, stream).await {
                    // Nobody takes connections any more.
                    Ok(stream) => drop(accepted.send(Ok(Secured { stream, from })).await),
                    Err(error) => {
                        meter::handshake(name, "failed");
                        let why = explained(&error);
                        tracing::info!(%why, %from, listener = name, "a handshake failed");
                    }
                }
            });
            under_way.push_back(handshake.abort_handle());
        }
    });
    ReceiverStream::new(connections)
}

/// The same for the server of plain HTTP.
pub(crate) struct Acceptor {
    connections: BoxStream<'static, io::Result<Secured>>,
    address: SocketAddr,
}

impl Acceptor {
    pub(crate) fn new(name: &'static str, listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { connections: accept(name, listener, config).boxed(), address })
    }
}

impl axum::serve::Listener for Acceptor {
    type Io = Secured;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Secured, SocketAddr) {
        loop {
            match self.connections.next().await {
                Some(Ok(secured)) => {
                    let from = secured.from;
                    return (secured, from);
                }
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn shake_hands(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("it took longer than {HANDSHAKE_TIMEOUT:?}"))),
    }
}

/// What went wrong, in words.
fn explained(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => tls::explain(error),
        None => error.to_string(),
    }
}

/// Connects to a node, and makes sure that it is the one which answers.
pub(crate) fn dial(credentials: &Credentials, node: NodeId) -> Result<Dial, String> {
    let config = credentials.connect_peer(node).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(config);
    let name = ServerName::try_from(PEER_NAME).map_err(|error| error.to_string())?;
    Ok(Arc::new(move |address: String| {
        let (connector, name) = (connector.clone(), name.clone());
        let connected = async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let secured = connector.connect(name, stream).await;
            let secured = secured.map_err(|error| io::Error::new(error.kind(), explained(&error)))?;
            Ok(Box::new(secured) as Box<dyn Connection>)
        };
        let timed = async { tokio::time::timeout(HANDSHAKE_TIMEOUT, connected).await.map_err(io::Error::from)? };
        timed.boxed() as BoxFuture<'static, io::Result<Box<dyn Connection>>>
    }))
}

impl Connected for Secured {
    type ConnectInfo = Arrived;

    fn connect_info(&self) -> Arrived {
        let (_, session) = self.stream.get_ref();
        let shown = session.peer_certificates().and_then(|chain| chain.first());
        // Only listeners for nodes ask for a certificate, and theirs has been looked at.
        Arrived { node: shown.and_then(|shown| NodeName::of_certificate(shown).ok()).map(|name| name.node) }
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
