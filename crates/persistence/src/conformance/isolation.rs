//! Channels: nothing of one is shown in another, except that a key is taken (core/CHN-6).

use std::sync::Arc;

use asset::compute_task::ComputeTaskStatus;
use asset::facts::ByKey;
use asset::key::Key;
use asset::{Change, ComputeTask, Needs};

use super::samples::{
    asset_input, channel, compute_plan, compute_task, data_manager, data_sample, failure_report, file,
    function, key, model, organization, other_channel, output_model, parent_output, performance,
};
use super::steps::{apply, first, load_in};
use crate::{
    ComputePlanFilter, ComputeTaskFilter, DataSampleFilter, EventFilter, EventLimit, FunctionFilter,
    PerformanceFilter,
};
use crate::{Head, Result, SortOrder, Store};

/// One asset of each kind, connected in all the ways that lead from one to another.
fn everything() -> Vec<Change> {
    let child = ComputeTask {
        inputs: vec![parent_output(1), asset_input(1)],
        status: ComputeTaskStatus::Building,
        ..compute_task(2)
    };
    vec![
        Change::OrganizationRegistered(Arc::new(organization("owner", 1))),
        Change::DataManagerRegistered(Arc::new(data_manager(1))),
        Change::DataSampleRegistered(Arc::new(data_sample(1))),
        Change::FunctionRegistered(Arc::new(function(1))),
        Change::ComputePlanRegistered(Arc::new(compute_plan(1))),
        Change::ComputeTaskRegistered(Arc::new(compute_task(1))),
        Change::ModelUsed { model: key(1), compute_task: child.key },
        Change::ComputeTaskRegistered(Arc::new(child)),
        Change::ModelRegistered(Arc::new(model(1, 1))),
        Change::PerformanceRegistered(Arc::new(performance(1, "figure", 1))),
        Change::OutputAssetRegistered(Arc::new(output_model(&model(1, 1), 1))),
        Change::FailureReportRegistered(Arc::new(failure_report(1))),
    ]
}

/// A key of another channel is known to be taken, and nothing more is known.
pub async fn a_key_of_another_channel_is_taken(store: Arc<dyn Store>) -> Result<()> {
    apply(&*store, everything()).await?;
    let needs = Needs {
        data_managers: [key(1), key(5)].into(),
        data_samples: [key(1), key(5)].into(),
        functions: [key(1), key(5)].into(),
        compute_plans: [key(1), key(5)].into(),
        compute_tasks: [key(1), key(5)].into(),
        models: [key(1), key(5)].into(),
        failure_reports: [key(1), key(5)].into(),
        ..Needs::default()
    };
    for facts in load_in(&*store, &other_channel(), &needs).await? {
        assert_taken(&facts.data_managers);
        assert_taken(&facts.data_samples);
        assert_taken(&facts.functions);
        assert_taken(&facts.compute_plans);
        assert_taken(&facts.compute_tasks);
        assert_taken(&facts.models);
        assert_taken(&facts.failure_reports);
    }
    Ok(())
}

fn assert_taken<K: Key, A>(known: &ByKey<K, A>) {
    assert!(known.get(key(1)).is_none(), "the asset of another channel is shown");
    assert!(known.require_free(key(1)).is_err(), "a key of another channel counts as free");
    assert!(known.require_free(key(5)).is_ok(), "a free key counts as taken");
}

