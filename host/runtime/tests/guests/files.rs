//! Handlers and the folders that are granted to them.

use std::path::Path;

use jobhost_runtime::types::JobError;
use jobhost_runtime::{FsGrant, FsMode, Plugin};

use crate::harness::{call, job, plugin_with, returned};

/// A guest with `folder` at `/in`.
fn granted(name: &str, folder: &Path, mode: FsMode) -> Plugin {
    plugin_with(name, |settings| {
        settings.grants.fs = vec![FsGrant { host: folder.to_owned(), guest: "/in".to_owned(), mode }];
    })
}

/// The output, or the kind of error that the guest got to see.
async fn run(plugin: &Plugin, payload: &str) -> Result<String, String> {
    match returned(plugin.execute(job(payload), call().0).await) {
        Ok(output) => Ok(output),
        Err(JobError::Permanent(failure)) => Err(failure.code),
        Err(other) => panic!("{other:?}"),
    }
}

/// A folder `inside`, and next to it a file that nobody granted.
fn folders() -> (tempfile::TempDir, std::path::PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let inside = root.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("file"), "\"public\"").unwrap();
    std::fs::write(root.path().join("secret"), "\"secret\"").unwrap();
    (root, inside)
}

mod read_file {
    use super::*;

    #[tokio::test]
    async fn what_is_in_a_granted_folder_can_be_read() {
        let (_root, inside) = folders();
        let plugin = granted("read-file", &inside, FsMode::ReadOnly);
        assert_eq!(run(&plugin, r#"{"path":"/in/file"}"#).await, Ok("\"public\"".to_owned()));
        assert_eq!(run(&plugin, r#"{"path":"/in/absent"}"#).await, Err("NotFound".to_owned()));
    }

    #[tokio::test]
    async fn no_path_leads_out_of_a_granted_folder() {
        let (root, inside) = folders();
        std::os::unix::fs::symlink("../secret", inside.join("relative")).unwrap();
        std::os::unix::fs::symlink(root.path().join("secret"), inside.join("absolute")).unwrap();
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        let plugin = granted("read-file", &inside, FsMode::ReadWrite);
        for path in ["/in/../secret", "/in/relative", "/in/absolute", "/in/up/secret", "/secret", "/etc/passwd"] {
            let seen = run(&plugin, &format!(r#"{{"path":"{path}"}}"#)).await;
            assert!(seen.is_err(), "{path}: {seen:?}");
        }
    }

    #[tokio::test]
    async fn what_is_neither_file_nor_folder_is_refused_and_holds_nobody_up() {
        let (_root, inside) = folders();
        let pipe = inside.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink("pipe", inside.join("link")).unwrap();
        std::os::unix::net::UnixListener::bind(inside.join("socket")).unwrap();
        let plugin = granted("read-file", &inside, FsMode::ReadWrite);
        let writer = granted("write-file", &inside, FsMode::ReadWrite);
        for path in ["/in/pipe", "/in/link", "/in/socket"] {
            let seen = run(&plugin, &format!(r#"{{"path":"{path}"}}"#)).await;
            assert_eq!(seen, Err("PermissionDenied".to_owned()), "{path}");
            let seen = run(&writer, &format!(r#"{{"path":"{path}","text":"hello"}}"#)).await;
            assert_eq!(seen, Err("PermissionDenied".to_owned()), "{path}");
        }
        assert_eq!(run(&plugin, r#"{"path":"/in/file"}"#).await, Ok("\"public\"".to_owned()));
    }

    #[tokio::test]
    async fn a_link_that_took_the_place_of_a_granted_folder_is_not_followed() {
        let (root, inside) = folders();
        let below = inside.join("below");
        std::fs::create_dir(&below).unwrap();
        let plugin = granted("read-file", &below, FsMode::ReadOnly);
        // A plugin that may write to `inside` can do this.
        std::fs::rename(&below, inside.join("moved")).unwrap();
        std::os::unix::fs::symlink(root.path(), &below).unwrap();
        let finished = plugin.execute(job(r#"{"path":"/in/secret"}"#), call().0).await;
        let text = format!("{:?}", finished.outcome);
        assert!(text.starts_with("Unavailable") && text.contains("has taken its place"), "{text}");
    }

    #[tokio::test]
    async fn a_grant_may_be_a_link_which_is_followed_when_the_plugin_is_loaded() {
        let (root, inside) = folders();
        let link = root.path().join("link");
        std::os::unix::fs::symlink("inside", &link).unwrap();
        let plugin = granted("read-file", &link, FsMode::ReadOnly);
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(root.path(), &link).unwrap();
        assert_eq!(run(&plugin, r#"{"path":"/in/file"}"#).await, Ok("\"public\"".to_owned()));
        assert!(inside.join("file").exists() && run(&plugin, r#"{"path":"/in/secret"}"#).await.is_err());
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_the_hosts_trouble_and_is_named() {
        let (root, inside) = folders();
        let plugin = granted("read-file", &inside, FsMode::ReadOnly);
        std::fs::remove_dir_all(root.path()).unwrap();
        let finished = plugin.execute(job(r#"{"path":"/in/file"}"#), call().0).await;
        let text = format!("{:?}", finished.outcome);
        assert!(text.starts_with("Unavailable") && text.contains("/inside (guest `/in`)"), "{text}");
    }
}

mod write_file {
    use super::*;

    #[tokio::test]
    async fn a_folder_granted_for_writing_takes_files() {
        let (_root, inside) = folders();
        let plugin = granted("write-file", &inside, FsMode::ReadWrite);
        assert_eq!(run(&plugin, r#"{"path":"/in/new","text":"hello"}"#).await, Ok(String::new()));
        assert_eq!(std::fs::read_to_string(inside.join("new")).unwrap(), "hello");
    }

    #[tokio::test]
    async fn a_folder_granted_for_reading_takes_none() {
        let (_root, inside) = folders();
        let plugin = granted("write-file", &inside, FsMode::ReadOnly);
        for path in ["/in/new", "/in/file"] {
            let payload = format!(r#"{{"path":"{path}","text":"hello"}}"#);
            assert_eq!(run(&plugin, &payload).await, Err("PermissionDenied".to_owned()), "{path}");
        }
        assert_eq!(std::fs::read_to_string(inside.join("file")).unwrap(), "\"public\"");
        assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn nothing_is_written_outside_of_a_granted_folder() {
        let (root, inside) = folders();
        std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
        let plugin = granted("write-file", &inside, FsMode::ReadWrite);
        for path in ["/in/../secret", "/in/link", "/in/../new", "/new"] {
            let written = run(&plugin, &format!(r#"{{"path":"{path}","text":"hello"}}"#)).await;
            assert!(written.is_err(), "{path}: {written:?}");
        }
        assert_eq!(std::fs::read_to_string(root.path().join("secret")).unwrap(), "\"secret\"");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
    }
}

mod tamper {
    use super::*;

    /// What the guest was allowed to do to `inside`, while it may write next to it.
    async fn allowed(inside: &Path, outside: &Path, mode: FsMode) -> String {
        let plugin = plugin_with("tamper", |settings| {
            let grant =
                |host: &Path, guest: &str, mode| FsGrant { host: host.to_owned(), guest: guest.to_owned(), mode };
            settings.grants.fs = vec![grant(inside, "/in", mode), grant(outside, "/out", FsMode::ReadWrite)];
        });
        run(&plugin, "").await.unwrap()
    }

    #[tokio::test]
    async fn nothing_in_a_folder_granted_for_reading_can_be_changed() {
        let (root, inside) = folders();
        std::fs::create_dir(inside.join("empty")).unwrap();
        let outside = root.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let before = std::fs::metadata(inside.join("file")).unwrap().modified().unwrap();
        assert_eq!(allowed(&inside, &outside, FsMode::ReadOnly).await, r#"["write-out"]"#);
        let file = inside.join("file");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "\"public\"");
        assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), before);
        assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 2);
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn the_same_is_allowed_in_a_folder_granted_for_writing() {
        let (root, inside) = folders();
        std::fs::create_dir(inside.join("empty")).unwrap();
        let outside = root.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let allowed = allowed(&inside, &outside, FsMode::ReadWrite).await;
        for what in ["append", "truncate", "set-times", "create", "create-dir", "rename", "remove-dir"] {
            assert!(allowed.contains(&format!("\"{what}\"")), "{what}: {allowed}");
        }
    }
}
