//! Batches: one at a time in a channel, all or nothing.

use std::sync::Arc;
use std::time::Duration;

use asset::{Change, ComputePlan, Facts, Needs};
use tokio::time::timeout;

use super::samples::{
    at, channel, child_task, compute_plan, compute_task, data_manager, data_sample, envelope, failure_report,
    file, function, key, model, organization, other_channel, output_model, performance,
};
use super::steps::{
    append, append_in, apply, apply_in, assert_intact, begin, first, found, known, load, log,
};
use crate::{Error, EventFilter, EventLimit, Head, Result, SortOrder, Store, WriteSet};

/// Long enough to notice that something does not wait, if it does not.
const A_WHILE: Duration = Duration::from_millis(100);

/// A channel needs no preparation.
pub async fn a_fresh_channel_is_empty(store: Arc<dyn Store>) -> Result<()> {
    // Its log ends where it begins.
    assert_eq!(store.head(&channel()).await?, Head::default());
    assert_eq!(*begin(&*store, &channel()).await?.head(), Head::default());
    // A batch that was dropped has not changed that.
    assert_eq!(store.head(&channel()).await?, Head::default());
    // Nothing is in it.
    assert_eq!(store.organizations(&channel()).await?, []);
    assert_eq!(store.compute_plans(&channel(), Default::default(), first(10)).await?.items, []);
    assert_eq!(
        store.events(&channel(), EventFilter::default(), SortOrder::Ascending, first(10)).await?.items,
        []
    );
    assert_eq!(store.events_after(&channel(), 0, EventLimit::events(10)).await?, []);
    assert_eq!(store.event_place(&channel(), key(1)).await?, None);
    Ok(())
}

/// A batch that expects the log to end where it does is written, as any other.
pub async fn a_batch_at_the_head_is_written(store: Arc<dyn Store>) -> Result<()> {
    // Also if it is the first of its channel.
    let mut head = Head::default();
    for number in 1..=2 {
        let expected = head.clone();
        let events = vec![head.append(envelope(number))];
        let writes = WriteSet::of(&[Change::ComputePlanRegistered(Arc::new(compute_plan(number)))]);
        store.apply_at(&channel(), &expected, writes, events, head.clone()).await?;
        assert_eq!(store.head(&channel()).await?, head);
    }
    assert_eq!(plans(&*store).await?, [compute_plan(1), compute_plan(2)]);
    assert_intact(&log(&*store, &channel()).await?, &head);
    Ok(())
}

/// A batch that expects the log to end elsewhere leaves nothing, whatever the difference.
pub async fn a_batch_beside_the_head_leaves_nothing(store: Arc<dyn Store>) -> Result<()> {
    let before = append(&*store, vec![envelope(1), envelope(2)]).await?;
    let head = store.head(&channel()).await?;
    let elsewhere = [
        Head::default(),
        Head { position: head.position - 1, ..head.clone() },
        Head { hash: before[0].hash, ..head.clone() },
        Head { time: head.time.next(), ..head.clone() },
    ];
    for expected in elsewhere {
        let mut next = expected.clone();
        let events = vec![next.append(envelope(3))];
        let writes = WriteSet::of(&[Change::ComputePlanRegistered(Arc::new(compute_plan(1)))]);
        let applied = store.apply_at(&channel(), &expected, writes, events, next).await;
        assert!(matches!(applied, Err(Error::Moved(_))), "{expected:?}: {applied:?}");
    }
    assert_eq!(store.head(&channel()).await?, head);
    assert_eq!(log(&*store, &channel()).await?, before);
    assert_eq!(plans(&*store).await?, []);
    // The channel is free.
    append(&*store, vec![envelope(4)]).await?;
    Ok(())
}

