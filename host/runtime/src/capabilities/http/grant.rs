//! What a grant of requests says, and whether it covers one.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use http::uri::{Authority, Scheme, Uri};
use http::{Method, header};

use super::path;
use crate::capabilities::advice::{key, quoted};
use crate::output::shown;

/// The methods of a grant that names none.
const USUAL: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Requests that a plugin may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    pub(super) origin: Origin,
    pub(super) path: String,
    pub(super) methods: Vec<Method>,
    /// Whether the host may have an address of this machine or its networks: loopback, private, unique-local, or behind
    /// a carrier's NAT. One that is link-local or of cloud metadata has to be named by the URL itself, besides.
    pub private: bool,
    /// Certificates in PEM to trust in place of the platform's.
    pub ca_file: Option<PathBuf>,
}

/// Where a request goes to: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// In lower case.
    Name(String),
    Address(IpAddr),
}

impl HttpGrant {
    /// The usual methods (GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS) to everything at or below a URL, which has a
    /// scheme (`http` or `https`), a host, perhaps a port, and a path that ends at the end of a segment. The error says
    /// what is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, String> {
        let refused = |why: &str| format!("`{}` cannot be granted: {why}", url.escape_debug());
        if let Some(extra) = url.chars().find(|character| matches!(character, '?' | '#')) {
            return Err(refused(&format!("a `{extra}` says nothing here; a grant ends with the path")));
        }
        let example = "write it as \"https://api.example.com/v1/\"";
        let uri: Uri = url.parse().map_err(|_| refused(example))?;
        if uri.scheme().is_none() {
            return Err(refused(example));
        }
        let origin = Origin::of(&uri).map_err(refused)?;
        if let Host::Name(name) = &origin.host
            && name.rsplit('.').next().is_some_and(numeric)
        {
            return Err(refused("its host is neither a name nor a whole address"));
        }
        if let Some(problem) = path::problem(uri.path()) {
            return Err(refused(&format!("its path {problem}")));
        }
        Ok(Self { origin, path: uri.path().to_owned(), methods: Vec::new(), private: false, ca_file: None })
    }

    /// Narrows it to these methods, in capitals as they are sent. The error says which of them cannot be granted.
    pub fn only(mut self, methods: &[String]) -> Result<Self, String> {
        if methods.is_empty() {
            return Err("no method would be allowed; leave `methods` out to allow the usual ones".to_owned());
        }
        for name in methods {
            let method = Method::from_bytes(name.as_bytes()).ok().filter(|_| *name == name.to_ascii_uppercase());
            match method {
                Some(method) if sendable(&method) => self.methods.push(method),
                Some(_) => return Err(format!("the method {name} cannot be granted")),
                None => return Err(format!("{name:?} is no method; write such as \"GET\", in capitals")),
            }
        }
        Ok(self)
    }

    /// Whether its requests go over TLS.
    pub fn is_https(&self) -> bool {
        self.origin.tls
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn covers(&self, method: &Method, origin: &Origin, path: &str) -> bool {
        let methods: &[Method] = if self.methods.is_empty() { &USUAL } else { &self.methods };
        self.origin == *origin && methods.contains(method) && path::within(&self.path, path)
    }
}

/// As it is written in the configuration.
impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = quoted(&format!("{}{}", self.origin, self.path));
        if self.methods.is_empty() && !self.private && self.ca_file.is_none() {
            return f.write_str(&url);
        }
        write!(f, "{{ url = {url}")?;
        if !self.methods.is_empty() {
            let methods: Vec<_> = self.methods.iter().map(|method| quoted(method.as_str())).collect();
            write!(f, ", methods = [{}]", methods.join(", "))?;
        }
        if self.private {
            f.write_str(", private = true")?;
        }
        if let Some(file) = &self.ca_file {
            write!(f, ", ca-file = {}", quoted(&file.to_string_lossy()))?;
        }
        f.write_str(" }")
    }
}

impl Origin {
    /// Where a URL leads. The error says why it is not clear, or not allowed.
    pub(super) fn of(uri: &Uri) -> Result<Self, &'static str> {
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err("its scheme is neither http nor https"),
        };
        let authority = uri.authority().ok_or("it has no host")?;
        let (host, port) = parts(authority)?;
        Ok(Self { tls, host, port: port.unwrap_or(if tls { 443 } else { 80 }) })
    }

    /// As it is sent in the header `Host`.
    pub(super) fn authority(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::Address(IpAddr::V4(address)) => address.to_string(),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

fn parts(authority: &Authority) -> Result<(Host, Option<u16>), &'static str> {
    let (whole, host) = (authority.as_str(), authority.host());
    if whole.contains('@') {
        return Err("it names a user; send credentials in a header");
    }
    let port = match whole.strip_prefix(host) {
        Some("") => None,
        // One spelling for each port, so that nobody reads another one from it.
        Some(rest) => match authority.port_u16() {
            Some(port) if port > 0 && rest == format!(":{port}") => Some(port),
            _ => return Err("its port is not a number from 1 to 65535"),
        },
        None => return Err("its host is not clear"),
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = match (bracketed, host.parse::<IpAddr>()) {
        (Some(inner), _) => {
            let address: Ipv6Addr = inner.parse().map_err(|_| "its address is not a valid one")?;
            Host::Address(IpAddr::V6(address))
        }
        (None, Ok(address)) => Host::Address(address),
        (None, Err(_)) => Host::Name(name(host)?),
    };
    Ok((host, port))
}

fn name(host: &str) -> Result<String, &'static str> {
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=63).contains(&label.len()) && label.chars().all(inner)
    };
    if host.len() <= 253 && host.split('.').all(label) {
        Ok(host.to_ascii_lowercase())
    } else {
        Err("its host is not a name of ASCII letters, digits, `-` and `.`")
    }
}

