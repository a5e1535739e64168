//! The scripts, one for each verb, with the shared pieces before them. Their
//! headers in `scripts/*.lua` list KEYS, ARGV and what they return.

use std::sync::LazyLock;

use redis::Script;

use super::keys::{BUCKET_KINDS, KINDS, Kind, TRIAL_KINDS, WORKER_KINDS};

/// What all scripts share, each piece built on those before it.
const SHARED: &[(&str, &str)] = &[
    ("prelude.lua", include_str!("scripts/shared/prelude.lua")),
    ("records.lua", include_str!("scripts/shared/records.lua")),
    ("queueing.lua", include_str!("scripts/shared/queueing.lua")),
];

fn assemble(body: &str) -> Script {
    Script::new(&assembled(body))
}

/// The names and types of a block of KEYS as Lua, then the shared pieces, then a script.
fn assembled(body: &str) -> String {
    let list = |kinds: &[Kind], of: fn(&Kind) -> &'static str| {
        let quoted: Vec<_> = kinds.iter().map(|kind| format!("'{}'", of(kind))).collect();
        quoted.join(", ")
    };
    let all = [("", KINDS), ("BUCKET_", BUCKET_KINDS), ("TRIAL_", TRIAL_KINDS), ("WORKER_", WORKER_KINDS)];
    let kinds = all.map(|(of, kinds)| {
        let (names, types) = (list(kinds, |kind| kind.name), list(kinds, |kind| kind.redis_type));
        format!("local {of}NAMES = {{ {names} }}\nlocal {of}TYPES = {{ {types} }}\n")
    });
    let shared = SHARED.iter().map(|(_, text)| *text).collect::<Vec<_>>().join("\n");
    format!("{}{shared}\n{body}", kinds.concat())
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| assemble(include_str!(concat!("scripts/", $file))));)*

        #[cfg(test)]
        const FILES: &[(&str, &str)] = &[$(($file, include_str!(concat!("scripts/", $file)))),*];
    };
}

scripts! {
    PUSH = "push.lua";
    RESERVE = "reserve.lua";
    SETTLE = "settle.lua";
    EXTEND = "extend.lua";
    PROGRESS = "progress.lua";
    SWEEP = "sweep.lua";
    COUNTS = "counts.lua";
    STATUS = "status.lua";
    FAILED = "failed.lua";
    RETRY_FAILED = "retry_failed.lua";
    REMOVE_FAILED = "remove_failed.lua";
    REMOVE = "remove.lua";
    CLEAR = "clear.lua";
    BUCKET_VALUES = "bucket_values.lua";
    BUCKET_CHANGE = "bucket_change.lua";
    ANNOUNCE = "announce.lua";
    WITHDRAW = "withdraw.lua";
    WORKERS = "workers.lua";
    TRIAL = "trial.lua";
    TRIAL_CHANGE = "trial_change.lua";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_says_what_it_takes_and_returns() {
        for (file, text) in FILES {
            for part in ["-- KEYS: ", "-- ARGV: ", "-- Returns: "] {
                assert!(text.contains(part), "{file} lacks `{part}`");
            }
        }
    }

    /// There `%d` has no room for a time.
    #[cfg(feature = "conformance")]
    #[tokio::test]
    async fn a_server_of_32_bits_writes_numbers_in_full() {
        let narrow = "local wide = string
            local string = setmetatable({ format = function(form, number)
                return wide.format(form, form == '%d' and (number + 2^31) % 2^32 - 2^31 or number)
            end }, { __index = wide })";
        let server = crate::redis::PrivateRedis::start();
        let client = redis::Client::open(server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        for machine in ["", narrow] {
            let script =
                Script::new(&format!("{machine}\n{}", assembled("return text(1795000000000) .. ' ' .. text(-7)")));
            let text: String = script.invoke_async(&mut connection).await.unwrap();
            assert_eq!(text, "1795000000000 -7", "{machine}");
        }
    }

    #[test]
    fn no_script_spells_a_key_expires_one_or_lists_the_database() {
        for (file, text) in FILES.iter().chain(SHARED) {
            let calls = text.lines().flat_map(|line| line.split("redis.call(").skip(1));
            for call in calls {
                let mut arguments = call.split(", ");
                let command = arguments.next().unwrap_or_default();
                assert!(
                    !["'EXPIRE'", "'PEXPIRE'", "'KEYS'", "'SCAN'", "'SETEX'"].contains(&command),
                    "{file}: {command}"
                );
                if let Some(key) = arguments.next() {
                    assert!(
                        ["k.", "k[", "set", "b.", "b[", "w.", "w["].iter().any(|start| key.starts_with(start)),
                        "{file}: {command} is given the key {key}"
                    );
                }
            }
        }
    }
}
