//! `jobhost:plugin/http`: requests with whole bodies, for guests whose toolchain has no use for streams. They are checked,
//! counted and sent as those of wasi:http are.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::body::empty;
use super::requests::{FIELDS, Told};
use super::{Requests, grant};
use crate::bindings::http as wit;
use crate::host::State;
use crate::limits::bytes;

impl wit::Host for State {
    async fn send(&mut self, request: wit::Request) -> wasmtime::Result<Result<wit::Response, wit::HttpError>> {
        self.meter.goes_on();
        let most = self.call_bytes();
        let options = options(request.timeout);
        let request = match made(request) {
            Ok(request) => request,
            Err(why) => return Ok(Err(wit::HttpError::Invalid(why))),
        };
        let (Requests { hooks, .. }, _) = self.requests();
        let told = hooks.told();
        let answer = Box::into_pin(hooks.send_request(request, Some(options), Box::new(std::future::ready(Ok(())))));
        Ok(match answer.await {
            Ok((response, _)) => whole(response, most, &told).await,
            Err(error) => Err(failure(&error)),
        })
    }
}

/// The same patience for every part of an exchange.
fn options(timeout: Option<u64>) -> RequestOptions {
    let timeout = timeout.map(Duration::from_millis);
    RequestOptions { connect_timeout: timeout, first_byte_timeout: timeout, between_bytes_timeout: timeout }
}

/// The request, or why it cannot be sent.
fn made(request: wit::Request) -> Result<Request<WasiBody>, String> {
    let wit::Request { method, url, headers, body, .. } = request;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| "its method is none".to_owned())?;
    let uri: Uri = url.parse().map_err(|error| format!("its URL is none: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err("its URL is not one such as https://api.example.com/v1/".to_owned());
    }
    let mut fields = fields(headers)?;
    if !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
        fields.insert(CONTENT_LENGTH, body.len().into());
    }
    let body = if body.is_empty() {
        empty()
    } else {
        Full::from(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync()
    };
    let mut made = Request::new(body);
    (*made.method_mut(), *made.uri_mut(), *made.headers_mut()) = (method, uri, fields);
    Ok(made)
}

fn fields(headers: Vec<(String, String)>) -> Result<HeaderMap, String> {
    let size: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > FIELDS {
        return Err(format!("its headers have {size} bytes, at most {FIELDS} are sent"));
    }
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        // What a guest has in a header may be a secret, and even a name may be where it slipped.
        let known = HeaderName::try_from(name).map_err(|_| "the name of a header is none".to_owned())?;
        if known == CONTENT_LENGTH || grant::of_the_connection(&known) {
            return Err(format!("the header `{known}` is the host's; leave it out"));
        }
        let value = HeaderValue::try_from(value).map_err(|_| format!("the value of the header `{known}` is none"))?;
        fields.append(known, value);
    }
    Ok(fields)
}

/// The answer with all of its body, if that is no more than `most` bytes.
async fn whole(response: Response<WasiBody>, most: u64, told: &Told) -> Result<wit::Response, wit::HttpError> {
    let (head, mut body) = response.into_parts();
    let mut headers = Vec::new();
    for (name, value) in &head.headers {
        headers.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    let mut content = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure(&error))?;
        content.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if bytes(content.len()) > most {
            told.limit("receives a larger answer at once", "host-call-bytes");
            return Err(wit::HttpError::Denied("the answer passes a limit".to_owned()));
        }
    }
    Ok(wit::Response { status: head.status.as_u16(), headers, body: content })
}

fn failure(error: &Error) -> wit::HttpError {
    match error {
        Error::HttpRequestDenied | Error::DestinationIpProhibited => {
            wit::HttpError::Denied("the request is not granted".to_owned())
        }
        // The sizes are the host's limits, which hold for another attempt, too.
        Error::HttpRequestBodySize(_) | Error::HttpResponseBodySize(_) => {
            wit::HttpError::Denied("the request or its answer passes a limit".to_owned())
        }
        other => wit::HttpError::Failed(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> wit::Request {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        wit::Request { method: method.into(), url: url.into(), headers, body: body.into(), timeout: None }
    }

    #[test]
    fn what_cannot_be_sent_is_told_and_no_value_of_a_header_with_it() {
        for (method, url, headers, why) in [
            ("G T", "https://a.example/", [].as_slice(), "its method is none"),
            ("GET", "a.example", &[], "its URL is not one such as"),
            ("GET", "ftp://a.example/", &[], "its URL is not one such as"),
            ("GET", "https://a example/", &[], "its URL is none"),
            ("GET", "https://a.example/", &[("Host", "b")], "the header `host` is the host's"),
            ("GET", "https://a.example/", &[("content-length", "7")], "the header `content-length` is the host's"),
            ("GET", "https://a.example/", &[("a b", "s3cret")], "the name of a header is none"),
            ("GET", "https://a.example/", &[("token", "s3cret\n")], "the value of the header `token` is none"),
        ] {
            let told = made(request(method, url, headers, "")).map(|_| ()).unwrap_err();
            assert!(told.starts_with(why) && !told.contains("s3cret"), "{told}");
        }
        let long = "x".repeat(FIELDS);
        assert!(made(request("GET", "https://a.example/", &[("a", &long)], "")).is_err());
    }

    #[test]
    fn a_body_has_its_length_and_so_have_methods_that_want_one() {
        let length = |method: &str, body: &str| {
            let made = made(request(method, "https://a.example", &[], body)).unwrap();
            made.headers().get(CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned())
        };
        assert_eq!(length("GET", ""), None);
        assert_eq!(length("POST", "").as_deref(), Some("0"));
        assert_eq!(length("QUERY", "abc").as_deref(), Some("3"));
    }
}
