//! Requests over HTTP. They need a grant for where they go: `http = ["https://api.example.com/v1/"]`.
//!
//! ```no_run
//! use jobhost_plugin::http::Request;
//!
//! # fn upload(picture: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let answer = Request::put("https://api.example.com/v1/pictures/7")
//!     .header("authorization", "Bearer …")
//!     .send(picture)?;
//! if answer.status != 201 {
//!     return Err(format!("the server answered {}", answer.status).into());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Request::deliver`] takes success only, and makes of everything else the failure that the job should have of it.

use std::fmt;
use std::io::Read;
use std::time::Duration;

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, HeaderError, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

/// Bytes that are written at once, which is the most that the host takes.
const PART: usize = 4096;

/// A request that is to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    patience: Option<Duration>,
}

/// What a server answered, whatever the status. A redirect is an answer, too: nobody follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// Names are in lower case; one may be there several times.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Error {
    /// The URL, a header or the method cannot be sent, with the reason.
    Invalid(String),
    /// The operator has not granted it, or a limit is reached; the host's log says what would allow it.
    Denied,
    /// What was to be sent could not be read.
    Body(std::io::Error),
    /// The code of wasi:http, such as `ConnectionRefused`.
    Failed(String),
}

impl Request {
    /// A request with this method, in capitals.
    pub fn new(method: &str, url: &str) -> Self {
        Self { method: method.to_owned(), url: url.to_owned(), headers: Vec::new(), patience: None }
    }

    /// To read.
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// To put something in a place.
    pub fn put(url: &str) -> Self {
        Self::new("PUT", url)
    }

    /// To hand something over.
    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header. `content-length` and those of the connection, such as `host`, are the host's.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// How long to wait for a connection, for the first byte of the answer, and between bytes. Without it the time to
    /// run is the limit, and 10 s for a connection.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Method and URL as messages have them: without the query, which may hold what is not for everybody.
    pub(crate) fn name(&self) -> String {
        let end = self.url.find(['?', '#']).unwrap_or(self.url.len());
        format!("{} {}", self.method, &self.url[..end])
    }

    /// Sends it with this body, which may be empty, and waits for the whole answer.
    pub fn send(self, body: impl AsRef<[u8]>) -> Result<Response, Error> {
        let body = body.as_ref();
        self.send_from(body, u64::try_from(body.len()).unwrap_or(u64::MAX))
    }

    /// As [`send`](Self::send), with a body of `length` bytes that is read piece by piece, such as a file.
    pub fn send_from(self, mut body: impl Read, length: u64) -> Result<Response, Error> {
        let (scheme, authority, path) = parts(&self.url)?;
        let fields = Fields::new();
        for (name, value) in &self.headers {
            fields.append(name, value).map_err(|error| refused(name, error))?;
        }
        if length > 0 || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            fields
                .append("content-length", length.to_string().as_bytes())
                .map_err(|error| refused("content-length", error))?;
        }
        let request = OutgoingRequest::new(fields);
        let invalid = |()| Error::Invalid(format!("{} {} cannot be sent", self.method, self.url));
        request.set_method(&method(&self.method)).map_err(invalid)?;
        request.set_scheme(Some(&scheme)).map_err(invalid)?;
        request.set_authority(Some(authority)).map_err(invalid)?;
        request.set_path_with_query(Some(path)).map_err(invalid)?;
        let outgoing = if length > 0 { Some(request.body().map_err(invalid)?) } else { None };
        let answer = handle(request, self.patience.map(options)).map_err(|code| failed(&code))?;
        if let Some(outgoing) = outgoing {
            write(outgoing, &mut body, length)?;
        }
        read(&received(&answer)?)
    }
}

fn parts(url: &str) -> Result<(Scheme, &str, &str), Error> {
    let invalid = || Error::Invalid(format!("`{url}` is not a URL such as https://api.example.com/v1/"));
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(invalid()),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return Err(invalid());
    }
    Ok((scheme, authority, if path.is_empty() { "/" } else { path }))
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        "OPTIONS" => Method::Options,
        other => Method::Other(other.to_owned()),
    }
}

