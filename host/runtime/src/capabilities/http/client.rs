//! The client of one plugin: its grants, whom it believes, and its connections, shared by all of its calls.

use std::path::PathBuf;
use std::sync::Arc;

use http::header::{HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

use super::body::Sent;
use super::connect::{Lookups, NoConnection, Resolve, connect};
use super::errors::of_hyper;
use super::grant::HttpGrant;
use super::pool::{Pool, Sender, Way};
use super::tls;

pub(crate) struct Client {
    grants: Vec<HttpGrant>,
    /// Whom to believe, for each file of certificates that a grant names, and for the platform's.
    authorities: Vec<(Option<PathBuf>, TlsConnector)>,
    lookups: Lookups,
    pool: Arc<Pool>,
}

/// Until when a request has to get how far.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) connected: Instant,
    pub(super) answered: Instant,
}

impl Client {
    /// Reads the certificates that these grants need. The error is the grant, as it is written, and what is wrong.
    pub(crate) fn new(grants: &[HttpGrant], resolver: Arc<dyn Resolve>) -> Result<Self, (String, String)> {
        let mut authorities: Vec<(Option<PathBuf>, TlsConnector)> = Vec::new();
        for grant in grants.iter().filter(|grant| grant.origin().tls) {
            if authorities.iter().all(|(file, _)| *file != grant.ca_file) {
                let connector = tls::connector(grant.ca_file.as_deref()).map_err(|why| (grant.to_string(), why))?;
                authorities.push((grant.ca_file.clone(), connector));
            }
        }
        Ok(Self { grants: grants.to_vec(), authorities, lookups: Lookups::new(resolver), pool: Arc::default() })
    }

    pub(super) fn grants(&self) -> &[HttpGrant] {
        &self.grants
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// How requests of a grant travel.
    pub(super) fn way(&self, grant: &HttpGrant) -> Way {
        let authorities = self.authorities.iter().position(|(file, _)| *file == grant.ca_file).unwrap_or(0);
        Way { origin: grant.origin().clone(), private: grant.private, authorities }
    }

    /// Sends a request on a connection that waits, or on a new one. One that the server has closed meanwhile is
    /// replaced, where nothing of the request can have had an effect.
    pub(super) async fn send(
        &self,
        way: &Way,
        mut request: Request<Sent>,
        times: Times,
    ) -> Result<(Response<Incoming>, Sender), NoConnection> {
        let sent = request.body().progress();
        loop {
            let (mut sender, waited) = match self.pool.take(way).await {
                Some(sender) => (sender, true),
                None => (self.connect(way, times.connected).await?, false),
            };
            let again = if waited { again(&request) } else { None };
            let answer = timeout_at(times.answered, sender.try_send_request(request)).await;
            let mut error = match answer {
                Ok(Ok(response)) => return Ok((response, sender)),
                Ok(Err(error)) => error,
                Err(_) => return Err(Error::HttpResponseTimeout.into()),
            };
            request = match (error.take_message(), again) {
                (Some(unsent), _) if waited => unsent,
                (None, Some(again)) if !error.error().is_parse() => again,
                _ if sent.exceeded() => return Err(Error::HttpRequestBodySize(None).into()),
                _ => return Err(of_hyper(error.error()).into()),
            };
        }
    }

    async fn connect(&self, way: &Way, until: Instant) -> Result<Sender, NoConnection> {
        let tls = match (way.origin.tls, self.authorities.get(way.authorities)) {
            (false, _) => None,
            (true, Some((_, connector))) => Some(connector),
            (true, None) => return Err(Error::ConfigurationError.into()),
        };
        connect(&self.lookups, way, tls, until).await
    }
}

/// The request as it goes over a connection: where it leads is in the header `Host` alone, as the grant spells it.
pub(super) fn addressed<B>(request: Request<B>, way: &Way) -> Result<Request<B>, Error> {
    let (mut head, body) = request.into_parts();
    let host = HeaderValue::try_from(way.origin.authority()).map_err(|_| Error::HttpRequestUriInvalid)?;
    head.headers.insert(HOST, host);
    head.uri = Uri::from(head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    head.version = Version::HTTP_11;
    Ok(Request::from_parts(head, body))
}

/// A copy of a request that may be sent twice.
fn again(request: &Request<Sent>) -> Option<Request<Sent>> {
    if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        return None;
    }
    let mut copy = Request::new(request.body().again()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}
