//! The last look before an allow leaves: when the connection asks for the first piece of the response, with no queue in
//! between (R7). An allow that was taken away since the check was answered becomes an error, which is safe to retry.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::error;

/// Says whether a response may still leave.
#[derive(Clone)]
struct Emission(Arc<dyn Fn() -> bool + Send + Sync>);

/// Has a response looked at again before it leaves.
pub(crate) fn guard<T>(response: &mut tonic::Response<T>, may_leave: impl Fn() -> bool + Send + Sync + 'static) {
    response.extensions_mut().insert(Emission(Arc::new(may_leave)));
}

/// Lets the body of a guarded response look again; others stay as they are.
pub(crate) fn guarded(mut response: Response<Body>) -> Response<Body> {
    match response.extensions_mut().remove::<Emission>() {
        Some(emission) => response.map(|body| Body::new(Guarded { body, stage: Stage::Waits(emission) })),
        None => response,
    }
}

struct Guarded {
    body: Body,
    stage: Stage,
}

enum Stage {
    /// Nothing has left yet.
    Waits(Emission),
    /// The first piece has left.
    Leaves,
    /// It did not leave.
    Refused,
}

impl http_body::Body for Guarded {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &self.stage {
            Stage::Waits(Emission(may_leave)) if !may_leave() => {
                self.stage = Stage::Refused;
                Poll::Ready(Some(trailers(&changed()).map(Frame::trailers)))
            }
            Stage::Waits(_) | Stage::Leaves => {
                self.stage = Stage::Leaves;
                Pin::new(&mut self.body).poll_frame(context)
            }
            Stage::Refused => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.stage {
            Stage::Waits(_) => false,
            Stage::Leaves => self.body.is_end_stream(),
            Stage::Refused => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn changed() -> Status {
    let why = "the answer was taken away, or the node's lease ended, while the answer was on its way: ask again";
    error::status(Code::Unavailable, "ANSWER_CHANGING", why.to_owned())
}

fn trailers(status: &Status) -> Result<HeaderMap, Status> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers)?;
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body::Body as _;

    use super::*;

    async fn first_frame(may_leave: bool) -> Frame<<Body as http_body::Body>::Data> {
        let mut response = tonic::Response::new(());
        guard(&mut response, move || may_leave);
        let (metadata, (), extensions) = response.into_parts();
        let mut inner = Response::new(Body::new("allow".to_owned()));
        *inner.headers_mut() = metadata.into_headers();
        *inner.extensions_mut() = extensions;
        let mut body = guarded(inner).into_body();
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
        assert!(poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.is_none(), "one frame is all");
        frame
    }

    #[tokio::test]
    async fn an_allow_that_was_taken_away_leaves_as_an_error() {
        assert_eq!(first_frame(true).await.into_data().ok().as_deref(), Some(b"allow".as_slice()));
        let trailers = first_frame(false).await.into_trailers().expect("no data may leave");
        assert_eq!(trailers["grpc-status"], "14");
    }
}
