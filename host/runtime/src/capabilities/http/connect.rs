//! From a granted host to a connection: resolve, check each address, connect to one that passed.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use hyper::client::conn::http1;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::io::TokioIo;

use super::address::{Reach, reach};
use super::errors::{of_connect, of_hyper, of_resolve, of_tls};
use super::grant::{Host, Origin};
use super::pool::{Sender, Way};

/// Addresses of a name that are tried.
const TRIED: usize = 8;

/// Bytes of a response's head, and of what is read ahead.
const HEAD: usize = 64 << 10;

/// Finds the addresses of names, for requests of plugins. Each is checked before it is used.
#[async_trait]
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// The addresses of `name`, the preferred one first.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the other programs of this machine do: its files, then its name servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Names that are looked up at once for one plugin. A system's lookup cannot be called off: it keeps a thread of the host
/// until the name servers have answered, or have been given up on, however little patience the guest has.
const LOOKUPS: usize = 8;

/// The lookups of a plugin.
pub(super) struct Lookups {
    resolver: Arc<dyn Resolve>,
    places: Arc<Semaphore>,
}

impl Lookups {
    pub(super) fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, places: Arc::new(Semaphore::new(LOOKUPS)) }
    }

    /// A lookup that nobody waits for any more goes on, and keeps its place until it is over.
    async fn find(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (resolver, name) = (Arc::clone(&self.resolver), name.to_owned());
        let lookup = tokio::spawn(async move {
            let found = resolver.resolve(&name).await;
            drop(place);
            found
        });
        lookup.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Why there is no connection.
pub(super) enum NoConnection {
    Failed(Error),
    /// Every address is off limits; the operator is told of one.
    OffLimits(IpAddr, &'static str, Remedy),
    /// The server is not whom it says.
    NotBelieved(Error, String),
}

/// What would allow an address.
pub(super) enum Remedy {
    Private,
    Literal,
    Nothing,
}

impl From<Error> for NoConnection {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A connection to an address of the origin's host that may be reached.
pub(super) async fn connect(
    lookups: &Lookups,
    way: &Way,
    tls: Option<&TlsConnector>,
    until: Instant,
) -> Result<Sender, NoConnection> {
    let addresses = addresses(lookups, way, until).await?;
    let stream = reached(&addresses, way.origin.port, until).await?;
    match tls {
        None => Ok(opened(stream).await?),
        Some(connector) => {
            let name = server_name(&way.origin)?;
            match timeout_at(until, connector.connect(name, stream)).await {
                Ok(Ok(stream)) => Ok(opened(stream).await?),
                Ok(Err(error)) => Err(NoConnection::NotBelieved(of_tls(&error), error.to_string())),
                Err(_) => Err(Error::ConnectionTimeout.into()),
            }
        }
    }
}

/// The addresses that may be reached. A literal is its own address.
async fn addresses(lookups: &Lookups, way: &Way, until: Instant) -> Result<Vec<IpAddr>, NoConnection> {
    let (found, literal) = match &way.origin.host {
        Host::Address(address) => (vec![*address], true),
        Host::Name(name) => match timeout_at(until, lookups.find(name)).await {
            Ok(found) => (found.map_err(|error| of_resolve(&error))?, false),
            Err(_) => return Err(Error::DnsTimeout.into()),
        },
    };
    let Some(first) = found.first() else {
        return Err(Error::DestinationNotFound.into());
    };
    let allowed = |address: &IpAddr| match reach(*address) {
        Reach::Public => true,
        Reach::Private(_) => way.private,
        Reach::Literal(_) => way.private && literal,
        Reach::Never(_) => false,
    };
    let allowed: Vec<_> = found.iter().copied().filter(allowed).take(TRIED).collect();
    if !allowed.is_empty() {
        return Ok(allowed);
    }
    let (what, remedy) = match reach(*first) {
        Reach::Public => ("public", Remedy::Nothing),
        Reach::Private(what) => (what, Remedy::Private),
        Reach::Literal(what) => (what, if literal { Remedy::Private } else { Remedy::Literal }),
        Reach::Never(what) => (what, Remedy::Nothing),
    };
    Err(NoConnection::OffLimits(*first, what, remedy))
}

/// A connection to the first address that answers. Each has its share of the time, so that a silent one leaves some.
async fn reached(addresses: &[IpAddr], port: u16, until: Instant) -> Result<TcpStream, Error> {
    let mut last = Error::DestinationNotFound;
    for (index, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        match tokio::time::timeout(share, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => {
                // Head and body are separate writes; the second must not wait for the first to be acknowledged.
                stream.set_nodelay(true).map_err(|error| of_connect(&error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = of_connect(&error),
            Err(_) => last = Error::ConnectionTimeout,
        }
    }
    Err(last)
}

fn server_name(origin: &Origin) -> Result<ServerName<'static>, Error> {
    match &origin.host {
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid),
    }
}

/// Starts to speak HTTP. What drives the connection ends with it: when the sender and the last body are gone.
async fn opened(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Sender, Error> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD)
        .max_header_size(HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| of_hyper(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection for a plugin ended");
        }
    });
    Ok(sender)
}
