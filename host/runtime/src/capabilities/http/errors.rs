//! Failures of a request as the codes of wasi:http, which are all that a guest learns of them.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, IoError};
use wasmtime_wasi_http::{Error, WasiHttpView};

use super::heads;
use crate::host::State;

/// The interface whose function is replaced, as the engine spells it.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Links wasi:http, with a `http-error-code` that knows why a response's body broke off: the engine's own does not know
/// the errors that its streams carry. What a guest piles up is counted.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    linker.instance(TYPES)?.func_wrap("http-error-code", |mut store, (error,): (Resource<IoError>,)| {
        let error = store.data_mut().http().table.get(&error)?;
        Ok((error.downcast_ref::<Error>().map(of_body).or_else(|| error.downcast_ref::<ErrorCode>().cloned()),))
    })?;
    heads::guard(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// An error of a body, which is one of a few.
fn of_body(error: &Error) -> ErrorCode {
    match error {
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        Error::HttpProtocolError => ErrorCode::HttpProtocolError,
        _ => ErrorCode::ConnectionTerminated,
    }
}

/// A failed exchange on a connection.
pub(super) fn of_hyper(error: &hyper::Error) -> Error {
    if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else if error.is_parse() || error.is_parse_status() {
        Error::HttpProtocolError
    } else if error.is_timeout() {
        Error::HttpResponseTimeout
    } else if error.is_user() {
        // The guest's own body ended it: too short for its content-length, or abandoned.
        Error::HttpRequestBodySize(None)
    } else if let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<io::Error>())
        && cause.kind() == ErrorKind::UnexpectedEof
    {
        Error::HttpResponseIncomplete
    } else {
        Error::ConnectionTerminated
    }
}

/// A connection that was not made.
pub(super) fn of_connect(error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        ErrorKind::TimedOut => Error::ConnectionTimeout,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Error::DestinationUnavailable,
        _ => Error::ConnectionTerminated,
    }
}

/// A name that was not resolved.
pub(super) fn of_resolve(error: &io::Error) -> Error {
    Error::DnsError { rcode: Some(error.kind().to_string()), info_code: None }
}

/// A server that is not believed, or does not speak TLS.
pub(super) fn of_tls(error: &io::Error) -> Error {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<tokio_rustls::rustls::Error>()) {
        Some(tokio_rustls::rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
        Some(_) => Error::TlsProtocolError,
        None => of_connect(error),
    }
}
