//! Requests to names: which addresses they may lead to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jobhost_runtime::{Engine, EngineSettings, HttpGrant, Plugin, PluginSettings, Resolve};
use serde_json::json;

use crate::harness::guest;
use crate::http_server::Server;
use crate::requests::{answer, error, granted, private, told};

/// Answers of names, each one address after the other, the last for ever.
#[derive(Debug, Default)]
struct Names {
    addresses: Mutex<BTreeMap<String, Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Names {
    fn of(name: &str, addresses: &[&str]) -> Arc<Self> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { addresses: Mutex::new(BTreeMap::from([(name.to_owned(), addresses)])), ..Self::default() })
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut names = self.addresses.lock().unwrap();
        let addresses = names.get_mut(name).ok_or(std::io::ErrorKind::NotFound)?;
        let next = addresses[0];
        if addresses.len() > 1 {
            addresses.remove(0);
        }
        Ok(vec![next])
    }
}

/// The guest in an engine of its own, where names are resolved like this.
fn with_names(names: &Arc<Names>, grants: &[HttpGrant]) -> Plugin {
    resolved_by(Arc::clone(names) as _, grants)
}

fn resolved_by(resolver: Arc<dyn Resolve>, grants: &[HttpGrant]) -> Plugin {
    let engine = Engine::new(&EngineSettings { pooling: false, resolver, ..EngineSettings::default() }).unwrap();
    let mut settings = PluginSettings::default();
    settings.grants.http = grants.to_vec();
    Plugin::load(&engine, "request", &guest("request"), settings).unwrap()
}

#[tokio::test]
async fn an_address_of_this_machine_is_refused_unless_the_grant_says_private() {
    let server = Server::start().await;
    let port = server.address.port();
    let url = format!("http://intern.example:{port}/");
    let public = HttpGrant::new(&url).unwrap();
    for address in ["127.0.0.1", "10.1.2.3", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "100.64.0.1", "fd00::1"] {
        let plugin = with_names(&Names::of("intern.example", &[address]), std::slice::from_ref(&public));
        let (error, told) = error(&plugin, &json!({"to": format!("{url}echo")})).await;
        assert!(error.contains("DestinationIpProhibited"), "{address}: {error}");
        assert!(told.contains(&format!("`http = [{{ url = \"{url}\", private = true }}]`")), "{address}: {told}");
    }
    assert_eq!(server.connections(), 0);
    let plugin = with_names(&Names::of("intern.example", &["127.0.0.1"]), &[private(&url)]);
    assert_eq!(answer(&plugin, &json!({"to": format!("{url}echo")})).await["status"], 200);
    assert!(server.asked()[0].head.contains(&format!("host: intern.example:{port}")));
}

#[tokio::test]
async fn no_name_leads_to_metadata_or_to_nowhere() {
    for address in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "168.63.129.16", "0.0.0.0", "::", "224.0.0.1"] {
        let plugin = with_names(&Names::of("intern.example", &[address]), &[private("http://intern.example/")]);
        let (error, told) = error(&plugin, &json!({"to": "http://intern.example/latest/meta-data"})).await;
        assert!(error.contains("DestinationIpProhibited"), "{address}: {error}");
        assert!(told.contains("only a grant whose URL names") || told.contains("nothing allows it"), "{told}");
    }
    let plugin = granted(&[HttpGrant::new("http://169.254.169.254/").unwrap()], |_| ());
    let (error, told) = error(&plugin, &json!({"to": "http://169.254.169.254/latest"})).await;
    assert!(error.contains("DestinationIpProhibited") && told.contains("private = true"), "{error} {told}");
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked() {
    let server = Server::start().await;
    let url = format!("http://rebound.example:{}/echo", server.address.port());
    // Whoever asks a second time is led elsewhere, where nothing answers.
    let names = Names::of("rebound.example", &["127.0.0.1", "127.0.0.2"]);
    let plugin = with_names(&names, &[private(&url)]);
    let (answers, _) = told(&plugin, &json!({"to": url, "repeat": 3})).await;
    assert!(answers.iter().all(|answer| answer["status"] == 200), "{answers:?}");
    assert_eq!((names.asked.load(Ordering::SeqCst), server.connections()), (1, 1));
    // And a name that first leads to a public address and then home is refused then.
    let names = Names::of("rebound.example", &["127.0.0.1"]);
    let plugin = with_names(&names, &[HttpGrant::new(&url).unwrap()]);
    assert!(error(&plugin, &json!({"to": url})).await.0.contains("DestinationIpProhibited"));
}

/// Name servers that do not answer.
#[derive(Debug, Default)]
struct Silence {
    asked: AtomicUsize,
}

#[async_trait]
impl Resolve for Silence {
    async fn resolve(&self, _name: &str) -> std::io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[tokio::test]
async fn however_impatient_a_guest_is_few_lookups_are_under_way() {
    let silence = Arc::new(Silence::default());
    let plugin = resolved_by(Arc::clone(&silence) as _, &[HttpGrant::new("http://a.example/").unwrap()]);
    let (answers, _) = told(&plugin, &json!({"to": "http://a.example/", "connect": 10, "repeat": 20})).await;
    assert_eq!(answers.len(), 20);
    assert!(answers.iter().all(|answer| answer["error"].to_string().contains("DnsTimeout")), "{answers:?}");
    assert_eq!(silence.asked.load(Ordering::SeqCst), 8);
}

#[tokio::test]
async fn a_name_that_is_not_there_and_a_port_where_nobody_listens_are_the_guests_to_see() {
    let plugin = with_names(&Names::of("a.example", &["1.1.1.1"]), &[HttpGrant::new("http://b.example/").unwrap()]);
    assert!(answer(&plugin, &json!({"to": "http://b.example/"})).await["error"].to_string().contains("DnsError"));
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let got = answer(&granted(&[private(&closed)], |_| ()), &json!({"to": closed})).await;
    assert!(got["error"].to_string().contains("ConnectionRefused"), "{got}");
}