/// A batch at the head waits for the one that holds the channel, and finds the head moved by it.
pub async fn a_batch_at_the_head_waits_for_its_turn(store: Arc<dyn Store>) -> Result<()> {
    append(&*store, vec![envelope(1)]).await?;
    let batch = begin(&*store, &channel()).await?;
    let expected = batch.head().clone();
    let mut next = expected.clone();
    let events = vec![next.append(envelope(2))];
    let (waiting, of) = (Arc::clone(&store), expected.clone());
    let mut late =
        tokio::spawn(
            async move { waiting.apply_at(&channel(), &of, WriteSet::default(), events, next).await },
        );
    assert!(timeout(A_WHILE, &mut late).await.is_err(), "it did not wait");
    let mut head = expected;
    let events = vec![head.append(envelope(3))];
    batch.apply(WriteSet::default(), events, head.clone()).await?;
    let late = late.await;
    assert!(matches!(late, Ok(Err(Error::Moved(_)))), "{late:?}");
    assert_eq!(store.head(&channel()).await?, head);
    assert_intact(&log(&*store, &channel()).await?, &head);
    Ok(())
}

/// What was applied is there for every later read, and the next batch goes on from it.
pub async fn an_applied_batch_is_visible(store: Arc<dyn Store>) -> Result<()> {
    let batch = begin(&*store, &channel()).await?;
    let mut head = batch.head().clone();
    let events = vec![head.append(envelope(1)), head.append(envelope(2))];
    head.time = at(7);
    let writes = WriteSet::of(&[Change::ComputePlanRegistered(Arc::new(compute_plan(1)))]);
    batch.apply(writes, events.clone(), head.clone()).await?;

    // The head is kept as it was given, its time included.
    assert_eq!(store.head(&channel()).await?, head);
    assert_eq!(*begin(&*store, &channel()).await?.head(), head);
    // The events are kept as they were given.
    assert_eq!(log(&*store, &channel()).await?, events);
    // So are the assets.
    assert_eq!(plans(&*store).await?, [compute_plan(1)]);

    // A batch may move the time alone.
    head.time = at(9);
    begin(&*store, &channel()).await?.apply(WriteSet::default(), Vec::new(), head.clone()).await?;
    assert_eq!(store.head(&channel()).await?, head);
    Ok(())
}

/// Dropping a batch undoes it.
pub async fn a_dropped_batch_leaves_nothing(store: Arc<dyn Store>) -> Result<()> {
    let applied = apply(&*store, vec![Change::ComputePlanRegistered(Arc::new(compute_plan(1)))]).await?;
    let before = store.head(&channel()).await?;

    let mut batch = begin(&*store, &channel()).await?;
    batch.load(&Needs { compute_plans: [key(1)].into(), ..Needs::default() }, &mut Facts::default()).await?;
    drop(batch);

    // Nothing has moved.
    assert_eq!(store.head(&channel()).await?, before);
    assert_eq!(log(&*store, &channel()).await?, applied);
    // The channel is free for the next batch.
    apply(&*store, vec![Change::ComputePlanRegistered(Arc::new(compute_plan(2)))]).await?;
    assert_eq!(plans(&*store).await?, [compute_plan(1), compute_plan(2)]);
    Ok(())
}

/// While a batch lives, no other batch of its channel does.
pub async fn batches_of_a_channel_follow_one_another(store: Arc<dyn Store>) -> Result<()> {
    let batch = begin(&*store, &channel()).await?;
    let mut head = batch.head().clone();
    let events = vec![head.append(envelope(1))];

    let waiting = Arc::clone(&store);
    let mut next =
        tokio::spawn(async move { begin(&*waiting, &channel()).await.map(|batch| batch.head().clone()) });
    // The next batch waits.
    assert!(timeout(A_WHILE, &mut next).await.is_err(), "two batches of one channel at a time");

    batch.apply(WriteSet::default(), events, head.clone()).await?;
    // Once it begins, it sees what the one before has written.
    assert_eq!(joined(next.await)?, head);
    Ok(())
}

