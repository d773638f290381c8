//! The client.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use portcullis_model::Subject;
use portcullis_wire::LEADER_HEADER;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::age::Moment;
use crate::endpoints::{self, Node};
use crate::error::{Error, is_of_connection};
use crate::tls::{TlsError, Trust};

/// The first pause between two attempts; it doubles up to [`PAUSE_MAX`], and half of it is random.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How much of a call's time one attempt may take, so that a node that does not answer leaves time for another.
const ATTEMPT_SHARE: u32 = 2;
/// Which share of a call's time an attempt needs at least. A shorter one would end without an answer, and hide what the
/// node said before.
const LAST_ATTEMPT_SHARE: u32 = 10;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The nodes, `host:port` each. At least one.
    pub endpoints: Vec<String>,
    /// The tenant of calls; empty is `default`.
    pub tenant: String,
    /// Whom calls run as, on a listener without authentication.
    pub run_as: Option<Subject>,
    /// Whom to take for a node; `None` connects without TLS, and to whoever answers.
    pub trust: Option<Trust>,
    /// How long a call may take, all attempts together.
    pub timeout: Duration,
    /// How old a decision may be when it is acted on.
    pub max_decision_age: Duration,
}

impl Options {
    /// Options for some nodes, with a timeout and a greatest decision age of 5 seconds.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            tenant: String::new(),
            run_as: None,
            trust: None,
            timeout: Duration::from_secs(5),
            max_decision_age: Duration::from_secs(5),
        }
    }
}

/// Why options make no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// An endpoint is none.
    #[error("`{0}` is not an endpoint: give `host:port`")]
    Endpoint(String),
    /// There are none.
    #[error("there is no endpoint: give at least one `host:port`")]
    NoEndpoints,
    /// No connections can be made so.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The caller's name cannot be sent.
    #[error("`{0}` cannot be sent as the caller's name")]
    RunAs(String),
}

