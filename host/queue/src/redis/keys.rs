//! The keys of a channel, of a bucket, of a plugin's trials and of the registry of workers. Nowhere else is a Redis key
//! spelled; what is in them
//! is written and read by the scripts.

use crate::job::Channel;
use crate::keyvalue::Bucket;
use crate::trials::TrialName;

/// A kind of key: the name that scripts use, what follows the channel's name,
/// the Redis type.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) suffix: &'static str,
    pub(super) redis_type: &'static str,
}

const fn kind(name: &'static str, suffix: &'static str, redis_type: &'static str) -> Kind {
    Kind { name, suffix, redis_type }
}

/// All keys of a channel, in the order of a block of KEYS. Those with a dot
/// are yii2-queue's; ours have a colon, which its `clear` (`KEYS ch.*`) spares.
pub(super) const KINDS: &[Kind] = &[
    // Counter of ids.
    kind("message_id", ".message_id", "string"),
    // id → `ttr;payload`.
    kind("messages", ".messages", "hash"),
    // Ids, pushed left, taken right.
    kind("waiting", ".waiting", "list"),
    // Ids by unix seconds.
    kind("delayed", ".delayed", "zset"),
    kind("reserved", ".reserved", "zset"),
    // id → attempts counted.
    kind("attempts", ".attempts", "hash"),
    // Held by a PHP worker that moves due ids.
    kind("moving_lock", ".moving_lock", "string"),
    // The channel's own numbers: epoch, high (the highest id seen), discarded,
    // failures, swept_at, grace_until, jobs_cursor, lock_seen (one without
    // expiry, since when), lock_at (one with, when last). The one key that stays
    // when nothing else is left.
    kind("state", ":state", "hash"),
    // What is kept of jobs that are not over, in fields of one hash so that one
    // command reads or drops all of a job's: `<id>:lease` while it is reserved;
    // `:job`, its key, push time and metadata; `:times`, since when it can be
    // taken; `:crashes`, workers that died with it; `:progress`, what the
    // running or last attempt said; `:record`, the latest attempt settled;
    // `:changed`, the last change of a bucket under the lease, and its answer.
    kind("jobs", ":jobs", "hash"),
    // Reserved ids by when their leases were last extended (ms).
    kind("leases_at", ":leases_at", "zset"),
    // id → what stays of a done job; ids by the end of their retention (ms).
    kind("done", ":done", "hash"),
    kind("done_at", ":done_at", "zset"),
    // id → a done job's output.
    kind("output", ":output", "hash"),
    // id/epoch → what stays of a failed job; its message; by the time of
    // failure, and by the end of retention (ms); id → epochs.
    kind("failed", ":failed", "hash"),
    kind("failed_messages", ":failed_messages", "hash"),
    kind("failed_at", ":failed_at", "zset"),
    kind("failed_until", ":failed_until", "zset"),
    kind("failed_ids", ":failed_ids", "hash"),
    // Ids seen in no set, by when first (ms).
    kind("orphans", ":orphans", "zset"),
    // token → result of a call; tokens by when (ms).
    kind("receipts", ":receipts", "hash"),
    kind("receipts_at", ":receipts_at", "zset"),
];

/// All keys of a bucket, in the order of KEYS. They are outside of every
/// channel: no kind of a channel's key ends as they do, and none has the dot
/// by which yii2-queue's `clear` finds what it deletes.
pub(super) const BUCKET_KINDS: &[Kind] = &[
    // key → `<version> <value>`.
    kind("values", ":values", "hash"),
    // Keys, all with one score: in the order of their bytes.
    kind("order", ":order", "zset"),
    // version (of the latest write), deleted (of the latest that dropped a
    // key), bytes (of keys and values). It stays when the bucket is empty.
    kind("numbers", ":numbers", "hash"),
];

/// The keys of one bucket, in the order of [`BUCKET_KINDS`].
pub(super) fn bucket(bucket: &Bucket) -> impl Iterator<Item = String> {
    BUCKET_KINDS.iter().map(move |kind| format!("jobhost:keyvalue:{bucket}{}", kind.suffix))
}

/// The set that has a bucket's keys in order.
pub(super) fn bucket_order(bucket: &Bucket) -> String {
    format!("jobhost:keyvalue:{bucket}:order")
}

/// All keys of the registry of workers, in the order of KEYS. They are no
/// channel's and no bucket's, for the reasons above; the braces have a cluster
/// keep them in one slot.
pub(super) const WORKER_KINDS: &[Kind] = &[
    // Worker's id → its record (JSON).
    kind("known", ":known", "hash"),
    // Ids by when they were last heard of (ms).
    kind("seen_at", ":seen_at", "zset"),
];

