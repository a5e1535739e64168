//! Requests over TLS: whom the host believes.

use std::path::Path;
use std::sync::Arc;

use jobhost_runtime::{HttpGrant, Plugin};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::harness::{call, guest, job, plugin_with, refusal_with, returned};
use crate::http_server::Server;

/// Makes an authority, leaves its certificate in `file`, and answers with a server that it vouches for as `name`.
async fn server(file: &Path, name: &str) -> Server {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(file, authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    Server::tls(TlsAcceptor::from(Arc::new(config))).await
}

fn grant(server: &Server, ca_file: &Path) -> HttpGrant {
    let mut grant = HttpGrant::new(&format!("https://{}/", server.address)).unwrap();
    grant.private = true;
    grant.ca_file = Some(ca_file.to_owned());
    grant
}

fn granted(grant: HttpGrant) -> Plugin {
    plugin_with("request", |settings| settings.grants.http = vec![grant])
}

async fn answer(plugin: &Plugin, server: &Server) -> (Value, Vec<String>) {
    let (call, host) = call();
    let payload = json!({"to": format!("https://{}/echo", server.address), "repeat": 2});
    let output = returned(plugin.execute(job(&payload.to_string()), call).await).unwrap();
    let told = host.logged.lock().unwrap().iter().map(|(_, message)| message.clone()).collect();
    (serde_json::from_str(&output).unwrap(), told)
}

#[tokio::test]
async fn a_server_vouched_for_by_the_file_of_the_grant_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    let server = server(&file, "127.0.0.1").await;
    let (answers, told) = answer(&granted(grant(&server, &file)), &server).await;
    assert_eq!((&answers[0]["status"], &answers[1]["body"]), (&json!(200), &json!("GET 0")), "{answers} {told:?}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_stranger_and_a_server_of_another_name_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (file, other_file) = (folder.path().join("authority.pem"), folder.path().join("other.pem"));
    let named = server(&file, "channel.example").await;
    let stranger = server(&other_file, "127.0.0.1").await;
    for (server, why) in [(named, "not valid for name"), (stranger, "invalid peer certificate")] {
        let (answers, told) = answer(&granted(grant(&server, &file)), &server).await;
        assert!(answers[0]["error"].as_str().unwrap().contains("TlsCertificateError"), "{answers}");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("has no safe connection") && told[0].contains(why), "{told:?}");
        assert!(server.asked().is_empty());
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_holds_none_is_refused_when_the_plugin_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, missing) = (folder.path().join("empty.pem"), folder.path().join("missing.pem"));
    std::fs::write(&empty, "nothing").unwrap();
    for file in [empty, missing] {
        let mut settings = jobhost_runtime::PluginSettings::default();
        let mut grant = HttpGrant::new("https://a.example/").unwrap();
        grant.ca_file = Some(file.clone());
        settings.grants.http = vec![grant];
        let why = refusal_with(&guest("request"), settings);
        assert!(why.contains("grant http") && why.contains(&file.display().to_string()), "{why}");
    }
}
