//! The contract of a store as tests, each promise one function whose name says
//! it. Only what every store promises is here; a store's own ways (keys, files,
//! commits) are tested beside it.
//!
//! ```ignore
//! struct Subject { /* keeps the server or the folder alive */ }
//! #[async_trait]
//! impl TestStore for Subject { /* … */ }
//! async fn make(clock: ManualClock) -> Subject { /* … */ }
//! jobhost_queue::conformance!(make);
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "these functions are tests: a panic is how they answer"
)]
#![expect(clippy::similar_names, reason = "a call's token and the jobs taken by it are called so everywhere")]
#![expect(missing_docs, reason = "the name of a promise is its documentation")]

pub mod delay;
pub mod failed;
pub mod keyvalue;
pub mod lease;
pub mod look;
pub mod poison;
pub mod push;
pub mod remove;
pub mod reserve;
pub mod retain;
pub mod settle;
pub mod stage;
pub mod trials;
pub mod wait;
pub mod workers;

use std::sync::Arc;

use async_trait::async_trait;

use crate::store::Store;

pub use stage::{Stage, start_of_time};

/// A store under test, with what keeps it alive. It goes by the clock it was
/// made with.
#[async_trait]
pub trait TestStore: Send + Sync + 'static {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// A second handle on the same data that shares nothing else with the
    /// first, as another process would have it.
    async fn another(&self) -> Arc<dyn Store>;
}

