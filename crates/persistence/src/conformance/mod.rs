//! The suite that every store must pass: the storage contract in cases, each on a fresh store.
//!
//! A store runs it with [`conformance_tests!`](crate::conformance_tests), which lists all cases, each as a test of its own. A case is a function from
//! a fresh store to a result; its assertions are the specification, in sentences. [`samples`] makes the assets, [`steps`] what cases do with them.

pub mod batch;
pub mod durability;
pub mod event;
pub mod facts;
pub mod isolation;
pub mod list;
pub mod round_trip;
pub mod samples;
pub mod steps;

/// Makes a test of each case. The argument names an async function that makes a fresh store, and whatever must live as long as it:
///
/// ```text
/// async fn fresh() -> (Arc<dyn Store>, TempDir) { … }
/// persistence::conformance_tests!(fresh);
/// ```
///
/// The tests run on tokio, which must be among the caller's dependencies. [`durability`] is not in the list: it opens the same data more
/// than once.
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:ident) => {
        $crate::conformance_tests! { @all $fresh
            batch:
                a_fresh_channel_is_empty,
                a_batch_at_the_head_is_written,
                a_batch_beside_the_head_leaves_nothing,
                a_batch_at_the_head_waits_for_its_turn,
                an_applied_batch_is_visible,
                a_dropped_batch_leaves_nothing,
                batches_of_a_channel_follow_one_another,
                a_caller_that_gives_up_frees_the_channel,
                channels_have_their_own_logs,
                a_duplicate_is_a_conflict_and_leaves_nothing,
                a_key_of_another_channel_is_a_conflict,
                changes_of_one_batch_fold,
                a_big_batch_is_one_batch,
                concurrent_batches_keep_the_log_contiguous;
            round_trip:
                organizations,
                data_managers,
                data_samples,
                data_samples_linked_at_once,
                functions,
                compute_plans,
                compute_tasks,
                models,
                performances,
                output_assets,
                failure_reports,
                texts,
                times,
                keys;
            facts:
                what_is_not_there_is_known_to_be_absent,
                loading_never_overwrites_what_is_known,
                stages_read_one_snapshot,
                children,
                unbuilt_tasks,
                task_statuses,
                output_models,
                model_users,
                addresses,
                samples_of_managers,
                statuses_in_plans;
            isolation:
                a_key_of_another_channel_is_taken,
                no_way_leads_to_another_channel,
                no_list_shows_another_channel,
                names_of_channels_are_told_apart;
            list:
                data_managers,
                data_samples,
                functions,
                compute_plans,
                compute_tasks,
                performances,
                pages_stay_together_while_others_write,
                a_place_need_not_exist;
            event:
                the_log_is_read_on_from_a_position,
                reading_on_is_bounded_by_bytes,
                events_are_kept_whole,
                a_page_ends_early_before_it_is_too_large,
                events_are_found_by_id,
                events_are_listed_from_both_ends,
                pages_of_events_stay_together_while_others_write,
                events_are_filtered,
                metadata_filters_may_be_large;
        }
    };
    (@all $fresh:ident $($group:ident: $($case:ident),+;)+) => {
        $(
            mod $group {
                $(
                    // Several threads, because cases write while a store reads.
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() -> $crate::Result<()> {
                        let (store, _kept) = super::$fresh().await;
                        $crate::conformance::$group::$case(store).await
                    }
                )+
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    /// A case that is not in the list would never run.
    #[test]
    fn all_cases_are_listed() {
        let list = include_str!("mod.rs");
        let groups = [
            ("batch", include_str!("batch.rs")),
            ("round_trip", include_str!("round_trip.rs")),
            ("facts", include_str!("facts.rs")),
            ("isolation", include_str!("isolation.rs")),
            ("list", include_str!("list.rs")),
            ("event", include_str!("event.rs")),
        ];
        for (group, source) in groups {
            let (_, rest) = list.split_once(&format!("            {group}:\n")).expect(group);
            let (listed, _) = rest.split_once(';').expect(group);
            let listed: Vec<_> = listed.split(',').map(str::trim).collect();
            let defined = source.split("pub async fn ").skip(1);
            let defined: Vec<_> =
                defined.filter_map(|rest| rest.split_once('(')).map(|(name, _)| name).collect();
            assert_eq!(listed, defined, "{group}");
        }
    }
}
