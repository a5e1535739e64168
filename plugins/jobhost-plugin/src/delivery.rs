//! What a job makes of an answer over HTTP, or of none: the one place where statuses and errors become failures.

use std::io::Read;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::error::JobError;
use crate::http::{Error, Request, Response};
use crate::job::Json;

/// The longest wait that a server can ask for.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Characters of an answer's body that a failure shows.
const SHOWN: usize = 200;

impl Request {
    /// Sends it as [`send`](Self::send) does and takes a status of 200 to 299 only. Everything else is the failure that a
    /// job should have of it; it names the request without its query, and its code is `http-` and the status, if there is one:
    ///
    /// - 429 and 503 with a `Retry-After`, in seconds or as a date: not before then, which is a day at most;
    /// - 408, 425, 429 and 500 to 599: temporary;
    /// - any other status: permanent, redirects among them, which nobody follows;
    /// - no answer, since the connection was refused, closed or too slow: temporary, `http-failed`;
    /// - a request that is denied or passes a limit of the host, `http-denied`, or cannot be sent, `http-invalid`: permanent.
    pub fn deliver(self, body: impl AsRef<[u8]>) -> Result<Response, JobError> {
        let name = self.name();
        outcome(&name, self.send(body), SystemTime::now)
    }

    /// As [`deliver`](Self::deliver), with a body of `length` bytes that is read piece by piece, such as a file.
    pub fn deliver_from(self, body: impl Read, length: u64) -> Result<Response, JobError> {
        let name = self.name();
        outcome(&name, self.send_from(body, length), SystemTime::now)
    }
}

impl Response {
    /// The body as JSON. One that is not as expected is a temporary failure `http-answer`, which says where and has the
    /// body's beginning.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        Json::from_text(String::from_utf8_lossy(&self.body)).read().map_err(|error| {
            let message = format!("the answer of the server cannot be used: {error}{}", shown(&self.body));
            JobError::temporary("http-answer", message)
        })
    }
}

fn outcome(
    name: &str,
    answer: Result<Response, Error>,
    now: impl FnOnce() -> SystemTime,
) -> Result<Response, JobError> {
    let answer = answer.map_err(|error| no_answer(name, &error))?;
    let status = answer.status;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let code = format!("http-{status}");
    let message = format!("{name} was answered with {status}{}", shown(&answer.body));
    let wait = match status {
        429 | 503 => answer.header("retry-after").and_then(|value| wait(value, now)),
        _ => None,
    };
    Err(match (status, wait) {
        (_, Some(wait)) => JobError::retry_after(wait, code, message),
        (408 | 425 | 429 | 500..600, None) => JobError::temporary(code, message),
        _ => JobError::permanent(code, message),
    })
}

fn no_answer(name: &str, error: &Error) -> JobError {
    let message = format!("{name}: {error}");
    match error {
        Error::Invalid(_) => JobError::permanent("http-invalid", message),
        Error::Denied => JobError::permanent("http-denied", message),
        Error::Body(_) | Error::Failed(_) => JobError::temporary("http-failed", message),
    }
}