/// The one list of promises: calls the macro in the first brackets with what
/// is in the second ones and the promises of each module.
#[doc(hidden)]
#[macro_export]
macro_rules! __promises {
    ([$($then:tt)+] [$($given:tt)*]) => {
        $($then)+! { [$($given)*]
            push {
                jobs_are_served_first_in_first_out
                ids_count_from_one_within_a_channel
                a_pushed_job_arrives_as_it_was_stored
                a_batch_with_a_bad_job_stores_nothing
                a_body_over_the_limit_is_invalid
                a_ttr_of_zero_is_invalid
                metadata_over_the_limit_is_invalid
                a_push_sent_twice_stores_once
                pushes_of_two_handles_get_different_ids
                channels_do_not_see_each_other
                a_fenced_push_is_stored_while_the_lease_holds
                a_fenced_push_stores_nothing_once_the_lease_is_settled
                a_fenced_push_stores_nothing_for_a_foreign_token
                a_fenced_push_sent_again_after_the_settlement_returns_the_first_answer
            }
            delay {
                a_delayed_job_is_served_when_it_is_due
                delayed_jobs_are_served_in_the_order_they_are_due
                a_due_job_waits_behind_those_that_waited_before_it
                a_delay_is_kept_in_whole_seconds_rounded_up
                next_due_is_the_time_until_the_earliest_delayed_job
                next_due_is_none_without_delayed_jobs
            }
            reserve {
                reserve_takes_at_most_its_limit
                a_reserve_takes_no_more_than_4_mib_of_bodies_and_one_more_job
                reserve_says_whether_jobs_are_left
                reserve_of_an_empty_queue_is_empty
                reserve_counts_the_attempt
                a_reserve_sent_twice_takes_the_same_jobs_once
                a_reserve_sent_twice_when_empty_takes_nothing_new
                reserve_limits_outside_1_to_1000_are_invalid
                a_reserved_job_is_not_served_again
                concurrent_reserves_take_each_job_once
                a_job_is_stamped_with_the_times_of_push_and_reserve
                a_job_says_since_when_it_could_be_taken
                a_job_says_when_it_was_first_taken
                key_metadata_and_push_time_are_the_same_for_every_attempt
                keys_are_unique_across_channels
            }
            settle {
                a_done_job_is_gone_from_the_queue
                a_retry_is_served_after_its_delay_with_the_next_attempt
                a_retry_without_delay_goes_to_the_end_of_the_queue
                a_failed_job_is_in_the_failed_set_and_not_served
                a_postponed_job_comes_back_with_its_attempt_uncounted
                a_job_handed_back_is_served_next_with_its_attempt_uncounted
                several_jobs_handed_back_are_served_before_the_others
                settling_twice_with_one_token_is_settling_once
                settling_again_with_another_token_is_lost
                settling_with_a_foreign_lease_is_lost_and_changes_nothing
                settling_an_earlier_attempts_lease_is_lost
                a_batch_is_answered_in_its_order_and_a_lost_one_harms_no_other
                a_batch_of_two_channels_is_invalid_and_changes_nothing
                the_record_is_kept_whatever_the_verdict
                follow_ups_appear_with_the_settlement
                follow_ups_go_to_other_channels_in_order
                a_delayed_follow_up_waits
                follow_ups_of_a_lost_settlement_do_not_appear
                a_bad_follow_up_is_refused_and_leaves_the_lease
                a_refused_settlement_leaves_the_rest_of_the_batch
                follow_ups_come_with_a_retry_and_a_failure_too
            }
            lease {
                a_lease_that_is_extended_lives_on
                a_lease_that_is_not_extended_is_reclaimed_by_a_sweep
                a_lease_that_is_not_extended_is_reclaimed_by_a_reserve
                a_live_lease_is_not_reclaimed
                a_repeated_reserve_extends_the_leases_that_the_first_gave
                a_reclaimed_job_is_served_next
                a_reclaimed_jobs_attempt_is_not_counted_but_its_crash_is
                the_death_of_a_stopping_worker_counts_no_crash
                a_worker_that_said_it_stops_is_believed_whatever_extends_after_it
                a_dead_workers_job_comes_back_though_the_clock_was_set_back
                a_reclaimed_jobs_old_lease_settles_nothing
                extend_tells_which_leases_hold_in_their_order
                after_an_outage_nothing_is_reclaimed_for_a_while
                a_lease_extended_within_the_grace_survives_the_outage
                a_lease_that_nobody_extends_is_reclaimed_after_the_grace
                sweeps_of_one_channel_leave_another_alone
                leases_that_live_in_any_number_do_not_hide_a_dead_one
            }
            poison {
                suspects_are_not_taken_unless_asked_for
                at_most_one_suspect_is_taken_at_a_time
                suspects_left_out_keep_their_place_and_others_pass
                crashes_add_up
                a_retry_keeps_the_crashes
            }
            look {
                an_unknown_job_has_no_status
                status_tells_of_a_waiting_job
                status_tells_of_a_delayed_job
                status_tells_of_a_reserved_job
                status_tells_of_a_done_job
                status_tells_of_a_failed_job
                status_tells_of_a_retry_with_its_last_attempt
                counts_of_an_unused_channel_are_zero
                counts_follow_a_job_through_its_states
                skipped_jobs_count_as_done
                removed_and_discarded_jobs_count_as_nothing
                another_handle_sees_the_same
                progress_is_kept_while_the_lease_holds
                progress_under_a_foreign_lease_is_lost
                a_store_answers_a_ping
                a_store_says_what_it_is
            }
            retain {
                a_done_record_stays_as_long_as_it_is_retained
                a_done_record_without_retention_is_not_kept
                an_output_over_the_limit_is_dropped_and_its_record_kept
                a_failed_job_stays_as_long_as_it_is_retained
                a_failed_job_without_retention_is_not_kept
            }
            failed {
                the_latest_failure_is_listed_first_and_pages_follow
                a_failed_job_is_shown_whole
                a_job_that_did_not_fail_is_not_in_the_failed_set
                a_retried_failure_starts_anew_at_the_end_of_the_queue
                a_retry_of_failures_sent_twice_retries_once
                failures_are_removed_by_id
                failures_older_than_an_age_are_pruned
                failed_lists_and_batches_over_1000_are_invalid
            }
            remove {
                a_waiting_job_can_be_removed
                a_delayed_job_can_be_removed
                a_removed_reserved_job_settles_nothing
                only_live_jobs_can_be_removed
                clear_removes_live_jobs_and_keeps_failures_and_ids
                a_job_pushed_during_a_clear_stays
                a_lease_of_a_cleared_job_is_lost
                clear_leaves_channels_whose_names_begin_alike
                an_erased_channel_is_as_if_it_had_never_been_used
                a_channel_of_which_only_ids_are_left_is_used_until_it_is_erased
                erase_leaves_channels_whose_names_begin_alike
            }
            wait {
                wait_returns_at_once_where_a_job_waits
                wait_is_woken_by_a_push_of_the_same_handle
                wait_is_woken_by_a_push_of_another_handle
                wait_is_woken_by_a_job_handed_back_elsewhere
                wait_is_woken_by_a_follow_up
                wait_times_out_where_nothing_comes
                wait_ignores_other_channels
                a_dropped_wait_takes_nothing_along
                several_waiters_are_all_woken
            }
            keyvalue {
                what_is_set_is_read_by_every_handle
                an_empty_bucket_has_no_keys_and_version_zero
                buckets_do_not_see_each_other_nor_channels
                any_bytes_are_a_value_and_any_text_is_a_key
                keys_are_dropped_and_one_that_is_not_there_is_no_error
                several_values_are_set_or_none
                keys_are_listed_in_order_page_by_page
                a_number_is_added_to_by_many_without_a_loss
                numbers_are_exact_to_64_bits
                what_is_not_a_number_is_left_alone
                every_write_gives_a_version_that_was_never_there
                a_swap_of_what_was_seen_is_made
                a_swap_of_what_somebody_wrote_since_is_stale
                a_swap_of_an_absent_key_is_stale_once_it_was_there_in_between
                of_many_swaps_of_one_look_one_is_made
                a_change_under_a_lost_lease_changes_nothing
                a_change_under_a_foreign_token_changes_nothing
                a_full_bucket_takes_no_more_keys_and_no_more_bytes
                a_bucket_is_what_it_was_after_a_clear
                what_is_too_long_or_too_much_is_invalid
            }
            workers {
                a_worker_is_known_whole_to_every_handle_once_it_is_announced
                what_a_worker_says_takes_the_place_of_what_it_said_before
                workers_are_listed_by_when_they_were_last_heard_of
                a_worker_that_withdraws_is_gone_at_once
                a_worker_that_is_not_heard_of_is_silent_and_later_gone
                a_dead_worker_grows_silent_though_the_clock_was_set_back
                where_there_are_too_many_workers_silent_ones_are_not_kept
                workers_are_no_jobs_and_survive_a_clear
                a_record_without_a_right_id_or_of_any_size_is_invalid
            }
            trials {
                a_trial_is_seen_by_every_handle_as_it_was_begun
                of_trials_begun_at_once_one_stands
                a_trial_takes_the_place_of_one_that_has_not_changed_since_the_look
                attempts_of_all_workers_are_added_up_and_each_changes_the_revision
                attempts_sent_twice_count_once
                a_trial_ends_on_what_was_seen_and_once
                a_trial_is_withdrawn_whatever_became_of_it_and_no_other_is
                trials_of_other_plugins_and_queues_are_others
                names_and_versions_that_cannot_be_are_invalid
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __promise_names {
    ([] $($area:ident { $($name:ident)+ })+) => {
        &[$($(concat!(stringify!($area), "::", stringify!($name)),)+)+]
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __promise_tests {
    ([$make:path] $($area:ident { $($name:ident)+ })+) => {
        $($(
            #[::tokio::test]
            async fn $name() {
                let clock = $crate::conformance::start_of_time();
                let subject = $make(clock.clone()).await;
                let stage = $crate::conformance::Stage::new(clock, ::std::boxed::Box::new(subject));
                $crate::conformance::$area::$name(stage).await;
            }
        )+)+
    };
}

/// Makes a `#[tokio::test]` of every promise, named as the promise is. Takes
/// the path of an `async fn(ManualClock) -> impl TestStore`, which is called
/// for each test and makes an empty store that goes by that clock.
#[macro_export]
macro_rules! conformance {
    ($make:path) => {
        $crate::__promises! { [$crate::__promise_tests] [$make] }
    };
}

/// All promises, as `module::name`.
pub const PROMISES: &[&str] = crate::__promises! { [crate::__promise_names] [] };
