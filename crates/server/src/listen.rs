//! Opening the listeners, and closing them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use metrics_exporter_prometheus::PrometheusHandle;
use portcullis_model::limit;
use portcullis_node::Node;
use portcullis_pki::tls::{Credentials, Members};
use portcullis_wire::peer::peer_server::PeerServer;
use portcullis_wire::v1::authorization_server::AuthorizationServer;
use portcullis_wire::v1::cluster_server::ClusterServer;
use portcullis_wire::v1::grants_server::GrantsServer;
use portcullis_wire::v1::relationships_server::RelationshipsServer;
use portcullis_wire::v1::roles_server::RolesServer;
use portcullis_wire::v1::schemas_server::SchemasServer;
use portcullis_wire::v1::tenants_server::TenantsServer;
use portcullis_wire::v1::watch_server::WatchServer;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::{Connected, TcpIncoming};
use tower::util::MapResponseLayer;

use crate::connection::{Accepted, Connection};
use crate::transport::PEER_MESSAGE_BYTES_MAX;
use crate::watch as watching;
use crate::{
    authorization, authzed, cluster, emission, grants, http, peer, ready, relationships, roles, schemas, tenants, tls,
};

/// Streams that one client connection may have open.
const CONCURRENT_STREAMS_MAX: u32 = 1_000;

/// How long calls that are under way may take when the node stops. Callers repeat what is cut off at another node.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a listener does not open. The node must not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be listened on.
    #[error("the {name} listener cannot open `{address}`: is the port in use? choose another address")]
    Bind {
        /// Which listener.
        name: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The address can be reached from other machines, and nothing protects it.
    #[error(
        "the {name} listener `{address}` is not on loopback, and {lacks}: listen on 127.0.0.1, or give `--insecure` if the \
         network itself is trusted"
    )]
    Insecure {
        /// Which listener.
        name: &'static str,
        /// The address.
        address: SocketAddr,
        /// What it would need.
        lacks: &'static str,
    },
}

/// The listeners of a node, open but not yet served.
pub struct Listeners {
    client: TcpListener,
    peer: TcpListener,
    http: TcpListener,
}

/// Listeners that are served.
pub struct Running {
    /// In the order in which they stop.
    served: [Served; 3],
}

/// One of them.
struct Served {
    name: &'static str,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Refuses an address that other machines can reach though something `lacks`, unless that was asked for.
pub fn check_insecure(
    name: &'static str,
    address: SocketAddr,
    lacks: Option<&'static str>,
    insecure: bool,
) -> Result<(), ListenError> {
    match lacks {
        Some(lacks) if !insecure && !address.ip().is_loopback() => Err(ListenError::Insecure { name, address, lacks }),
        Some(_) | None => Ok(()),
    }
}

/// How listeners are served.
#[derive(Clone, Default)]
pub struct Serving {
    /// What callers of `authzed.api.v1` have to know, if anything.
    pub authzed_key: Option<String>,
    /// What the node proves itself with, where all connections begin with a handshake.
    pub credentials: Option<Credentials>,
}

impl Listeners {
    /// Opens all listeners, or none.
    pub async fn open(client: SocketAddr, peer: SocketAddr, http: SocketAddr) -> Result<Self, ListenError> {
        let open = async |name, address| {
            TcpListener::bind(address).await.map_err(|source| ListenError::Bind { name, address, source })
        };
        Ok(Self {
            client: open("client", client).await?,
            peer: open("peer", peer).await?,
            http: open("http", http).await?,
        })
    }

    /// Where clients and other nodes are listened for; a port of 0 has become a real one.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.client.local_addr()?, self.peer.local_addr()?))
    }

    /// Serves the node until [`Running::stop`]. Clients are served by another runtime, `clients`, than the one that calls
    /// this, so that a flood of them cannot keep nodes from talking to each other. Fails if the system does not let a listener
    /// be handed over, or where the node's certificates are of no use; the node must not go on then.
    pub fn serve(
        self,
        node: &Arc<Node>,
        metrics: PrometheusHandle,
        clients: &Handle,
        serving: &Serving,
    ) -> std::io::Result<Running> {
        let router = http::router(Arc::clone(node), metrics);
        let secured = secured(node, serving)?;
        let (peers, callers, watchers) = secured.map_or((None, None, None), |[a, b, c]| (Some(a), Some(b), Some(c)));
        let peer = Served::start("peer", |stopped| {
            let services = peer_services(node, serving.credentials.is_some(), stopped.clone());
            serve_grpc("peer", self.peer, peers, services, stopped)
        });
        let _within = clients.enter();
        let (client, http) = (handed_over(self.client)?, handed_over(self.http)?);
        Ok(Running {
            served: [
                Served::start("client", |stopped| {
                    serve_grpc("client", client, callers, client_services(node, serving, &stopped), stopped)
                }),
                peer,
                Served::start("http", |stopped| tokio::spawn(serve_http(http, watchers, router, stopped))),
            ],
        })
    }
}

impl Running {
    /// Takes no more calls, and waits for those under way, [`STOP_TIMEOUT`] at most for each listener.
    ///
    /// Clients come first: what their calls wait for, such as the outcome of a write, arrives from other nodes.
    pub async fn stop(self) {
        for served in self.served {
            served.stop().await;
        }
    }
}

impl Served {
    fn start(name: &'static str, serve: impl FnOnce(watch::Receiver<bool>) -> JoinHandle<()>) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { name, stop, task: serve(stopped) }
    }