/// The keys of the registry of workers, in the order of [`WORKER_KINDS`].
pub(super) fn workers() -> impl Iterator<Item = String> {
    WORKER_KINDS.iter().map(|kind| format!("jobhost:{{workers}}{}", kind.suffix))
}

/// All keys of a plugin's trials, in the order of KEYS; as those of buckets
/// they are outside of every channel.
pub(super) const TRIAL_KINDS: &[Kind] = &[
    // The latest trial: number, revision, from, to, share, length, factor,
    // began_at, old_attempts, old_failures, new_attempts, new_failures; end and
    // ended_at once it is over.
    kind("record", ":record", "hash"),
    // token → whether a count was added; tokens by when (ms).
    kind("receipts", ":counts", "hash"),
    kind("receipts_at", ":counts_at", "zset"),
];

/// The keys of a plugin's trials, in the order of [`TRIAL_KINDS`]. A name may
/// have a dot; the key may not, see [`BUCKET_KINDS`].
pub(super) fn trial(plugin: &TrialName) -> impl Iterator<Item = String> {
    let plugin = plugin.as_str().replace('.', "%");
    TRIAL_KINDS.iter().map(move |kind| format!("jobhost:trial:{plugin}{}", kind.suffix))
}

/// The keys of one channel, in the order of [`KINDS`].
pub(super) fn block(channel: &Channel) -> impl Iterator<Item = String> {
    KINDS.iter().map(move |kind| format!("{channel}{}", kind.suffix))
}

/// The list that a waiting worker blocks on.
pub(super) fn waiting(channel: &Channel) -> String {
    format!("{channel}.waiting")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_yii2s_seven_with_a_dot_and_ours_with_a_colon() {
        let (dotted, own): (Vec<_>, Vec<_>) = KINDS.iter().partition(|kind| kind.suffix.starts_with('.'));
        assert_eq!(dotted.len(), 7);
        assert!(own.iter().all(|kind| kind.suffix.starts_with(':')));
        assert!(KINDS.iter().all(|kind| kind.suffix[1..] == *kind.name));
    }

    #[test]
    fn the_registry_of_workers_has_no_channels_or_buckets_keys_and_yii2s_clear_spares_it() {
        let ours: Vec<_> = workers().collect();
        assert_eq!(ours, ["jobhost:{workers}:known", "jobhost:{workers}:seen_at"]);
        for kind in KINDS.iter().chain(BUCKET_KINDS) {
            assert!(ours.iter().all(|key| !key.ends_with(kind.suffix)), "{}", kind.name);
        }
        assert!(ours.iter().all(|key| !key.contains('.')));
    }

    #[test]
    fn a_channel_with_colons_keeps_them() {
        let channel = Channel::new("cpa:queue:copy:asset").unwrap();
        assert_eq!(block(&channel).nth(2).unwrap(), "cpa:queue:copy:asset.waiting");
        assert_eq!(block(&channel).nth(2).unwrap(), waiting(&channel));
    }

    #[test]
    fn a_buckets_keys_are_never_those_of_a_channel_nor_deleted_by_yii2s_clear() {
        let bucket = Bucket::new("Asset_state-1").unwrap();
        let ours: Vec<_> = super::bucket(&bucket).collect();
        assert_eq!(ours[1], bucket_order(&bucket));
        assert!(ours.iter().all(|key| !key.contains('.')));
        for kind in KINDS {
            assert!(ours.iter().all(|key| !key.ends_with(kind.suffix)), "{}", kind.name);
        }
        assert!(Bucket::new("a.b").is_err() && Bucket::new("a:b").is_err() && Bucket::new("").is_err());
        assert!(Bucket::new(&"a".repeat(100)).is_ok() && Bucket::new(&"a".repeat(101)).is_err());
    }

    #[test]
    fn a_trials_keys_are_never_those_of_a_channel_or_bucket_nor_deleted_by_yii2s_clear() {
        let keys = |name: &str| trial(&TrialName::new(name).unwrap()).collect::<Vec<_>>();
        assert_eq!(keys("copy.asset")[0], "jobhost:trial:copy%asset:record");
        for key in keys("a.b").iter().chain(&keys("state")) {
            assert!(!key.contains('.'));
            assert!(KINDS.iter().chain(BUCKET_KINDS).all(|kind| !key.ends_with(kind.suffix)), "{key}");
        }
    }
}