/// A caller that stops waiting for its turn, or for a step, leaves the channel to others.
pub async fn a_caller_that_gives_up_frees_the_channel(store: Arc<dyn Store>) -> Result<()> {
    let batch = begin(&*store, &channel()).await?;
    let impatient = timeout(A_WHILE, begin(&*store, &channel())).await;
    assert!(impatient.is_err(), "two batches of one channel at a time");
    drop(batch);

    for _ in 0..20 {
        // Given up at once, before or after the store has begun to work on it.
        drop(timeout(Duration::ZERO, begin(&*store, &channel())).await);
    }
    let mut batch = begin(&*store, &channel()).await?;
    let needs = Needs { compute_plans: [key(1)].into(), ..Needs::default() };
    drop(timeout(Duration::ZERO, batch.load(&needs, &mut Facts::default())).await);
    drop(batch);

    apply(&*store, vec![Change::ComputePlanRegistered(Arc::new(compute_plan(1)))]).await?;
    assert_eq!(plans(&*store).await?, [compute_plan(1)]);
    Ok(())
}

/// Every channel has its own log.
pub async fn channels_have_their_own_logs(store: Arc<dyn Store>) -> Result<()> {
    let first = append(&*store, vec![envelope(1), envelope(2)]).await?;
    let second = append_in(&*store, &other_channel(), vec![envelope(3)]).await?;

    assert_eq!(log(&*store, &channel()).await?, first);
    assert_eq!(log(&*store, &other_channel()).await?, second);
    // Positions and hashes begin anew.
    assert_eq!(second[0].position, 1);
    assert_intact(&second, &store.head(&other_channel()).await?);
    Ok(())
}

/// A batch meets a row that was not there when its facts were loaded.
pub async fn a_duplicate_is_a_conflict_and_leaves_nothing(store: Arc<dyn Store>) -> Result<()> {
    apply(&*store, everything()).await?;
    append(&*store, vec![envelope(1)]).await?;
    let before = store.head(&channel()).await?;

    for duplicate in everything() {
        let bystander = Change::ComputePlanRegistered(Arc::new(compute_plan(9)));
        let refused = apply(&*store, vec![bystander, without_addresses(duplicate.clone())]).await;
        // It is a conflict, so that the caller loads the facts anew.
        assert!(matches!(refused, Err(Error::Conflict(_))), "{duplicate:?}: {refused:?}");
        // Nothing of the batch is there.
        assert_eq!(plans(&*store).await?, [compute_plan(1)], "{duplicate:?}");
        assert_eq!(store.head(&channel()).await?, before, "{duplicate:?}");
    }

    // An address that is in use cannot be claimed, by whichever asset.
    let claim =
        apply(&*store, vec![Change::ModelRegistered(Arc::new(asset::Model { key: key(9), ..model(1, 1) }))])
            .await;
    assert!(matches!(claim, Err(Error::Conflict(_))), "{claim:?}");
    // An event has its id for itself; if it is taken, the assets of the batch are not written either.
    let batch = begin(&*store, &channel()).await?;
    let mut head = batch.head().clone();
    let events = vec![head.append(envelope(2)), head.append(envelope(1))];
    let bystander = WriteSet::of(&[Change::ComputePlanRegistered(Arc::new(compute_plan(9)))]);
    let refused = batch.apply(bystander, events, head).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_eq!(plans(&*store).await?, [compute_plan(1)]);
    assert_eq!(store.head(&channel()).await?, before);
    assert_eq!(store.event_place(&channel(), key(2)).await?, None);

    // The channel is free for the next batch.
    apply(&*store, vec![Change::ComputePlanRegistered(Arc::new(compute_plan(9)))]).await?;
    Ok(())
}

/// Keys of assets and ids of events are unique across channels; organizations and addresses are unique within one.
pub async fn a_key_of_another_channel_is_a_conflict(store: Arc<dyn Store>) -> Result<()> {
    apply(&*store, everything()).await?;
    append(&*store, vec![envelope(1)]).await?;

    for change in everything() {
        let elsewhere = apply_in(&*store, &other_channel(), vec![without_addresses(change.clone())]).await;
        if matches!(change, Change::OrganizationRegistered(_)) {
            // An organization may be in many channels.
            elsewhere?;
        } else {
            assert!(matches!(elsewhere, Err(Error::Conflict(_))), "{change:?}: {elsewhere:?}");
        }
    }
    // The same address may be in use in many channels.
    let address = model(1, 1).address;
    let model = asset::Model { key: key(9), address, ..model(9, 9) };
    apply_in(&*store, &other_channel(), vec![Change::ModelRegistered(Arc::new(model))]).await?;
    let event = append_in(&*store, &other_channel(), vec![envelope(1)]).await;
    assert!(matches!(event, Err(Error::Conflict(_))), "{event:?}");
    Ok(())
}