/// Whether the last label of a name makes it an address in an old spelling, such as `127.1` or `0x7f000001`.
fn numeric(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.chars().all(|c| c.is_ascii_hexdigit()),
        None => label.chars().all(|c| c.is_ascii_digit()),
    }
}

/// Characters of the longest method that is sent.
const METHOD: usize = 32;

/// Methods that turn a connection into something else, or reflect what the host added, are never sent.
fn sendable(method: &Method) -> bool {
    *method != Method::CONNECT && *method != Method::TRACE && method.as_str().len() <= METHOD
}

/// The grant that covers a request. The error is the line for the operator, with the configuration that would allow it
/// where there is one. `show` is how a path is written for the operator.
pub(super) fn permit<'a>(
    plugin: &str,
    granted: &'a [HttpGrant],
    method: &Method,
    uri: &Uri,
    show: impl Fn(&str) -> String,
) -> Result<&'a HttpGrant, String> {
    let origin = Origin::of(uri).map_err(|why| format!("plugin `{plugin}` may not send a request: {why}"))?;
    let path = uri.path();
    if sendable(method)
        && let Some(grant) = granted.iter().find(|grant| grant.covers(method, &origin, path))
    {
        return Ok(grant);
    }
    let shown_path = show(path);
    let sent = format!("plugin `{plugin}` may not send {} {origin}{shown_path}", shown(method.as_str(), METHOD));
    if !sendable(method) {
        return Err(format!("{sent}: nothing allows this method"));
    }
    let path = told_of(path, &shown_path);
    match path::problem(path) {
        Some(problem) => Err(format!("{sent}: the path {problem}, which only a grant of `{origin}/` allows")),
        None => match HttpGrant::new(&format!("{origin}{path}")) {
            Ok(grant) => {
                let grant = HttpGrant { methods: vec![method.clone()], ..grant };
                Err(format!("{sent}; to allow it, {}", line(plugin, granted, &grant)))
            }
            Err(why) => Err(format!("{sent}: {why}")),
        },
    }
}

/// As much of a path as the operator is told, in whole segments.
fn told_of<'a>(path: &'a str, shown: &str) -> &'a str {
    if path == shown {
        return path;
    }
    let same = path.char_indices().zip(shown.chars()).take_while(|((_, one), other)| one == other);
    let end = same.last().map_or(0, |((at, character), _)| at + character.len_utf8());
    path[..end].rfind('/').map_or("/", |slash| &path[..=slash])
}

/// What to write so that `more` is granted too, in place of a grant of the same requests.
pub(super) fn line(plugin: &str, granted: &[HttpGrant], more: &HttpGrant) -> String {
    let other =
        |grant: &&HttpGrant| grant.origin != more.origin || grant.path != more.path || grant.methods != more.methods;
    let all: Vec<_> = granted.iter().filter(other).chain([more]).map(ToString::to_string).collect();
    format!("set `http = [{}]` under `[plugins.{}.grants]`", all.join(", "), key(plugin))
}

