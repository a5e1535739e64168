//! The grant of requests over HTTP: `http = ["https://api.example.com/v1/"]`, or tables that say more.

use std::path::Path;

use jobhost_runtime::HttpGrant;

use super::section::{Entry, Section, text, truth};

const EXAMPLE: &str = "[\"https://api.example.com/v1/\", { url = \"https://cdn.example.com/\", methods = [\"PUT\"] }]";

/// A grant and where its file of certificates stands, if it names one.
pub(super) struct FileHttp {
    pub(super) grant: HttpGrant,
    pub(super) ca_file_at: usize,
}

/// Reads `http` of a plugin's grants.
pub(super) fn read_http(section: &mut Section<'_, '_>, folder: &Path) -> Vec<FileHttp> {
    let mut granted = Vec::new();
    for entry in section.texts_and_tables("http", EXAMPLE) {
        match entry {
            Entry::Text(url) => match HttpGrant::new(&url.text) {
                Ok(grant) => granted.push(FileHttp { grant, ca_file_at: url.at }),
                Err(why) => section.note(url.at, format!("http: {why}")),
            },
            Entry::Table(table) => granted.extend(read_table(table, folder)),
        }
    }
    granted
}

fn read_table(mut section: Section<'_, '_>, folder: &Path) -> Option<FileHttp> {
    let grant = section.read("url", |value| HttpGrant::new(&text("\"https://api.example.com/v1/\"")(value)?));
    if section.at_key("url") == section.at {
        section.note(
            section.at,
            "`url` is missing; say where requests may go, such as url = \"https://api.example.com/v1/\"",
        );
    }
    let at = section.at_value("methods");
    let methods = section.words("methods", "[\"GET\", \"PUT\"]");
    let private = section.read("private", truth);
    let ca_file = section.read("ca-file", text("\"authorities.pem\""));
    let ca_file_at = section.at_value("ca-file");
    let mut grant = grant?;
    if let Some(methods) = methods {
        let methods: Vec<String> = methods.into_iter().map(|method| method.text).collect();
        match grant.clone().only(&methods) {
            Ok(narrowed) => grant = narrowed,
            Err(why) => section.note(at, format!("methods: {why}")),
        }
    }
    grant.private = private.unwrap_or(false);
    grant.ca_file = ca_file.map(|file| folder.join(file));
    if grant.ca_file.is_some() && !grant.is_https() {
        section.note(ca_file_at, "ca-file: nothing is verified over http; grant an https URL, or remove it");
    }
    section.finish();
    Some(FileHttp { grant, ca_file_at })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::{DEFAULT_FILE, Request, load};

    /// The grants as they would be written, or the problems without the file's name.
    fn read(http: &str, limits: &str) -> Result<(Vec<String>, jobhost_runtime::Limits), Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let text =
            format!("[plugins.p]\npath = \"p.wasm\"\nlimits = {{ {limits} }}\n[plugins.p.grants]\nhttp = {http}\n");
        fs::write(folder.path().join(DEFAULT_FILE), text).unwrap();
        fs::write(folder.path().join("p.wasm"), "").unwrap();
        fs::write(folder.path().join("authorities.pem"), "").unwrap();
        let request = Request { folder: folder.path().to_owned(), check_paths: true, ..Request::default() };
        let prefix = format!("{}/", folder.path().display());
        match load(&request) {
            Ok(config) => {
                let plugin = &config.plugins[0];
                let shown = plugin.grants.http.iter().map(|grant| grant.to_string().replace(&prefix, ""));
                Ok((shown.collect(), plugin.limits.clone()))
            }
            Err(error) => Err(error.problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()),
        }
    }

    #[test]
    fn a_grant_is_a_url_or_a_table_that_says_more() {
        let http = r#"["https://api.example.com/v1/", { url = "http://10.0.0.7:8080/up", methods = ["PUT", "PURGE"], private = true },
            { url = "https://intern", ca-file = "authorities.pem" }]"#;
        let limits = "http-requests = 2, http-at-once = 3, http-sent = \"4KiB\", http-received = \"5KiB\"";
        let (grants, limits) = read(http, limits).unwrap();
        assert_eq!(
            grants,
            [
                r#""https://api.example.com/v1/""#,
                r#"{ url = "http://10.0.0.7:8080/up", methods = ["PUT", "PURGE"], private = true }"#,
                r#"{ url = "https://intern/", ca-file = "authorities.pem" }"#,
            ]
        );
        assert_eq!((limits.http_requests, limits.http_at_once), (2, 3));
        assert_eq!((limits.http_sent, limits.http_received), (4 << 10, 5 << 10));
    }

    #[test]
    fn every_wrong_grant_is_told_with_its_place() {
        let http = r#"["https://user@a/",
            { methods = ["GET"] },
            { url = "https://a/", methods = ["CONNECT"], privat = true },
            { url = "http://a/", private = "yes", ca-file = "authorities.pem" },
            { url = "https://a/", ca-file = "none.pem" }, 7]"#;
        let problems = read(http, "").unwrap_err();
        let expected = [
            ("5:9:", "names a user"),
            ("6:13:", "`url` is missing"),
            ("7:45:", "CONNECT cannot be granted"),
            ("7:58:", "did you mean `private`?"),
            ("8:44:", "expected true or false"),
            ("8:61:", "nothing is verified over http"),
            ("9:45:", "none.pem"),
            ("9:59:", "expected a table"),
        ];
        for (place, part) in expected {
            let found = problems.iter().any(|problem| problem.contains(place) && problem.contains(part));
            assert!(found, "{place} {part}: {problems:#?}");
        }
    }
}