/// No way leads to an asset of another channel.
pub async fn no_way_leads_to_another_channel(store: Arc<dyn Store>) -> Result<()> {
    apply(&*store, everything()).await?;
    let needs = Needs {
        organizations: true,
        task_statuses: [key(1)].into(),
        children: [key(1)].into(),
        unbuilt_tasks: [key(1)].into(),
        output_assets: [key(1)].into(),
        model_users: [key(1)].into(),
        failure_reports: [key(1)].into(),
        addresses: [file("model/1").storage_address].into(),
        samples_of_managers: [key(1)].into(),
        statuses_in_plans: [key(1)].into(),
        ..Needs::default()
    };
    for facts in load_in(&*store, &channel(), &needs).await? {
        // In their own channel all these ways lead to something.
        assert_eq!(facts.organizations.map(|known| known.len()), Some(1));
        assert!(facts.task_statuses.contains_key(&key(1)));
        assert_eq!(facts.children[&key(1)].len(), 1);
        assert_eq!(facts.unbuilt_tasks[&key(1)].len(), 2);
        assert_eq!(facts.output_assets[&key(1)].len(), 1);
        assert_eq!(facts.model_users[&key(1)].len(), 1);
        assert!(facts.failure_reports.get(key(1)).is_some());
        assert!(facts.addresses[&file("model/1").storage_address]);
        assert_eq!(facts.samples_of_managers[&key(1)].len(), 1);
        assert_eq!(facts.statuses_in_plans[&key(1)].len(), 2);
    }
    for facts in load_in(&*store, &other_channel(), &needs).await? {
        // In another channel none does.
        assert_eq!(facts.organizations.map(|known| known.len()), Some(0));
        assert!(facts.task_statuses.is_empty());
        assert!(facts.children[&key(1)].is_empty());
        assert!(facts.unbuilt_tasks[&key(1)].is_empty());
        assert!(facts.output_assets[&key(1)].is_empty());
        assert!(facts.model_users[&key(1)].is_empty());
        assert!(facts.failure_reports.get(key(1)).is_none());
        assert!(!facts.addresses[&file("model/1").storage_address]);
        assert!(facts.samples_of_managers[&key(1)].is_empty());
        assert!(facts.statuses_in_plans[&key(1)].is_empty());
        assert!(!facts.compute_tasks.knows(key(2)));
        assert!(!facts.models.knows(key(1)));
    }
    Ok(())
}

/// No list shows an asset of another channel, whatever is asked for.
pub async fn no_list_shows_another_channel(store: Arc<dyn Store>) -> Result<()> {
    let events = apply(&*store, everything()).await?;
    let other = other_channel();

    assert_eq!(store.organizations(&other).await?, []);
    assert_eq!(store.data_managers(&other, first(10)).await?.items, []);
    for keys in [vec![], vec![key(1)]] {
        assert_eq!(store.data_samples(&other, DataSampleFilter { keys }, first(10)).await?.items, []);
    }
    for compute_plan_key in [None, Some(key(1))] {
        assert_eq!(store.functions(&other, FunctionFilter { compute_plan_key }, first(10)).await?.items, []);
        let filter = ComputeTaskFilter { compute_plan_key, ..ComputeTaskFilter::default() };
        assert_eq!(store.compute_tasks(&other, filter, first(10)).await?.items, []);
    }
    assert_eq!(store.compute_plans(&other, ComputePlanFilter::default(), first(10)).await?.items, []);
    for compute_task_key in [None, Some(key(1))] {
        let filter = PerformanceFilter { compute_task_key, identifier: None };
        assert_eq!(store.performances(&other, filter, first(10)).await?.items, []);
    }
    for asset_key in [None, Some(events[0].asset_key.clone())] {
        let filter = EventFilter { asset_key, ..EventFilter::default() };
        assert_eq!(store.events(&other, filter, SortOrder::Ascending, first(10)).await?.items, []);
    }
    assert_eq!(store.events_after(&other, 0, EventLimit::events(10)).await?, []);
    // An event of another channel has no position in this one (core/SUB-4).
    assert_eq!(store.event_place(&other, events[0].id).await?, None);
    assert_eq!(store.head(&other).await?, Head::default());
    Ok(())
}

/// Names of channels are told apart byte by byte.
pub async fn names_of_channels_are_told_apart(store: Arc<dyn Store>) -> Result<()> {
    let names = ["", " ", "a", "A", "a ", "ä", "a\u{308}", "%", "'; --"].map(asset::ChannelName::new);
    for name in &names {
        super::steps::apply_in(
            &*store,
            name,
            vec![Change::OrganizationRegistered(Arc::new(organization("owner", 1)))],
        )
        .await?;
    }
    for name in &names {
        assert_eq!(store.organizations(name).await?, [organization("owner", 1)], "{name:?}");
        assert_eq!(store.head(name).await?.position, 1, "{name:?}");
    }
    Ok(())
}