    async fn stop(mut self) {
        self.stop.send_replace(true);
        match tokio::time::timeout(STOP_TIMEOUT, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, listener = self.name, "a listener did not stop cleanly"),
            Err(_) => {
                tracing::warn!(listener = self.name, "calls that were still under way are cut off");
                self.task.abort();
            }
        }
    }
}

/// How handshakes are made at the listeners for nodes, for clients, and for HTTP, where there are any.
fn secured(node: &Arc<Node>, serving: &Serving) -> std::io::Result<Option<[Arc<ServerConfig>; 3]>> {
    let Some(credentials) = &serving.credentials else { return Ok(None) };
    let node = Arc::downgrade(node);
    // Whoever was not removed: one that this node has not heard of yet proves by its certificate that it was let in.
    let members: Members =
        Arc::new(move |id| node.upgrade().is_some_and(|node| node.is_retired(id).is_ok_and(|is| !is)));
    let configs = [credentials.accept_peers(members), credentials.accept_clients(), credentials.accept_http()];
    let [peers, clients, http] = configs.map(|config| config.map_err(std::io::Error::other));
    Ok(Some([peers?, clients?, http?]))
}

fn client_services(node: &Arc<Node>, serving: &Serving, stopped: &watch::Receiver<bool>) -> Routes {
    let (health, health_service) = tonic_health::server::health_reporter();
    tokio::spawn(ready::report(Arc::downgrade(node), health));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(portcullis_wire::DESCRIPTORS)
        .build_v1()
        .expect("INVARIANT: the build wrote these descriptors");
    let most = limit::MESSAGE_BYTES_MAX;
    let routes = authzed::add_to(Routes::new(health_service), node, serving.authzed_key.as_deref(), stopped);
    let node = || Arc::clone(node);
    routes
        .add_service(reflection)
        .add_service(AuthorizationServer::new(authorization::Service { node: node() }).max_decoding_message_size(most))
        .add_service(RelationshipsServer::new(relationships::Service { node: node() }).max_decoding_message_size(most))
        .add_service(RolesServer::new(roles::Service { node: node() }).max_decoding_message_size(most))
        .add_service(SchemasServer::new(schemas::Service { node: node() }).max_decoding_message_size(most))
        .add_service(GrantsServer::new(grants::Service { node: node() }).max_decoding_message_size(most))
        .add_service(TenantsServer::new(tenants::Service { node: node() }).max_decoding_message_size(most))
        .add_service(
            WatchServer::new(watching::Service { node: node(), stopped: stopped.clone() })
                .max_decoding_message_size(most),
        )
        .add_service(
            ClusterServer::new(cluster::Service { node: node(), credentials: serving.credentials.clone() })
                .max_decoding_message_size(most),
        )
}

fn peer_services(node: &Arc<Node>, proves: bool, stopped: watch::Receiver<bool>) -> Routes {
    let service = PeerServer::new(peer::Service { node: Arc::clone(node), stopped, proves })
        .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX);
    Routes::new(service)
}

/// Serves other nodes over connections that come in some other way than [`Listeners`] opens. Ends with `stopped`, or once no
/// more connections come in and those that are there have ended.
pub fn serve_peers<C, I>(node: &Arc<Node>, connections: C, stopped: watch::Receiver<bool>) -> JoinHandle<()>
where
    C: Stream<Item = std::io::Result<I>> + Send + 'static,
    I: Connection,
{
    let connections = connections.map(|connection| connection.map(|connection| Accepted(Box::new(connection))));
    serve_connections("peer", connections, peer_services(node, false, stopped.clone()), stopped)
}

pub(crate) fn serve_grpc(
    name: &'static str,
    listener: TcpListener,
    secured: Option<Arc<ServerConfig>>,
    services: Routes,
    stopped: watch::Receiver<bool>,
) -> JoinHandle<()> {
    if let Some(config) = secured {
        return serve_connections(name, tls::accept(name, listener, config), services, stopped);
    }
    // Said of the connections and not of the server, which leaves those alone that it did not open itself.
    serve_connections(name, TcpIncoming::from(listener).with_nodelay(Some(true)), services, stopped)
}

fn serve_connections<C, I>(
    name: &'static str,
    connections: C,
    services: Routes,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<()>
where
    C: Stream<Item = std::io::Result<I>> + Send + 'static,
    I: Connected + AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let until_stopped = async move {
            // An error means that the sender is gone, which stops the listener as well.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        let served = Server::builder()
            .max_concurrent_streams(CONCURRENT_STREAMS_MAX)
            .layer(MapResponseLayer::new(emission::guarded))
            .add_routes(services)
            .serve_with_incoming_shutdown(connections, until_stopped)
            .await;
        if let Err(error) = served {
            tracing::error!(%error, listener = name, "the listener failed");
        }
    })
}

/// A listener belongs to the runtime that it was opened in, until it is handed over to the one that this is called in.
fn handed_over(listener: TcpListener) -> std::io::Result<TcpListener> {
    TcpListener::from_std(listener.into_std()?)
}

async fn serve_http(
    listener: TcpListener,
    secured: Option<Arc<ServerConfig>>,
    router: axum::Router,
    mut stopped: watch::Receiver<bool>,
) {
    let until_stopped = async move {
        // An error means that the sender is gone, which stops the listener as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let served = match secured {
        None => axum::serve(listener, router).with_graceful_shutdown(until_stopped).await,
        Some(config) => match tls::Acceptor::new("http", listener, config) {
            Ok(listener) => axum::serve(listener, router).with_graceful_shutdown(until_stopped).await,
            Err(error) => Err(error),
        },
    };
    if let Err(error) = served {
        tracing::error!(%error, listener = "http", "the listener failed");
    }
}
