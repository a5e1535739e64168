//! The requests of one call: each is checked against the grants and counted before the client sends it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, HeaderName};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use super::body::{Allowance, Back, Received, Sent, Slot, empty};
use super::client::{Client, Times, addressed};
use super::connect::{NoConnection, Remedy};
use super::grant::{self, HttpGrant};
use super::heads::Heads;
use super::pool::Way;
use crate::capabilities::Granted;
use crate::capabilities::advice::key;
use crate::host::CallHost;
use crate::limits::{Limits, size};
use crate::output::printable;

/// How long a connection may take to be made, where the guest says nothing.
const CONNECT: Duration = Duration::from_secs(10);

/// Bytes of a request's body that a guest hands over at once. Up to three times as much waits for the connection, in each
/// body that the guest holds.
const CHUNK: usize = 16 << 10;

/// Bytes of headers in each set that the guest holds, as they are kept in memory.
pub(super) const FIELDS: usize = 32 << 10;

/// Characters of a path that a message shows.
const PATH: usize = 200;

/// Messages about refused requests of one call. A guest may go on to try others.
const MESSAGES: usize = 16;

/// What the requests of a call are made from.
pub(crate) struct Setting<'a> {
    /// None where nothing is granted.
    pub(crate) client: Option<&'a Arc<Client>>,
    pub(crate) plugin: &'a Arc<str>,
    pub(crate) granted: &'a Arc<Granted>,
    pub(crate) host: &'a Arc<dyn CallHost>,
    pub(crate) limits: RequestLimits,
    pub(crate) deadline: Instant,
}

/// What of a plugin's limits is about requests.
#[derive(Clone, Copy)]
pub(crate) struct RequestLimits {
    requests: u32,
    at_once: u32,
    sent: u64,
    received: u64,
}

impl From<&Limits> for RequestLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            requests: limits.http_requests,
            at_once: limits.http_at_once,
            sent: limits.http_sent,
            received: limits.http_received,
        }
    }
}

/// The requests of one call, made when it sends the first.
pub(crate) struct Requests {
    pub(crate) context: WasiHttpCtx,
    pub(crate) hooks: Hooks,
    pub(crate) heads: Heads,
}

pub(crate) struct Hooks {
    client: Option<Arc<Client>>,
    told: Arc<Told>,
    deadline: tokio::time::Instant,
    left: u32,
    slots: Arc<Semaphore>,
    sent: Arc<Allowance>,
    received: Arc<Allowance>,
    ended: Ended,
}

/// Whether the call has ended. It has as soon as this is dropped.
#[derive(Default)]
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What the operator is told about the requests of a call, each thing once.
pub(super) struct Told {
    plugin: Arc<str>,
    granted: Arc<Granted>,
    host: Arc<dyn CallHost>,
    messages: Mutex<Vec<String>>,
}

/// A request that may be sent.
struct Admitted {
    client: Arc<Client>,
    grant: HttpGrant,
    way: Way,
    slot: Slot,
}

impl Requests {
    pub(crate) fn new(setting: &Setting<'_>) -> Self {
        let limits = setting.limits;
        let told = Told {
            plugin: Arc::clone(setting.plugin),
            granted: Arc::clone(setting.granted),
            host: Arc::clone(setting.host),
            messages: Mutex::default(),
        };
        let at_once = size(u64::from(limits.at_once)).min(Semaphore::MAX_PERMITS);
        let hooks = Hooks {
            client: setting.client.map(Arc::clone),
            told: Arc::new(told),
            deadline: setting.deadline.into(),
            left: limits.requests,
            slots: Arc::new(Semaphore::new(at_once)),
            sent: Arc::new(Allowance::new(limits.sent, "http-sent")),
            received: Arc::new(Allowance::new(limits.received, "http-received")),
            ended: Ended::default(),
        };
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(FIELDS);
        Self { context, hooks, heads: Heads::new(limits.requests) }
    }
}

impl Hooks {
    /// What tells the operator about requests.
    pub(super) fn told(&self) -> Arc<Told> {
        Arc::clone(&self.told)
    }

    /// Whether a request may be sent now; if so it is counted.
    fn admit(&mut self, request: &Request<WasiBody>) -> Result<Admitted, Error> {
        let Some(client) = &self.client else { return Err(Error::HttpRequestDenied) };
        let secrets = &self.told.granted.secrets;
        let show = |path: &str| secrets.shown(path, PATH);
        let permitted = grant::permit(&self.told.plugin, client.grants(), request.method(), request.uri(), show);
        let grant = permitted.map_err(|advice| {
            self.told.once(advice);
            Error::HttpRequestDenied
        })?;
        if !self.sent.has(announced(request)) {
            self.told.exceeded(&self.sent);
            return Err(Error::HttpRequestBodySize(None));
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.told.limit("sends more requests", "http-requests");
            return Err(Error::HttpRequestDenied);
        };
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.told.limit("has more requests under way", "http-at-once");
            return Err(Error::ConnectionLimitReached);
        };
        let slot = Slot::new(slot);
        let admitted = Admitted { client: Arc::clone(client), grant: grant.clone(), way: client.way(grant), slot };
        self.left = left;
        Ok(admitted)
    }

    fn times(&self, options: &RequestOptions) -> Times {
        let now = tokio::time::Instant::now();
        let within = |wanted: Option<Duration>| {
            wanted.and_then(|wanted| now.checked_add(wanted)).map_or(self.deadline, |end| end.min(self.deadline))
        };
        Times {
            connected: within(Some(options.connect_timeout.unwrap_or(CONNECT))),
            answered: within(options.first_byte_timeout),
        }
    }
}

