//! What handlers do to the host while they run: pushes, progress, logs.

use jobhost_runtime::types::{JobError, Level};

use crate::harness::{call, job, plugin, plugin_with, returned};

/// The text of a permanent failure.
fn failure(result: Result<String, JobError>) -> (String, String) {
    match result {
        Err(JobError::Permanent(failure)) => (failure.code, failure.message),
        other => panic!("{other:?}"),
    }
}

mod push_follow_up {
    use super::*;

    #[tokio::test]
    async fn a_granted_push_reaches_the_host() {
        let plugin = plugin_with("push-follow-up", |settings| {
            settings.grants.queues = vec!["upload-asset".to_owned()];
        });
        let (call, host) = call();
        let finished = plugin.execute(job(r#"{"queue":"upload-asset","payload":"{\"size\":3}"}"#), call).await;
        assert_eq!(returned(finished), Ok("\"pushed\"".to_owned()));
        let pushed = host.pushed.lock().unwrap();
        assert_eq!(pushed.len(), 1);
        assert_eq!((pushed[0].queue.as_str(), pushed[0].payload.as_str()), ("upload-asset", r#"{"size":3}"#));
        assert_eq!(pushed[0].metadata, [("parent".to_owned(), "cpa/7".to_owned())]);
        assert!(host.logged.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_push_that_is_not_granted_is_denied_and_the_log_says_what_would_allow_it() {
        let (call, host) = call();
        let finished = plugin("push-follow-up").execute(job(r#"{"queue":"upload-asset"}"#), call).await;
        let (_, message) = failure(returned(finished));
        assert!(message.contains("Denied") && message.contains("`upload-asset` is not granted"), "{message}");
        assert!(host.pushed.lock().unwrap().is_empty());
        let logged = host.logged.lock().unwrap();
        assert_eq!(logged.len(), 1);
        assert_eq!(logged[0].0, Level::Warn);
        let advice = r#"set `queues = ["upload-asset"]` under `[plugins.push-follow-up.grants]`"#;
        assert!(logged[0].1.contains(advice), "{}", logged[0].1);
    }

    #[tokio::test]
    async fn a_draft_that_is_not_a_json_object_is_invalid() {
        let plugin = plugin_with("push-follow-up", |settings| {
            settings.grants.queues = vec!["a".to_owned()];
        });
        let (call, host) = call();
        let finished = plugin.execute(job(r#"{"queue":"a","payload":"[1]"}"#), call).await;
        let (_, message) = failure(returned(finished));
        assert!(message.contains("Invalid") && message.contains("an array"), "{message}");
        assert!(host.pushed.lock().unwrap().is_empty());
    }
}

mod push_denied {
    use super::*;

    #[tokio::test]
    async fn the_operator_is_told_of_a_few_queues_once_each_and_in_few_words() {
        let (call, host) = call();
        let finished = plugin("push-denied").execute(job(r#"{"length":10000}"#), call).await;
        let longest: usize = returned(finished).unwrap().parse().unwrap();
        assert!(longest < 1_000, "{longest}");
        let logged = host.logged.lock().unwrap();
        assert_eq!(logged.len(), 1, "the names differ only in what is not shown");
        assert!(logged[0].1.len() < 1_000, "{}", logged[0].1.len());
    }

    #[tokio::test]
    async fn a_guest_that_tries_one_queue_after_the_other_does_not_flood_the_log() {
        let (call, host) = call();
        let finished = plugin("push-denied").execute(job(r#"{"length":1}"#), call).await;
        returned(finished).unwrap();
        let logged = host.logged.lock().unwrap();
        assert_eq!(logged.len(), 16);
        assert!(logged[15].1.contains("queue `15`"), "{}", logged[15].1);
    }
}

mod push_now {
    use super::*;

    #[tokio::test]
    async fn it_comes_back_with_the_new_jobs_id_or_with_the_stores_trouble() {
        let plugin = plugin_with("push-now", |settings| {
            settings.grants.queues = vec!["upload-asset".to_owned(), "gone".to_owned()];
        });
        let (first, host) = call();
        let finished = plugin.execute(job(r#"{"queue":"upload-asset"}"#), first).await;
        assert_eq!(returned(finished), Ok("\"42\"".to_owned()));
        assert_eq!(host.pushed_now.lock().unwrap().len(), 1);
        let (second, _) = call();
        let finished = plugin.execute(job(r#"{"queue":"gone"}"#), second).await;
        assert!(failure(returned(finished)).1.contains("Unavailable"));
    }
}

mod push_flood {
    use super::*;

    #[tokio::test]
    async fn a_batch_beyond_the_number_of_pushes_is_refused_whole() {
        let plugin = plugin_with("push-flood", |settings| {
            settings.grants.queues = vec!["a".to_owned()];
            settings.limits.pushes = 25;
        });
        let (call, host) = call();
        let finished = plugin.execute(job(r#"{"queue":"a","batch":10,"payload":"{}"}"#), call).await;
        let (taken, why) = failure(returned(finished));
        assert_eq!(taken, "20");
        assert!(why.contains("too many pushes in one call: 5 more are allowed"), "{why}");
        assert_eq!(host.pushed.lock().unwrap().len(), 20);
    }

    #[tokio::test]
    async fn the_bytes_of_all_pushes_are_limited_too() {
        let plugin = plugin_with("push-flood", |settings| {
            settings.grants.queues = vec!["a".to_owned()];
            settings.limits.push_bytes = 1_000;
        });
        let (call, host) = call();
        let finished = plugin.execute(job(r#"{"queue":"a","batch":1,"payload":"{\"a\":1}"}"#), call).await;
        let (taken, why) = failure(returned(finished));
        assert!(why.contains("too many bytes pushed"), "{why}");
        // A draft is its queue, its name and its payload here: 1 + 5 + 7 bytes.
        assert_eq!(taken, (1_000 / 13).to_string());
        assert_eq!(host.pushed.lock().unwrap().len(), 1_000 / 13);
    }
}

mod progress {
    use super::*;

    #[tokio::test]
    async fn notes_are_printable_and_cut_between_characters() {
        let plugin = plugin_with("progress", |settings| settings.limits.note_bytes = 11);
        let (call, host) = call();
        assert_eq!(returned(plugin.execute(job(r#"{"note":100}"#), call).await), Ok(String::new()));
        let progress = host.progress.lock().unwrap();
        assert_eq!(progress[..], [(1, None, "begun[2J !".to_owned()), (2, Some(3), "äääää".to_owned())]);
    }

    #[tokio::test]
    async fn each_note_of_a_flood_is_cut() {
        let (call, host) = call();
        let finished = plugin("progress").execute(job(r#"{"note":5000,"times":2000}"#), call).await;
        assert_eq!(returned(finished), Ok(String::new()));
        let progress = host.progress.lock().unwrap();
        assert_eq!(progress.len(), 2_002);
        assert!(progress.iter().all(|(_, _, note)| note.len() <= 1_024));
    }
}

mod log {
    use super::*;

    #[tokio::test]
    async fn lines_arrive_with_their_level_and_without_control_characters() {
        let (call, host) = call();
        assert_eq!(returned(plugin("log").execute(job(r#"{"lines":1}"#), call).await), Ok(String::new()));
        let logged = host.logged.lock().unwrap();
        let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Info];
        assert_eq!(logged.iter().map(|line| line.0).collect::<Vec<_>>(), levels);
        assert_eq!(logged[4].1, "at Level::Error[0m\n    !");
    }

    #[tokio::test]
    async fn too_many_lines_are_dropped_with_one_word_about_it() {
        let plugin = plugin_with("log", |settings| settings.limits.log_lines = 10);
        let (call, host) = call();
        assert_eq!(returned(plugin.execute(job(r#"{"lines":500}"#), call).await), Ok(String::new()));
        let logged = host.logged.lock().unwrap();
        assert_eq!(logged.len(), 10);
        assert!(logged[8].1.starts_with("line "), "{logged:?}");
        assert!(logged[9].1.contains("the rest of this call's log is dropped"), "{logged:?}");
    }
}
