//! Files that must have a digest or a signer, and those that have another. The folder `signed` has a component with a
//! signature of each kind by a key that was then thrown away.

use std::path::{Path, PathBuf};

use jobhost_runtime::{Pin, Plugin, PluginSettings, Signer, Source};

use crate::harness::{engine, refusal_with};

/// Another key, with an id that differs from that of `signed/key.pub`.
const OTHER: &str = "RWSqIjNEVWZ3iGv3wrlC00PoQA48o4BYkUZrCgyVcpmLa+wPtF1qMbEp";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/signed").join(name)
}

fn signer() -> Signer {
    let key = std::fs::read_to_string(file("key.pub")).unwrap();
    Signer::parse(key.lines().nth(1).unwrap()).unwrap()
}

/// A copy of the component with this signature.
fn signed(signature: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handler.wasm");
    std::fs::copy(file("handler.wasm"), &path).unwrap();
    std::fs::copy(file(signature), folder.path().join("handler.wasm.minisig")).unwrap();
    (folder, path)
}

fn by(signer: Signer) -> PluginSettings {
    PluginSettings { pin: Pin { signer: Some(signer), ..Pin::default() }, ..PluginSettings::default() }
}

#[test]
fn a_file_with_another_digest_is_refused_with_both() {
    let (_folder, path) = signed("legacy.minisig");
    let right = Source::read(&path, 1 << 20).unwrap().digest().to_owned();
    let pinned = |digest: &str| PluginSettings {
        pin: Pin { digest: Some(digest.to_owned()), ..Pin::default() },
        ..PluginSettings::default()
    };
    Plugin::load(engine(), "thumbs", &path, pinned(&right)).unwrap();
    let wrong = format!("sha256:{}", "0".repeat(64));
    let text = refusal_with(&path, pinned(&wrong));
    assert!(text.contains(&format!("its digest is {right}, the configuration expects {wrong}")), "{text}");
}

#[test]
fn signatures_of_both_kinds_are_accepted() {
    for (kind, comment) in [("handler.wasm.minisig", "handler 1.2.3"), ("legacy.minisig", "handler 1.2.2")] {
        let (_folder, path) = signed(kind);
        Plugin::load(engine(), "thumbs", &path, by(signer())).unwrap();
        let seen = Source::read(&path, 1 << 20).unwrap().signed(Some(&signer())).unwrap().unwrap();
        assert_eq!((seen.key_id, seen.trusted_comment.as_str(), seen.verified), (signer().key_id(), comment, true));
    }
}

#[test]
fn a_signature_that_is_absent_or_does_not_fit_is_refused() {
    for kind in ["handler.wasm.minisig", "legacy.minisig"] {
        let (folder, path) = signed(kind);
        let beside = folder.path().join("handler.wasm.minisig");
        let refused = |part: &str| {
            let text = refusal_with(&path, by(signer()));
            assert!(text.contains(part), "expected `{part}`: {text}");
        };
        let text = refusal_with(&path, by(Signer::parse(OTHER).unwrap()));
        assert!(text.contains("made with the key 8877665544332211, expected is the signer 88776655443322AA"), "{text}");
        let good = std::fs::read_to_string(&beside).unwrap();
        std::fs::write(&beside, good.replace("handler 1.", "handler 2.")).unwrap();
        refused("does not fit the file");
        std::fs::write(&beside, "x".repeat(20_000)).unwrap();
        refused("20000 bytes, more than the 16384");
        std::fs::write(&beside, "untrusted comment: x\nRWQ").unwrap();
        refused("not a minisign signature of four lines");
        std::fs::remove_file(&beside).unwrap();
        refused("no such file; sign the plugin with `minisign -Sm FILE`");
        std::fs::write(&beside, good).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        refused("does not fit the file, whose digest is sha256:");
    }
}

#[test]
fn what_is_loaded_is_what_was_read_whatever_became_of_the_file() {
    let (_folder, path) = signed("handler.wasm.minisig");
    let source = Source::read(&path, 1 << 20).unwrap();
    std::fs::write(&path, "another file").unwrap();
    let plugin = Plugin::load_source(engine(), "thumbs", &source, by(signer())).unwrap();
    assert_eq!(plugin.digest(), source.digest());
}