/// Bytes that a request says its body has.
fn announced(request: &Request<WasiBody>) -> u64 {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or(0).max(request.body().size_hint().lower())
}

/// Whether a request is sent without a body, although the guest may hold the end of one: many libraries take it always.
fn bodiless(request: &Request<WasiBody>) -> bool {
    [Method::GET, Method::HEAD].contains(request.method()) && !request.headers().contains_key(CONTENT_LENGTH)
}

/// What the engine's part of wasi:http wants as the rest of an exchange; there is none, the connection drives itself.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        grant::of_the_connection(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(grant::of_the_connection)
    }

    fn set_host_header(&mut self) -> bool {
        // It is set from what was checked.
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Rest,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Rest), Error>> + Send> {
        let options = options.unwrap_or_default();
        let admitted = self.admit(&request);
        let (times, between) = (self.times(&options), options.between_bytes_timeout);
        let (told, sent, received) = (Arc::clone(&self.told), Arc::clone(&self.sent), Arc::clone(&self.received));
        let ended = Arc::clone(&self.ended.0);
        Box::new(async move {
            let Admitted { client, grant, way, slot } = admitted?;
            let bodiless = bodiless(&request);
            let request = addressed(request, &way)?;
            let request = request.map(|body| {
                let body = if bodiless { empty() } else { body };
                Sent::new(body, Arc::clone(&sent), Arc::clone(&slot), ended)
            });
            let progress = request.body().progress();
            let answered = client.send(&way, request, times).await;
            if progress.exceeded() {
                told.exceeded(&sent);
            }
            let (response, sender) = answered.map_err(|why| told.unconnected(&client, &grant, why))?;
            if !received.has(response.body().size_hint().lower()) {
                told.exceeded(&received);
                return Err(Error::HttpResponseBodySize(response.body().size_hint().exact()));
            }
            let back = Back { pool: Arc::clone(client.pool()), way, sender, sent: progress };
            let response = response.map(|body| {
                let (allowance, back) = (received, Some(back));
                Received { body, allowance, told, between, waiting: None, back, _slot: slot }.boxed_unsync()
            });
            let rest: Rest = Box::new(std::future::ready(Ok(())));
            Ok((response, rest))
        })
    }
}

impl Told {
    /// Tells the operator, unless it was told already or has heard enough of this call.
    fn once(&self, mut message: String) {
        self.granted.secrets.hide(&mut message);
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.len() < MESSAGES && !messages.contains(&message) {
            self.host.refused(&printable(&message));
            messages.push(message);
        }
    }

    pub(super) fn limit(&self, what: &str, setting: &str) {
        let plugin = &self.plugin;
        self.once(format!(
            "plugin `{plugin}` {what} than one call may; to allow more, raise `{setting}` under `[plugins.{}.limits]`",
            key(plugin)
        ));
    }

    /// Says that a call's bytes are used up.
    pub(super) fn exceeded(&self, allowance: &Allowance) {
        let what = if allowance.setting() == "http-sent" { "sends more bytes" } else { "receives more bytes" };
        self.limit(what, allowance.setting());
    }

    /// What the guest is told of a request that got no answer, after the operator was told what the guest is not.
    fn unconnected(&self, client: &Client, grant: &HttpGrant, why: NoConnection) -> Error {
        let (plugin, origin) = (&self.plugin, grant.origin());
        match why {
            NoConnection::Failed(error) => error,
            NoConnection::NotBelieved(error, why) => {
                self.once(format!("plugin `{plugin}` has no safe connection to {origin}: {why}"));
                error
            }
            NoConnection::OffLimits(address, what, remedy) => {
                let remedy = match remedy {
                    Remedy::Private => {
                        let private = HttpGrant { private: true, ..grant.clone() };
                        format!("to allow it, {}", grant::line(plugin, client.grants(), &private))
                    }
                    Remedy::Literal => {
                        "only a grant whose URL names this address, with `private = true`, allows it".to_owned()
                    }
                    Remedy::Nothing => "nothing allows it".to_owned(),
                };
                self.once(format!(
                    "plugin `{plugin}` may not connect to {origin}: its address {address} is {what}; {remedy}"
                ));
                Error::DestinationIpProhibited
            }
        }
    }
}
