//! Sends requests and returns what became of each, as a list: status, some headers and the body, or the code of the
//! error. Of the payload: `method`, `to` (a URL, taken apart without a look at it), `header` (`name: value`), `body`,
//! or `length` bytes of one, `announced` (its content-length); `repeat` rounds of `at_once` requests; `connect`,
//! `first` and `between` milliseconds of patience; `read` is `no` where responses are let go of unread, `finish` is `no`
//! where bodies of requests are not brought to an end; with `debug` as `yes` a body that breaks off is told in the
//! host's words.

use guest::types::{Job, JobError};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

guest::handler!(execute);

fn execute(job: Job) -> Result<String, JobError> {
    let mut answers = Vec::new();
    for _ in 0..number(&job, "repeat").unwrap_or(1) {
        let sent: Vec<_> = (0..number(&job, "at_once").unwrap_or(1))
            .map(|_| send(&job))
            .collect();
        for sent in sent {
            answers.push(match sent.and_then(|sent| answer(&job, sent)) {
                Ok(answer) => answer,
                Err(error) => format!("{{\"error\":{error:?}}}"),
            });
        }
    }
    Ok(format!("[{}]", answers.join(",")))
}

fn number(job: &Job, key: &str) -> Option<u64> {
    guest::text(job, key).parse().ok()
}

fn code(error: &ErrorCode) -> String {
    format!("{error:?}")
}

fn send(job: &Job) -> Result<FutureIncomingResponse, String> {
    let fields = Fields::new();
    if let Some((name, value)) = guest::text(job, "header").split_once(": ") {
        fields
            .append(name, value.as_bytes())
            .map_err(|error| format!("{error:?}"))?;
    }
    let text = guest::text(job, "body");
    let announced = match number(job, "announced") {
        Some(length) => Some(length),
        None => (!text.is_empty()).then_some(text.len() as u64),
    };
    if let Some(length) = announced {
        fields
            .append("content-length", length.to_string().as_bytes())
            .map_err(|error| format!("{error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let to = guest::text(job, "to");
    let (scheme, rest) = to.split_once("://").ok_or("no scheme")?;
    let path = rest.find('/').unwrap_or(rest.len());
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let wrong = |part: &'static str| move |()| format!("invalid {part}");
    request
        .set_method(&method(&guest::text(job, "method")))
        .map_err(wrong("method"))?;
    request.set_scheme(Some(&scheme)).map_err(wrong("scheme"))?;
    request
        .set_authority(Some(&rest[..path]))
        .map_err(wrong("authority"))?;
    request
        .set_path_with_query(Some(&rest[path..]))
        .map_err(wrong("path"))?;
    let body = request.body().map_err(wrong("body"))?;
    let future = handle(request, Some(options(job)?)).map_err(|error| code(&error))?;
    let finish = guest::text(job, "finish") != "no";
    write(
        body,
        text.as_bytes(),
        number(job, "length").unwrap_or(0),
        finish,
    );
    Ok(future)
}

fn method(name: &str) -> Method {
    match name {
        "" | "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        other => Method::Other(other.to_owned()),
    }
}

fn options(job: &Job) -> Result<RequestOptions, String> {
    let options = RequestOptions::new();
    let nanoseconds = |key| number(job, key).map(|milliseconds| milliseconds * 1_000_000);
    options
        .set_connect_timeout(nanoseconds("connect"))
        .and_then(|()| options.set_first_byte_timeout(nanoseconds("first")))
        .and_then(|()| options.set_between_bytes_timeout(nanoseconds("between")))
        .map_err(|()| "no such option".to_owned())?;
    Ok(options)
}

/// Writes as much of the body as is taken; that it was too much shows in the response.
fn write(body: OutgoingBody, text: &[u8], mut length: u64, finish: bool) {
    if let Ok(stream) = body.write() {
        let filler = [b'x'; 4096];
        let mut taken = text.is_empty() || stream.blocking_write_and_flush(text).is_ok();
        while taken && length > 0 {
            let part = length.min(filler.len() as u64);
            taken = stream
                .blocking_write_and_flush(&filler[..part as usize])
                .is_ok();
            length -= part;
        }
        drop(stream);
    }
    if finish {
        let _ = OutgoingBody::finish(body, None);
    } else {
        std::mem::forget(body);
    }
}

fn answer(job: &Job, future: FutureIncomingResponse) -> Result<String, String> {
    future.subscribe().block();
    let response = future
        .get()
        .ok_or("no response after its pollable was ready")?
        .map_err(|()| "response taken twice")?
        .map_err(|error| code(&error))?;
    let status = response.status();
    let headers: Vec<_> = response
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| format!("{name:?}:{:?}", String::from_utf8_lossy(&value)))
        .collect();
    let body = if guest::text(job, "read") == "no" {
        String::new()
    } else {
        read(&response, guest::text(job, "debug") == "yes")?
    };
    Ok(format!(
        "{{\"status\":{status},\"headers\":{{{}}},\"length\":{},\"body\":{:?}}}",
        headers.join(","),
        body.len(),
        &body[..body.len().min(200)]
    ))
}

fn read(response: &IncomingResponse, debug: bool) -> Result<String, String> {
    let body = response.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(match http_error_code(&error) {
                    Some(error) if !debug => code(&error),
                    _ => error.to_debug_string(),
                });
            }
        }
    }
}