/// Many changes of one asset in a batch are one row with its last state.
pub async fn changes_of_one_batch_fold(store: Arc<dyn Store>) -> Result<()> {
    use asset::{ComputeTask, ComputeTaskStatus as Status, DataManager, Function, FunctionStatus};
    let manager = DataManager { name: "renamed".to_owned(), ..data_manager(1) };
    let built = Function { name: "renamed".to_owned(), image: Some(file("image")), ..function(1) };
    let ready = Function { status: FunctionStatus::Ready, ..built.clone() };
    let plan = ComputePlan { cancelation_date: Some(at(5)), name: "renamed".to_owned(), ..compute_plan(1) };
    let moved = |status| ComputeTask { status, ..compute_task(1) };
    let status_changed =
        |status| Change::ComputeTaskStatusChanged { task: Arc::new(moved(status)), reason: "why".to_owned() };
    let disabled = asset::Model { address: None, ..model(1, 1) };
    let address_before = model(1, 1).address.map(|address| address.storage_address).unwrap_or_default();

    let changes = vec![
        Change::DataManagerRegistered(Arc::new(data_manager(1))),
        Change::DataManagerRenamed(Arc::new(manager.clone())),
        Change::FunctionRegistered(Arc::new(function(1))),
        Change::FunctionUpdated { function: Arc::new(built), image_address_before: None },
        Change::FunctionStatusChanged { function: Arc::new(ready.clone()), reason: "why".to_owned() },
        Change::ComputePlanRegistered(Arc::new(compute_plan(1))),
        Change::ComputePlanRenamed(Arc::new(plan.clone())),
        Change::ComputePlanCanceled(Arc::new(plan.clone())),
        Change::ComputeTaskRegistered(Arc::new(compute_task(1))),
        status_changed(Status::Building),
        status_changed(Status::WaitingForExecutorSlot),
        Change::ModelRegistered(Arc::new(model(1, 1))),
        Change::ModelDisabled { model: Arc::new(disabled.clone()), address_before: address_before.clone() },
    ];
    let events = apply(&*store, changes).await?;

    let needs = Needs {
        data_managers: [key(1)].into(),
        functions: [key(1)].into(),
        compute_plans: [key(1)].into(),
        compute_tasks: [key(1)].into(),
        models: [key(1)].into(),
        addresses: [address_before.clone(), "https://store.example/image".to_owned()].into(),
        ..Needs::default()
    };
    for facts in load(&*store, &needs).await? {
        assert_eq!(known(&facts.data_managers, key(1)), Some(&manager));
        assert_eq!(known(&facts.functions, key(1)), Some(&ready));
        assert_eq!(known(&facts.compute_plans, key(1)), Some(&plan));
        assert_eq!(known(&facts.compute_tasks, key(1)), Some(&moved(Status::WaitingForExecutorSlot)));
        assert_eq!(known(&facts.models, key(1)), Some(&disabled));
        // An address that came and went is free.
        assert_eq!(facts.addresses.get(&address_before), Some(&false));
        assert_eq!(facts.addresses.get("https://store.example/image"), Some(&true));
    }
    // Each change has its event all the same.
    assert_eq!(log(&*store, &channel()).await?, events);
    assert_eq!(events.len(), 13);
    Ok(())
}

