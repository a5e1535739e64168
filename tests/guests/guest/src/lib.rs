//! What every guest behaviour shares: the bindings of the plugin interface and a macro for each kind of plugin.
//! It holds no behaviour of its own.

/// Bindings of the world `job-handler`.
pub mod handler_world {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "job-handler",
        pub_export_macro: true,
        default_bindings_module: "guest::handler_world",
    });
}

/// Bindings of the world `grantable`: a behaviour that uses one of its interfaces has to be granted it.
pub mod grantable_world {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "grantable",
        generate_all,
    });
}

pub use handler_world::jobhost::plugin::{context, queue, types};

use types::{Failure, Job, JobDraft, JobError};

/// Exports `handler` alone, with the given function as `execute`.
#[macro_export]
macro_rules! handler {
    ($execute:expr) => {
        struct Plugin;

        impl $crate::handler_world::exports::jobhost::plugin::handler::Guest for Plugin {
            fn execute(job: $crate::types::Job) -> Result<String, $crate::types::JobError> {
                let execute: fn($crate::types::Job) -> Result<String, $crate::types::JobError> = $execute;
                execute(job)
            }
        }

        $crate::handler_world::export!(Plugin with_types_in $crate::handler_world);
    };
}

/// A failure with this code and message and no details.
pub fn failure(code: &str, message: impl ToString) -> Failure {
    Failure {
        code: code.to_owned(),
        message: message.to_string(),
        details: Vec::new(),
    }
}

/// A permanent failure with the text of `error`, the usual end of a behaviour that saw something unexpected.
pub fn permanent(error: impl core::fmt::Debug) -> JobError {
    JobError::Permanent(failure("unexpected", format!("{error:?}")))
}

/// A permanent failure with the kind of `error` as its code: what a behaviour answers that was refused something.
pub fn refused(error: &std::io::Error) -> JobError {
    JobError::Permanent(failure(&format!("{:?}", error.kind()), error))
}

/// A draft for `queue` without any options.
pub fn draft(queue: &str, name: &str, payload: &str) -> JobDraft {
    JobDraft {
        queue: queue.to_owned(),
        name: name.to_owned(),
        payload: payload.to_owned(),
        delay: None,
        ttr: None,
        metadata: Vec::new(),
    }
}

/// The string member `key` of the payload; behaviours take their few settings that way. It knows no escapes but `\\`
/// and `\"`, and a missing member is the empty string.
pub fn text(job: &Job, key: &str) -> String {
    member(&job.payload, key)
}

/// As [`text`], from any payload.
pub fn member(payload: &str, key: &str) -> String {
    let Some((_, rest)) = payload.split_once(&format!("\"{key}\":")) else {
        return String::new();
    };
    let Some(rest) = rest.trim_start().strip_prefix('"') else {
        return rest
            .trim_start()
            .split([',', '}'])
            .next()
            .unwrap_or_default()
            .to_owned();
    };
    let mut value = String::new();
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    value
}