/// The wait that a `Retry-After` asks for; `None` where it is neither a number of seconds nor a date.
fn wait(value: &str, now: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => LONGEST_WAIT,
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now()).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The beginning of a body, for people. Where it is cut, a word or quoted text goes as a whole: the host, which puts the
/// name of a secret in the place of its value, would not know the half of one.
fn shown(body: &[u8]) -> String {
    let part = &body[..body.len().min(4 * SHOWN)];
    let text: String = String::from_utf8_lossy(part).trim().chars().filter(|c| !c.is_control()).collect();
    let (text, cut) = match text.char_indices().nth(SHOWN) {
        Some((end, _)) => (&text[..end], true),
        None => (&*text, part.len() < body.len()),
    };
    match (text, cut) {
        ("", false) => String::new(),
        (text, false) => format!(": {text}"),
        (text, true) => format!(": {}…", text.trim_end_matches(|c: char| !c.is_whitespace() && !"\"'<>".contains(c))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    const NAME: &str = "PUT https://a.example/b";

    fn answered(status: u16, retry_after: Option<&str>) -> Result<Response, JobError> {
        let headers = retry_after.map(|value| ("retry-after".to_owned(), value.into())).into_iter().collect();
        // 60 s before the date that RFC 9110 has as its example.
        let now = || SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
        outcome(NAME, Ok(Response { status, headers, body: b"sorry\n".to_vec() }), now)
    }

    fn message(status: u16) -> String {
        format!("{NAME} was answered with {status}: sorry")
    }

    #[test]
    fn only_a_status_of_success_is_one() {
        for status in [200, 201, 204, 299] {
            assert_eq!(answered(status, Some("7")).unwrap().status, status);
        }
        for status in [199, 300, 301, 304, 400, 401, 404, 410, 422, 600] {
            let permanent = JobError::permanent(format!("http-{status}"), message(status));
            assert_eq!(answered(status, Some("7")), Err(permanent));
        }
    }

    #[test]
    fn a_server_that_is_troubled_is_tried_again() {
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(answered(status, None), Err(JobError::temporary(format!("http-{status}"), message(status))));
        }
    }

    #[test]
    fn a_server_that_says_when_is_not_asked_before() {
        for (value, seconds) in [
            ("7", 7),
            (" 0 ", 0),
            ("86401", 86_400),
            ("99999999999999999999", 86_400),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 60),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 60),
            ("Sun, 06 Nov 1994 08:47:37 GMT", 0),
        ] {
            for status in [429, 503] {
                let wait = Duration::from_secs(seconds);
                let expected = JobError::retry_after(wait, format!("http-{status}"), message(status));
                assert_eq!(answered(status, Some(value)), Err(expected), "{value}");
            }
        }
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(answered(429, Some(nonsense)), Err(JobError::temporary("http-429", message(429))), "{nonsense}");
        }
    }

    #[test]
    fn no_answer_is_temporary_unless_no_attempt_could_have_one() {
        for (error, code, permanent) in [
            (Error::Failed("ConnectionRefused".to_owned()), "http-failed", false),
            (Error::Body(ErrorKind::UnexpectedEof.into()), "http-failed", false),
            (Error::Denied, "http-denied", true),
            (Error::Invalid("header".to_owned()), "http-invalid", true),
        ] {
            let failed = outcome(NAME, Err(error), SystemTime::now).unwrap_err();
            assert_eq!((&*failed.failure().code, failed.is_permanent()), (code, permanent));
            assert!(failed.failure().message.starts_with("PUT https://a.example/b: "), "{failed}");
        }
    }

    #[test]
    fn what_is_cut_off_an_answer_leaves_no_part_of_a_token_behind() {
        for length in 0..SHOWN {
            let body = format!("{{\"error\":\"{} Bearer t0ken-t0ken\"}}", "x".repeat(length));
            // The bytes that are looked at end in the token, too.
            let far = format!("{}{body}", "\r".repeat(4 * SHOWN - length));
            for text in [shown(body.as_bytes()), shown(far.as_bytes())] {
                assert!(!text.contains('t') || text.contains("t0ken-t0ken"), "{text}");
            }
        }
    }

    #[test]
    fn an_answer_is_read_as_json_and_one_that_cannot_be_is_shown() {
        let answer = |body: &str| Response { status: 200, headers: Vec::new(), body: body.into() };
        assert_eq!(answer("[1,2]").json::<Vec<u32>>(), Ok(vec![1, 2]));
        let error = answer(r#"["x"]"#).json::<Vec<u32>>().unwrap_err();
        assert_eq!((&*error.failure().code, error.is_permanent()), ("http-answer", false));
        assert!(
            error.failure().message.contains("[0]: invalid type") && error.failure().message.ends_with(r#": ["x"]"#)
        );
    }

    #[test]
    fn a_failure_shows_the_beginning_of_the_answer_on_one_line_and_no_query() {
        let body = format!("a\r\n{}", "ü ".repeat(1000));
        assert_eq!(shown(body.as_bytes()), format!(": a{}…", "ü ".repeat(SHOWN / 2 - 1)));
        assert_eq!(shown("ü".repeat(SHOWN).as_bytes()), format!(": {}", "ü".repeat(SHOWN)));
        assert_eq!(shown(b" \n"), "");
        assert_eq!(Request::put("https://a.example/b?token=c#d").name(), NAME);
    }
}