/// A client of a cluster. Cheap to clone; usable by many tasks at once.
#[derive(Clone)]
pub struct Client {
    nodes: Arc<Vec<Node>>,
    pub(crate) options: Arc<Options>,
    run_as: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// Makes a client. Connections are made when they are first needed.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        if options.endpoints.is_empty() {
            return Err(OptionsError::NoEndpoints);
        }
        let connector = options.trust.as_ref().map(Trust::connector).transpose()?;
        let node = |address: &String| Node::new(address, connector.clone());
        let nodes = options.endpoints.iter().map(node).collect::<Result<_, _>>()?;
        let run_as = match &options.run_as {
            Some(subject) => {
                let text = subject.to_string();
                Some(MetadataValue::try_from(text.as_str()).map_err(|_| OptionsError::RunAs(text))?)
            }
            None => None,
        };
        Ok(Self { nodes: Arc::new(nodes), options: Arc::new(options), run_as })
    }

    /// A client with the same connections for another tenant.
    #[must_use]
    pub fn for_tenant(&self, tenant: &str) -> Self {
        let options = Options { tenant: tenant.to_owned(), ..(*self.options).clone() };
        Self { options: Arc::new(options), ..self.clone() }
    }

    /// Calls a method, at whichever node answers, until the timeout.
    pub(crate) async fn call<M, R, F, Fut>(&self, message: M, method: F) -> Result<R, Error>
    where
        M: Clone,
        F: Fn(Channel, Request<M>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        self.call_lasting(message, method, None).await
    }

    /// The same where the answer is a stream, which may last until `lasting` after it was opened.
    pub(crate) async fn call_lasting<M, R, F, Fut>(
        &self,
        message: M,
        method: F,
        lasting: Option<Duration>,
    ) -> Result<R, Error>
    where
        M: Clone,
        F: Fn(Channel, Request<M>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        self.call_somewhere(message, method, is_worth_another, lasting).await.map(|(_, answer)| answer)
    }

    /// The same, saying which node answered, and with another idea of which errors another attempt may do better than.
    pub(crate) async fn call_somewhere<M, R, F, Fut>(
        &self,
        message: M,
        method: F,
        is_worth_another: impl Fn(&Status) -> bool,
        lasting: Option<Duration>,
    ) -> Result<(String, R), Error>
    where
        M: Clone,
        F: Fn(Channel, Request<M>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        let timeout = self.options.timeout;
        let deadline = Instant::now() + timeout;
        let mut pause = PAUSE_MIN;
        let mut leader = None;
        for attempt in 0.. {
            let node = endpoints::choose(&self.nodes, attempt, leader.take().as_deref());
            let left = deadline.saturating_duration_since(Instant::now());
            // With one node there is nobody else to leave time for.
            let share = if self.nodes.len() == 1 { left } else { left / ATTEMPT_SHARE };
            let status = match self.attempt(node, message.clone(), &method, (share, lasting.unwrap_or(share))).await {
                Ok(answer) => return Ok((node.address.clone(), answer)),
                Err(status) => status,
            };
            if !is_worth_another(&status) {
                return Err(Error::answered(&status));
            }
            node.failed();
            leader = leader_beside(node, &status);
            let jittered = pause.mul_f64(rand::random_range(0.5..1.0));
            if Instant::now() + jittered + timeout / LAST_ATTEMPT_SHARE >= deadline {
                return Err(self.gave_up(&status));
            }
            tokio::time::sleep(jittered).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        unreachable!("INVARIANT: the loop ends at the deadline")
    }

    /// Like [`Client::call`], for decisions: one that is too old when it arrives is dropped.
    pub(crate) async fn decide<M, R, F, Fut>(&self, message: M, method: F) -> Result<R, Error>
    where
        M: Clone,
        F: Fn(Channel, Request<M>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        let most = self.options.max_decision_age;
        let method = &method;
        let timed = |channel, request| async move {
            let sent = Moment::now();
            let answer = method(channel, request).await?;
            Ok(Response::new((sent, answer.into_inner())))
        };
        let (sent, answer) = self.call(message, timed).await?;
        let age = sent.age(&Moment::now());
        if age > most { Err(Error::TooOld { age, most }) } else { Ok(answer) }
    }

    /// The node to ask first, and a request to it that may take so long.
    pub(crate) fn nearest<M>(&self, message: M, lasting: Duration) -> (Channel, Request<M>) {
        let node = endpoints::choose(&self.nodes, 0, None);
        (node.channel.clone(), self.request(message, lasting))
    }

    fn request<M>(&self, message: M, lasting: Duration) -> Request<M> {
        let mut request = Request::new(message);
        request.set_timeout(lasting);
        if let Some(run_as) = &self.run_as {
            request.metadata_mut().insert("portcullis-as", run_as.clone());
        }
        request
    }

    async fn attempt<M, R, F, Fut>(
        &self,
        node: &Node,
        message: M,
        method: &F,
        (share, lasting): (Duration, Duration),
    ) -> Result<R, Status>
    where
        F: Fn(Channel, Request<M>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        let request = self.request(message, lasting);
        let sent = Instant::now();
        match tokio::time::timeout(share, method(node.channel.clone(), request)).await {
            Ok(Ok(answer)) => {
                node.answered_in(sent.elapsed());
                Ok(answer.into_inner())
            }
            Ok(Err(status)) => Err(status),
            Err(_) => Err(Status::deadline_exceeded(format!("`{}` did not answer within {share:?}", node.address))),
        }
    }

    /// A client with connections of its own.
    pub(crate) fn apart(&self) -> Self {
        Self { nodes: Arc::new(self.nodes.iter().map(Node::apart).collect()), ..self.clone() }
    }

    /// Has others tried before a node that answered and then failed, for a while.
    pub(crate) fn failed(&self, address: &str) {
        self.nodes.iter().filter(|node| node.address == address).for_each(Node::failed);
    }

    fn gave_up(&self, last: &Status) -> Error {
        let error = Error::answered(last);
        if !error.reason().is_empty() {
            return error;
        }
        let endpoints = self.options.endpoints.join(",");
        Error::Unreachable { endpoints, waited: self.options.timeout, last: last.message().to_owned() }
    }
}

/// Where the leader is, if a node that could not do better says so and is not the leader itself.
fn leader_beside(node: &Node, status: &Status) -> Option<String> {
    let leader = status.metadata().get(LEADER_HEADER)?.to_str().ok()?;
    (leader != node.address).then(|| leader.to_owned())
}

/// Whether another attempt, perhaps elsewhere, may do better. Safe for writes too, since they carry a key.
pub(crate) fn is_worth_another(status: &Status) -> bool {
    let may_pass =
        matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown);
    may_pass || is_of_connection(status)
}
