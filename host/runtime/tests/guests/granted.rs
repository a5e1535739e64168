//! Guests and the variables, settings, secrets, clocks and random numbers that are granted to them.

use std::collections::BTreeMap;
use std::time::Duration;

use jobhost_runtime::types::JobError;
use jobhost_runtime::{
    Clock, EnvGrant, EnvValue, Grants, Outcome, Plugin, PluginSettings, Random, SecretGrant, SecretSource,
};
use serde_json::Value;

use crate::harness::{call, guest, job, plugin, plugin_with, refusal, refusal_with, returned};

fn granted(name: &str, grants: Grants) -> Plugin {
    plugin_with(name, |settings| settings.grants = grants)
}

/// The output of a guest that succeeds.
async fn output(plugin: &Plugin, payload: &str) -> Value {
    let output = returned(plugin.execute(job(payload), call().0).await).unwrap();
    serde_json::from_str(&output).unwrap()
}

fn refused(name: &str, grants: Grants) -> String {
    refusal_with(&guest(name), PluginSettings { grants, ..PluginSettings::default() })
}

mod tell_environment {
    use super::*;

    fn env(name: &str, value: EnvValue) -> Grants {
        Grants { env: vec![EnvGrant { name: name.to_owned(), value }], ..Grants::default() }
    }

    #[tokio::test]
    async fn a_plugin_sees_the_granted_variables_and_no_others() {
        assert_eq!(output(&plugin("tell-environment"), "{}").await, "");
        let mut grants = env("REGION", EnvValue::Given("eu".to_owned()));
        grants.env.push(EnvGrant { name: "TOOL".to_owned(), value: EnvValue::Host("CARGO_PKG_NAME".to_owned()) });
        let plugin = granted("tell-environment", grants);
        assert_eq!(output(&plugin, "{}").await, "REGION=eu\nTOOL=jobhost-runtime");
    }

    #[test]
    fn a_variable_that_cannot_be_granted_is_named() {
        let absent = refused("tell-environment", env("REGION", EnvValue::Host("JOBHOST_NOT_SET".to_owned())));
        assert!(
            absent.contains("grant env `REGION`: the environment variable `JOBHOST_NOT_SET` of the host"),
            "{absent}"
        );
        assert!(refused("echo", env("A=B", EnvValue::Given(String::new()))).contains("cannot have this name"));
        let long = refused("echo", env("A", EnvValue::Given("x".repeat(65_537))));
        assert!(long.contains("65537 bytes, at most 65536") && long.len() < 500, "{long}");
        assert!(refused("echo", env("A", EnvValue::Given("x\0".to_owned()))).contains("NUL"));
        let one = EnvGrant { name: "A".to_owned(), value: EnvValue::Given(String::new()) };
        let many = refused("echo", Grants { env: vec![one; 1_001], ..Grants::default() });
        assert!(many.contains("grant env: it has 1001 entries, at most 1000"), "{many}");
    }
}

mod read_config {
    use super::*;

