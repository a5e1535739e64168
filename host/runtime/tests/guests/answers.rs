//! Handlers that come back with an answer.

use jobhost_runtime::types::JobError;

use crate::harness::{call, execute, job, plugin, returned};

mod echo {
    use super::*;

    #[tokio::test]
    async fn returns_what_it_was_given_and_its_cost_is_told() {
        let payload = r#"{"task_id":1,"text":"ä \u0000 💾"}"#;
        let finished = execute("echo", payload).await;
        assert_eq!(finished.usage.bytes_out, u64::try_from(payload.len()).unwrap());
        assert!(finished.usage.bytes_in > finished.usage.bytes_out);
        // Its small stack lets all of its memory fit into what the pool keeps for a slot.
        assert!(finished.usage.peak_memory >= 64 << 10);
        assert!(finished.usage.peak_memory <= 256 << 10);
        assert!(finished.usage.duration.as_nanos() > 0);
        assert_eq!(finished.usage.fuel, None);
        assert_eq!((finished.usage.stdout.as_str(), finished.usage.stdio_cut), ("", false));
        assert_eq!(returned(finished), Ok(payload.to_owned()));
    }

    #[tokio::test]
    async fn an_empty_output_is_as_good_as_json() {
        assert_eq!(returned(execute("echo", "").await), Ok(String::new()));
    }

    #[tokio::test]
    async fn other_functions_of_a_mere_handler_are_not_there() {
        let plugin = plugin("echo");
        assert!(plugin.exports().handler && !plugin.exports().hook() && !plugin.exports().retry_policy);
        let finished = plugin.before_exec(job(""), call().0).await;
        assert!(format!("{:?}", finished.outcome).contains("does not export before-exec"));
    }
}

mod answer_after_pause {
    use super::*;

    #[tokio::test]
    async fn its_answer_comes_after_its_pause() {
        let finished = execute("answer-after-pause", r#"{"ms":20,"times":3,"numbers":"1 2 39"}"#).await;
        assert!(finished.usage.duration.as_millis() >= 20, "{:?}", finished.usage);
        assert_eq!(returned(finished), Ok(r#"{"sum":126}"#.to_owned()));
    }
}

mod count {
    use super::*;

    #[tokio::test]
    async fn nothing_survives_from_one_call_to_the_next() {
        let plugin = plugin("count");
        for _ in 0..20 {
            assert_eq!(returned(plugin.execute(job(""), call().0).await), Ok("1".to_owned()));
        }
    }
}

mod fail_temporary {
    use super::*;

    #[tokio::test]
    async fn its_failure_arrives_with_all_its_details() {
        let Err(JobError::Temporary(failure)) = returned(execute("fail-temporary", "").await) else {
            panic!("not temporary");
        };
        assert_eq!((failure.code.as_str(), failure.message.as_str()), ("upstream-503", "copy-asset is busy"));
        assert_eq!(failure.details, [("attempt".to_owned(), "2".to_owned())]);
    }
}

mod fail_permanent {
    use super::*;

    #[tokio::test]
    async fn its_failure_is_an_answer_and_not_a_fault() {
        let Err(JobError::Permanent(failure)) = returned(execute("fail-permanent", "").await) else {
            panic!("not permanent");
        };
        assert_eq!((failure.code.as_str(), failure.message.as_str()), ("35020", "CopyAssetJob"));
    }
}

mod fail_retry_after {
    use super::*;

    #[tokio::test]
    async fn it_says_when_to_try_again() {
        let Err(JobError::RetryAfter(delayed)) = returned(execute("fail-retry-after", "").await) else {
            panic!("not delayed");
        };
        assert_eq!((delayed.failure.code.as_str(), delayed.after), ("429", 1_500));
    }
}

mod look_around {
    use super::*;

    #[tokio::test]
    async fn a_guest_without_grants_sees_an_empty_world() {
        let seen = r#"{"arguments":0,"variables":0,"input":0,"root":false}"#;
        assert_eq!(returned(execute("look-around", "").await), Ok(seen.to_owned()));
    }
}

mod connect_tcp {
    use super::*;

    #[tokio::test]
    async fn the_network_is_denied_even_where_somebody_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let payload = format!(r#"{{"address":"{}"}}"#, listener.local_addr().unwrap());
        let Err(JobError::Permanent(failure)) = returned(execute("connect-tcp", &payload).await) else {
            panic!("connected");
        };
        assert_eq!(failure.code, "PermissionDenied");
    }
}