/// Headers that are the connection's and not the request's; a guest neither sends nor sees them.
pub(super) fn of_the_connection(name: &header::HeaderName) -> bool {
    wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS.contains(name) || *name == header::TE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(grants: &[&str], method: &Method, url: &str) -> Result<(), String> {
        let grants: Vec<_> = grants.iter().map(|url| HttpGrant::new(url).unwrap()).collect();
        let show = |path: &str| shown(&path.replace("s3cret", "[secret T]"), 100);
        permit("upload", &grants, method, &url.parse().unwrap(), show).map(|_| ())
    }

    #[test]
    fn a_grant_covers_its_scheme_host_port_and_path_alone() {
        let grant = ["https://api.example.com/v1/"];
        for url in [
            "https://api.example.com/v1/",
            "https://API.example.com/v1/items?a=../b",
            "https://api.example.com:443/v1/items",
        ] {
            assert_eq!(permitted(&grant, &Method::PUT, url), Ok(()), "{url}");
        }
        for url in [
            "http://api.example.com/v1/",
            "https://api.example.com:8443/v1/",
            "https://example.com/v1/",
            "https://evil-api.example.com/v1/",
            "https://api.example.com.evil.net/v1/",
            "https://api.example.com./v1/",
            "https://api.example.com/v10/",
            "https://api.example.com/",
            "https://api.example.com/v1/%2e%2e/admin",
            "https://user@api.example.com/v1/",
            "https://api.example.com@evil.net/v1/",
            "https://api.example.com:99999/v1/",
            "https://api.example.com:0443/v1/",
        ] {
            assert!(permitted(&grant, &Method::GET, url).is_err(), "{url}");
        }
        assert_eq!(permitted(&["http://[::1]:8080/"], &Method::GET, "http://[0:0::1]:8080/x"), Ok(()));
        assert!(permitted(&["http://127.0.0.1/"], &Method::GET, "http://2130706433/").is_err());
    }

    #[test]
    fn connect_and_trace_are_never_sent() {
        for method in [Method::CONNECT, Method::TRACE] {
            let why = permitted(&["https://a.example/"], &method, "https://a.example/").unwrap_err();
            assert!(why.contains("nothing allows this method"), "{why}");
            let grant = HttpGrant::new("https://a.example/").unwrap();
            assert!(grant.only(&[method.to_string()]).unwrap_err().contains("cannot be granted"));
        }
    }

    #[test]
    fn methods_narrow_a_grant_or_add_unusual_ones() {
        let grant = HttpGrant::new("https://a.example/").unwrap();
        let grants = [grant.clone().only(&["PUT".to_owned(), "PURGE".to_owned()]).unwrap()];
        let sends = |method: &str| {
            permit("x", &grants, &method.parse().unwrap(), &"https://a.example/b".parse().unwrap(), str::to_owned)
        };
        assert!(sends("PUT").is_ok() && sends("PURGE").is_ok());
        assert!(sends("GET").is_err() && sends("put").is_err());
        assert!(permitted(&["https://a.example/"], &"PURGE".parse().unwrap(), "https://a.example/").is_err());
        for wrong in ["get", "", "A B"] {
            assert!(grant.clone().only(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(grant.only(&[]).is_err());
    }

    #[test]
    fn a_refusal_names_the_line_of_configuration_that_would_allow_it() {
        let why =
            permitted(&["https://a.example/v1/"], &Method::PUT, "http://b.example:81/x?token=secret").unwrap_err();
        assert_eq!(
            why,
            "plugin `upload` may not send PUT http://b.example:81/x; to allow it, set \
             `http = [\"https://a.example/v1/\", { url = \"http://b.example:81/x\", methods = [\"PUT\"] }]` \
             under `[plugins.upload.grants]`"
        );
    }

    #[test]
    fn what_a_guest_makes_up_at_length_is_told_in_short_and_without_secrets() {
        let long = format!("http://b.example/a/{}/x", "y".repeat(60_000));
        let why = permitted(&[], &Method::GET, &long).unwrap_err();
        assert!(why.len() < 500 && why.contains("{ url = \"http://b.example/a/\", methods"), "{why}");
        let why = permitted(&[], &Method::GET, "http://b.example/bots3cret/send").unwrap_err();
        assert!(!why.contains("s3cret") && why.contains("/bot[secret T]/send; to allow it"), "{why}");
        let method = Method::from_bytes("A".repeat(100_000).as_bytes()).unwrap();
        let why = permitted(&["http://b.example/"], &method, "http://b.example/").unwrap_err();
        assert!(why.len() < 500 && why.contains("nothing allows this method"), "{why}");
    }

    #[test]
    fn a_line_that_the_configuration_would_refuse_is_not_told() {
        for url in ["http://2852039166/latest", "http://0xa9fea9fe/", "http://127.1/"] {
            let why = permitted(&[], &Method::GET, url).unwrap_err();
            assert!(why.contains("neither a name nor a whole address") && !why.contains("to allow it"), "{why}");
        }
    }

    #[test]
    fn a_grant_that_could_be_misread_is_none() {
        for (url, part) in [
            ("api.example.com/v1", "write it as"),
            ("/v1", "write it as"),
            ("ftp://a.example/", "neither http nor https"),
            ("https://user:x@a.example/", "names a user"),
            ("https://a.example/?x=1", "ends with the path"),
            ("https://a.example/#x", "ends with the path"),
            ("https://a.example/v1/../v2", "`..`"),
            ("https://a.example//v1", "empty segment"),
            ("https://127.1/", "neither a name nor a whole address"),
            ("https://0x7f000001/", "neither a name nor a whole address"),
            ("https://*.example.com/", "not a name"),
            ("https://a.example:0/", "port"),
            ("https://ä.example/", "write it as"),
        ] {
            let why = HttpGrant::new(url).unwrap_err();
            assert!(why.contains(part), "{url}: {why}");
        }
        assert_eq!(HttpGrant::new("HTTPS://A.example:443").unwrap().to_string(), "\"https://a.example/\"");
    }
}