fn options(patience: Duration) -> RequestOptions {
    let nanoseconds = u64::try_from(patience.as_nanos()).ok();
    let options = RequestOptions::new();
    // The host takes every one of them; one that does not has its own.
    let _ = options.set_connect_timeout(nanoseconds);
    let _ = options.set_first_byte_timeout(nanoseconds);
    let _ = options.set_between_bytes_timeout(nanoseconds);
    options
}

/// Writes the body. A server that has heard enough may answer before its end, so that its answer says what went wrong.
fn write(outgoing: OutgoingBody, body: &mut impl Read, mut length: u64) -> Result<(), Error> {
    let stream = outgoing.write().map_err(|()| Error::Failed("no stream for the body".to_owned()))?;
    let mut part = [0; PART];
    while length > 0 {
        let most = usize::try_from(length).unwrap_or(PART).min(PART);
        let size = body.read(&mut part[..most]).map_err(Error::Body)?;
        if size == 0 {
            return Err(Error::Body(std::io::ErrorKind::UnexpectedEof.into()));
        }
        if stream.blocking_write_and_flush(&part[..size]).is_err() {
            return Ok(());
        }
        length = length.saturating_sub(u64::try_from(size).unwrap_or(length));
    }
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(|code| failed(&code))
}

fn received(answer: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(answer)) => answer.map_err(|code| failed(&code)),
        _ => Err(Error::Failed("no answer".to_owned())),
    }
}

fn read(answer: &IncomingResponse) -> Result<Response, Error> {
    let gone = |()| Error::Failed("no body".to_owned());
    let (status, headers) = (answer.status(), answer.headers().entries());
    let incoming = answer.consume().map_err(gone)?;
    let stream = incoming.stream().map_err(gone)?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => body.extend(part),
            Err(StreamError::Closed) => return Ok(Response { status, headers, body }),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = http_error_code(&error);
                return Err(code.map_or_else(|| Error::Failed(error.to_debug_string()), |code| failed(&code)));
            }
        }
    }
}

fn failed(code: &ErrorCode) -> Error {
    match code {
        // The sizes are the host's limits, which hold for another attempt, too.
        ErrorCode::HttpRequestDenied
        | ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpResponseBodySize(_) => Error::Denied,
        other => Error::Failed(format!("{other:?}").trim_start_matches("ErrorCode::").to_owned()),
    }
}

fn refused(name: &str, error: HeaderError) -> Error {
    Error::Invalid(format!("header `{name}`: {error:?}"))
}

impl Response {
    /// The first header of this name, which is given in lower case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "invalid request: {why}"),
            Self::Denied => f.write_str("request denied; the host's log says what would allow it"),
            Self::Body(error) => write!(f, "body of the request: {error}"),
            Self::Failed(why) => write!(f, "request failed: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Body(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_at_its_path() {
        for (url, authority, path) in [
            ("https://a.example", "a.example", "/"),
            ("https://a.example:8443/v1/x?y#z", "a.example:8443", "/v1/x?y"),
            ("http://[::1]:80?q=1", "[::1]:80", "?q=1"),
        ] {
            let (_, found, rest) = parts(url).unwrap();
            assert_eq!((found, rest), (authority, path), "{url}");
        }
        for url in ["a.example/v1", "ftp://a.example/", "https://", "https:///v1"] {
            assert!(parts(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_the_hosts_limits_refuse_is_denied_and_not_failed() {
        let sizes = [ErrorCode::HttpRequestBodySize(None), ErrorCode::HttpResponseBodySize(Some(7))];
        for code in sizes {
            assert!(matches!(failed(&code), Error::Denied), "{code:?}");
        }
        let other = failed(&ErrorCode::ConnectionLimitReached);
        assert_eq!(other.to_string(), "request failed: ConnectionLimitReached");
    }
}