    #[tokio::test]
    async fn a_plugin_reads_the_settings_that_it_was_given() {
        let config = BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]);
        let plugin = granted("read-config", Grants { config: Some(config), ..Grants::default() });
        assert_eq!(output(&plugin, r#"{"key":"b"}"#).await, serde_json::json!({"value": "2", "keys": "a b"}));
        assert_eq!(output(&plugin, r#"{"key":"c"}"#).await["value"], Value::Null);
    }

    #[test]
    fn a_plugin_that_wants_settings_is_refused_with_the_line_that_grants_them() {
        let text = refusal(&guest("read-config"));
        let line = "imports `wasi:config/store@0.2.0-rc.1`, which is not granted; to allow it, add `config = { KEY = \"value\" }` under `[plugins.thumbs.grants]`";
        assert!(text.ends_with(line), "{text}");
        let config = BTreeMap::from([(String::new(), "secret".to_owned())]);
        let text = refused("read-config", Grants { config: Some(config), ..Grants::default() });
        assert!(text.contains("cannot have this name") && !text.contains("secret"), "{text}");
    }
}

mod reveal_secret {
    use super::*;

    const SECRET: &str = "correct horse battery staple";

    fn grants(source: SecretSource) -> Grants {
        Grants { secrets: vec![SecretGrant { name: "TOKEN".to_owned(), source }], ..Grants::default() }
    }

    /// The guest with its secret in a file, which is gone by now.
    fn with_secret() -> Plugin {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, format!("{SECRET}\n")).unwrap();
        granted("reveal-secret", grants(SecretSource::File(path)))
    }

    fn payload(how: &str) -> String {
        format!(r#"{{"name":"TOKEN","how":"{how}"}}"#)
    }

    #[tokio::test]
    async fn a_plugin_reads_its_secrets() {
        assert_eq!(output(&with_secret(), &payload("length")).await, SECRET.len());
        let host = granted("reveal-secret", grants(SecretSource::Env("CARGO_PKG_NAME".to_owned())));
        assert_eq!(output(&host, &payload("length")).await, "jobhost-runtime".len());
    }

    #[tokio::test]
    async fn a_secret_that_is_not_granted_is_denied_and_the_operator_is_told_the_line_once() {
        let (call, heard) = call();
        let payload = r#"{"name":"OTHER","how":"length"}"#;
        let Err(JobError::Permanent(failure)) = returned(with_secret().execute(job(payload), call).await) else {
            panic!("it was told the secret");
        };
        assert!(
            failure.message.contains("Denied") && failure.message.contains("`OTHER` is not granted"),
            "{failure:?}"
        );
        let logged = heard.logged.lock().unwrap();
        let line = "add `OTHER = { env = \"VARIABLE\" }` to `secrets` under `[plugins.reveal-secret.grants]`";
        assert!(logged.len() == 1 && logged[0].1.ends_with(line), "{logged:?}");
    }

    #[tokio::test]
    async fn a_secret_is_in_nothing_that_others_see_although_the_guest_says_it() {
        let plugin = with_secret();
        assert!(!format!("{plugin:?}").contains(SECRET));
        for how in ["log", "progress", "print", "panic", "fail", "answer"] {
            let (call, heard) = call();
            let finished = plugin.execute(job(&payload(how)), call).await;
            let logged = format!("{:?} {:?}", heard.logged.lock().unwrap(), heard.progress.lock().unwrap());
            let told = format!("{finished:?} {logged}");
            assert!(told.contains("[secret TOKEN]"), "{how}: {told}");
            assert!(!told.contains(SECRET) && !told.contains("staple"), "{how}: {told}");
            if how == "panic" {
                assert!(matches!(finished.outcome, Outcome::Faulted(_)), "{told}");
            }
        }
    }

    #[tokio::test]
    async fn a_secret_in_the_name_of_what_was_refused_is_not_told() {
        let (call, heard) = call();
        let payload = format!(r#"{{"name":"{}{SECRET}","how":"length"}}"#, "x".repeat(190));
        assert!(returned(with_secret().execute(job(&payload), call).await).is_err());
        let logged = format!("{:?}", heard.logged.lock().unwrap());
        assert!(logged.contains("may not read the secret") && !logged.contains("correct"), "{logged}");
    }

    #[tokio::test]
    async fn a_secret_that_is_cut_is_not_seen_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, SECRET).unwrap();
        let plugin = plugin_with("reveal-secret", |settings| {
            settings.grants = grants(SecretSource::File(path));
            settings.limits.stdio_bytes = 20;
            settings.limits.note_bytes = 20;
        });
        for how in ["print", "progress"] {
            let (call, heard) = call();
            let finished = plugin.execute(job(&payload(how)), call).await;
            let told = format!("{finished:?} {:?}", heard.progress.lock().unwrap());
            assert!(!told.contains("staple") && !told.contains("correct"), "{how}: {told}");
        }
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_refused_by_its_name() {
        let absent = refused("reveal-secret", grants(SecretSource::Env("JOBHOST_NOT_SET".to_owned())));
        assert!(absent.contains("grant secrets `TOKEN`: the environment variable `JOBHOST_NOT_SET`"), "{absent}");
        let absent = refused("reveal-secret", grants(SecretSource::File("/nowhere/token".into())));
        assert!(absent.contains("grant secrets `TOKEN`: file /nowhere/token: "), "{absent}");
    }

    #[test]
    fn a_plugin_that_wants_secrets_is_refused_with_the_line_that_grants_them() {
        let text = refusal(&guest("reveal-secret"));
        let line = "imports `jobhost:plugin/secrets@0.1.0`, which is not granted; to allow it, add `secrets = { NAME = { env = \"VARIABLE\" } }` under `[plugins.thumbs.grants]`";
        assert!(text.ends_with(line), "{text}");
    }
}

mod tell_time {
    use super::*;

    async fn told(clock: Clock) -> (u64, u64) {
        let seen = output(&granted("tell-time", Grants { clock, ..Grants::default() }), "{}").await;
        (seen["wall"].as_u64().unwrap(), seen["step"].as_u64().unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "the guest's clock is compared with it")]
    fn now() -> u64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::try_from(now.as_millis()).unwrap()
    }

    #[tokio::test]
    async fn a_fixed_clock_shows_the_same_in_every_call_and_its_stopwatch_counts_readings() {
        let clock = Clock::Fixed(Duration::from_millis(1_234_567));
        for _ in 0..2 {
            assert_eq!(told(clock).await, (1_234_567, 1_000));
        }
    }

    #[tokio::test]
    async fn an_offset_clock_goes_as_the_hosts_does() {
        const DAY: u64 = 86_400_000;
        for (clock, ahead) in [
            (Clock::System, DAY),
            (Clock::Ahead(Duration::from_millis(DAY)), 2 * DAY),
            (Clock::Behind(Duration::from_millis(DAY)), 0),
        ] {
            let before = now();
            let (wall, _) = told(clock).await;
            assert!((before + ahead..=now() + ahead).contains(&(wall + DAY)), "{clock:?}: {wall}");
        }
        assert_eq!(told(Clock::Behind(Duration::MAX)).await.0, 0);
    }
}

mod draw_random {
    use super::*;

    async fn drawn(random: Random) -> Value {
        output(&granted("draw-random", Grants { random, ..Grants::default() }), "{}").await
    }

    #[tokio::test]
    async fn seeded_numbers_are_those_of_the_seed_in_every_call_and_version() {
        // Written down once, so that another generator, or another use of it, is seen.
        let seven = serde_json::json!({
            "secure": "44984265b9e39ef1",
            "bytes": "[228, 14, 223]",
            "insecure": "fc64c257f75b8229",
            "seed": "(2bcea8a512f90241, f4ea7ac9518dd3f2)",
        });
        assert_eq!(drawn(Random::Seeded(7)).await, seven);
        assert_eq!(drawn(Random::Seeded(7)).await, seven);
        let eight = drawn(Random::Seeded(8)).await;
        for key in ["secure", "bytes", "insecure", "seed"] {
            assert_ne!(eight[key], seven[key], "{key}");
        }
        assert_ne!(seven["secure"], seven["insecure"]);
    }

    #[tokio::test]
    async fn without_a_seed_no_call_gets_the_numbers_of_another() {
        let (first, second) = (drawn(Random::System).await, drawn(Random::System).await);
        for key in ["secure", "insecure", "seed"] {
            assert_ne!(first[key], second[key], "{key}");
        }
    }
}

mod use_bucket {
    use jobhost_runtime::BucketGrant;

    use super::*;

    fn bucket(guest: &str, write: bool) -> BucketGrant {
        BucketGrant { bucket: "assets".to_owned(), guest: guest.to_owned(), write, keys: 10, bytes: 100 }
    }

    fn grants(keyvalue: Vec<BucketGrant>) -> Grants {
        Grants { keyvalue, ..Grants::default() }
    }

    #[test]
    fn a_plugin_that_wants_buckets_is_refused_with_the_line_that_grants_them() {
        let text = refusal(&guest("use-bucket"));
        assert!(text.contains("imports `wasi:keyvalue/"), "{text}");
        let line = "which is not granted; to allow it, add `keyvalue = [{ bucket = \"BUCKET\", mode = \"rw\" }]` under `[plugins.thumbs.grants]`";
        assert!(text.ends_with(line), "{text}");
        let twice = refused("use-bucket", grants(vec![bucket("a", true), bucket("a", false)]));
        assert!(twice.contains("grant keyvalue `a`: the plugin has another bucket of this name"), "{twice}");
    }

    #[tokio::test]
    async fn where_there_is_no_store_the_guest_is_told() {
        let plugin = granted("use-bucket", grants(vec![bucket("default", true)]));
        for what in ["get", "set", "fill", "add", "stale"] {
            let payload = format!(r#"{{"bucket":"default","do":"{what}","key":"k","value":"1"}}"#);
            let Err(JobError::Permanent(failure)) = returned(plugin.execute(job(&payload), call().0).await) else {
                panic!("{what}");
            };
            assert_eq!((failure.code.as_str(), failure.message.as_str()), ("other", "there is no store here"));
        }
    }
}
