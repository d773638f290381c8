//! A service that decides nothing: what a listener and its messages cost without any work, for benchmarks to compare with.

use std::net::SocketAddr;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, future, stream};
use portcullis_wire::v1;
use portcullis_wire::v1::authorization_server::{Authorization, AuthorizationServer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::listen::serve_grpc;
use crate::lookup;

/// Opens a listener on a free port of loopback; returns where it is, and what serves it until it is dropped.
pub fn serve() -> BoxFuture<'static, std::io::Result<(SocketAddr, BoxFuture<'static, ()>)>> {
    async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let served = async move {
            let (_stop, stopped) = watch::channel(false);
            let serving = serve_grpc("empty", listener, None, Routes::new(AuthorizationServer::new(Empty)), stopped);
            if let Err(error) = serving.await {
                tracing::error!(%error, "the empty service did not stop cleanly");
            }
        };
        Ok((address, served.boxed()))
    }
    .boxed()
}

struct Empty;

#[tonic::async_trait]
impl Authorization for Empty {
    type LookupResourcesStream = lookup::Stream<v1::LookupResourcesResponse>;
    type LookupSubjectsStream = lookup::Stream<v1::LookupSubjectsResponse>;

    async fn lookup_resources(
        &self,
        _: Request<v1::LookupResourcesRequest>,
    ) -> Result<Response<Self::LookupResourcesStream>, Status> {
        Ok(Response::new(stream::empty().boxed()))
    }

    async fn lookup_subjects(
        &self,
        _: Request<v1::LookupSubjectsRequest>,
    ) -> Result<Response<Self::LookupSubjectsStream>, Status> {
        Ok(Response::new(stream::empty().boxed()))
    }

    async fn check(&self, _request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        Ok(Response::new(v1::CheckResponse { decision: v1::Decision::Deny.into(), ..v1::CheckResponse::default() }))
    }

    async fn batch_check(
        &self,
        _request: Request<v1::BatchCheckRequest>,
    ) -> Result<Response<v1::BatchCheckResponse>, Status> {
        nothing().await
    }

    async fn lookup_permissions(
        &self,
        _request: Request<v1::LookupPermissionsRequest>,
    ) -> Result<Response<v1::LookupPermissionsResponse>, Status> {
        nothing().await
    }

    async fn explain(&self, _request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        nothing().await
    }
}

fn nothing<T>() -> future::Ready<Result<Response<T>, Status>> {
    future::ready(Err(Status::unimplemented("the empty service knows `Check` only")))
}
