//! Following what changes, from node to node.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use portcullis_model::limit;
use portcullis_wire::v1;
use portcullis_wire::v1::watch_client::WatchClient;
use tokio::time::timeout;
use tonic::{Code, Response, Status, Streaming};

use crate::client::{Client, is_worth_another};
use crate::error::Error;

/// How long a node may say nothing, beyond the time between two checkpoints, before another is asked.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// What ends a watch at one node, and not at another or later.
const ELSEWHERE: [&str; 2] = ["TOO_MANY_WATCHERS", "WATCHER_TOO_SLOW"];

/// Changes as they are committed, each once, whichever nodes fail.
pub struct Watch {
    client: Client,
    request: v1::WatchRequest,
    stream: Option<Stream>,
}

/// What one node tells.
struct Stream {
    node: String,
    messages: Streaming<v1::WatchResponse>,
    /// The message that it began with, until it was handed on.
    first: Option<v1::WatchResponse>,
}

impl Client {
    /// Watches what the request says, over a connection of its own: messages that nobody takes hold up no other call. Nothing is
    /// asked before [`Watch::message`] is called.
    pub fn watch(&self, mut message: v1::WatchRequest) -> Watch {
        if message.tenant.is_empty() {
            message.tenant.clone_from(&self.options.tenant);
        }
        Watch { client: self.apart(), request: message, stream: None }
    }
}

impl Watch {
    /// Where a later watch goes on without missing or repeating anything; empty before the first message.
    pub fn token(&self) -> &str {
        &self.request.since
    }

    /// Waits for the next message; the first is a checkpoint. When a node fails, another is asked from where this one stopped,
    /// until the timeout of the client; after an error that says so, calling again goes on trying. Giving a call up loses
    /// nothing.
    pub fn message(&mut self) -> BoxFuture<'_, Result<v1::WatchResponse, Error>> {
        async move {
            loop {
                let stream = match &mut self.stream {
                    Some(stream) => stream,
                    None => self.stream.insert(open(&self.client, &self.request).await?),
                };
                match stream.next(silence_max(&self.request)).await {
                    Ok(message) => {
                        let position = message.position.as_ref();
                        self.request.since = position.map(|position| position.token.clone()).unwrap_or_default();
                        return Ok(message);
                    }
                    Err(status) => {
                        let stream = self.stream.take().expect("INVARIANT: it was there");
                        if !is_resumable(&status) {
                            return Err(Error::answered(&status));
                        }
                        self.client.failed(&stream.node);
                    }
                }
            }
        }
        .boxed()
    }
}

/// A stream has begun once its first message is there: one that ends before counts as a call that failed, with a pause behind it.
async fn open(client: &Client, request: &v1::WatchRequest) -> Result<Stream, Error> {
    let method = |channel, request| async move {
        let mut client = WatchClient::new(channel).max_decoding_message_size(limit::EVENT_BYTES_MAX);
        let mut messages = client.watch(request).await?.into_inner();
        let first = messages.message().await?.ok_or_else(ended)?;
        Ok(Response::new((messages, first)))
    };
    let (node, (messages, first)) = client.call_somewhere(request.clone(), method, is_resumable, None).await?;
    Ok(Stream { node, messages, first: Some(first) })
}

fn ended() -> Status {
    Status::unavailable("the node ended the watch and did not say why")
}

impl Stream {
    async fn next(&mut self, silence_max: Duration) -> Result<v1::WatchResponse, Status> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        match timeout(silence_max, self.messages.message()).await {
            Ok(message) => message?.ok_or_else(ended),
            Err(_) => Err(Status::unavailable(format!("`{}` said nothing for {silence_max:?}", self.node))),
        }
    }
}

/// Whether watching on, perhaps elsewhere, may do better.
fn is_resumable(status: &Status) -> bool {
    let reason = Error::answered(status).reason().to_owned();
    // A connection that breaks within a stream is an internal error of nobody.
    let is_broken = status.code() == Code::Internal && reason.is_empty();
    is_worth_another(status) || is_broken || ELSEWHERE.contains(&reason.as_str())
}

fn silence_max(request: &v1::WatchRequest) -> Duration {
    let every = request.checkpoint_every.and_then(|every| Duration::try_from(every).ok());
    every.unwrap_or(Duration::from_millis(limit::CHECKPOINT_MS)) + SILENCE_MAX
}