/// A batch has no bound of its own.
pub async fn a_big_batch_is_one_batch(store: Arc<dyn Store>) -> Result<()> {
    const TASKS: u32 = 2_000;
    let root = Change::ComputeTaskRegistered(Arc::new(compute_task(1)));
    let children = (2..=TASKS).map(|number| {
        let parents = if number < 10 { vec![1] } else { vec![1, number / 2, number / 3] };
        Change::ComputeTaskRegistered(Arc::new(child_task(number, &parents)))
    });
    let events = apply(&*store, std::iter::once(root).chain(children).collect()).await?;

    assert_eq!(events.len(), 2_000);
    assert_intact(&log(&*store, &channel()).await?, &store.head(&channel()).await?);
    let needs = Needs {
        compute_tasks: (1..=TASKS).map(key).collect(),
        children: (1..=TASKS).map(key).collect(),
        ..Needs::default()
    };
    for facts in load(&*store, &needs).await? {
        // All of them are there, and all are found from their parents.
        let all: Vec<_> = (1..=TASKS).map(key).collect();
        assert_eq!(found(&facts.compute_tasks, &all).len(), 2_000);
        assert_eq!(facts.children.get(&key(1)).map(Vec::as_slice), all.get(1..));
        assert_eq!(facts.children.get(&key(5)), Some(&vec![key(10), key(11), key(15), key(16), key(17)]));
        assert_eq!(facts.children.get(&key(TASKS)), Some(&Vec::new()));
    }
    Ok(())
}

/// Whoever writes at the same time, the log has one order and no gap.
pub async fn concurrent_batches_keep_the_log_contiguous(store: Arc<dyn Store>) -> Result<()> {
    const WRITERS: u32 = 8;
    const BATCHES: u32 = 10;
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for batch in 0..BATCHES {
                let number = 1 + writer * BATCHES + batch;
                let changes = vec![Change::ComputePlanRegistered(Arc::new(compute_plan(number)))];
                apply(&*store, changes).await?;
                append_in(&*store, &other_channel(), vec![envelope(number)]).await?;
            }
            Ok(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        joined(writer.await)?;
    }
    for channel in [channel(), other_channel()] {
        let log = log(&*store, &channel).await?;
        // Nobody's event is missing.
        assert_eq!(log.len(), 80);
        assert_intact(&log, &store.head(&channel).await?);
    }
    Ok(())
}

/// The registration of one asset of each kind, all with number 1.
fn everything() -> Vec<Change> {
    vec![
        Change::OrganizationRegistered(Arc::new(organization("owner", 1))),
        Change::DataManagerRegistered(Arc::new(data_manager(1))),
        Change::DataSampleRegistered(Arc::new(data_sample(1))),
        Change::FunctionRegistered(Arc::new(function(1))),
        Change::ComputePlanRegistered(Arc::new(compute_plan(1))),
        Change::ComputeTaskRegistered(Arc::new(compute_task(1))),
        Change::ModelRegistered(Arc::new(model(1, 1))),
        Change::PerformanceRegistered(Arc::new(performance(1, "figure", 1))),
        Change::OutputAssetRegistered(Arc::new(output_model(&model(1, 1), 1))),
        Change::FailureReportRegistered(Arc::new(failure_report(1))),
    ]
}

/// The same registration with addresses that nobody uses, so that nothing but the key stands in its way.
fn without_addresses(change: Change) -> Change {
    match change {
        Change::DataManagerRegistered(manager) => {
            let (description, opener) = (file("free/1"), file("free/2"));
            let manager = asset::DataManager { description, opener, ..asset::DataManager::clone(&manager) };
            Change::DataManagerRegistered(Arc::new(manager))
        }
        Change::FunctionRegistered(function) => {
            let (description, archive) = (file("free/1"), file("free/2"));
            let function = asset::Function { description, archive, ..asset::Function::clone(&function) };
            Change::FunctionRegistered(Arc::new(function))
        }
        Change::ModelRegistered(model) => {
            Change::ModelRegistered(Arc::new(asset::Model { address: None, ..asset::Model::clone(&model) }))
        }
        Change::FailureReportRegistered(report) => {
            let report = asset::FailureReport { logs_address: None, ..asset::FailureReport::clone(&report) };
            Change::FailureReportRegistered(Arc::new(report))
        }
        other => other,
    }
}

async fn plans(store: &dyn Store) -> Result<Vec<ComputePlan>> {
    let page = store.compute_plans(&channel(), Default::default(), first(100)).await?;
    Ok(page.items.into_iter().map(|(_, plan)| plan).collect())
}

/// The outcome of a task that did not panic.
fn joined<T>(outcome: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    outcome.map_err(|error| Error::Failed(error.to_string()))?
}
