//! What survives the end of a store: everything that was acknowledged. Only for stores that can be opened again.

use std::sync::Arc;

use asset::{Change, ComputePlan, Needs};

use super::samples::{
    channel, child_task, compute_plan, compute_task, envelope, key, model, organization, other_channel,
};
use super::steps::{append, append_in, apply, assert_intact, begin, first, known, load, log};
use crate::{Result, Store};

/// Opens the same data again and again, each time after the store before was dropped, and finds what was written.
///
/// # Errors
/// Those of the store.
pub async fn everything_is_there_after_reopening(
    open: impl AsyncFn() -> Result<Arc<dyn Store>>,
) -> Result<()> {
    let store = open().await?;
    let changes = vec![
        Change::OrganizationRegistered(Arc::new(organization("owner", 1))),
        Change::ComputePlanRegistered(Arc::new(compute_plan(1))),
        Change::ComputeTaskRegistered(Arc::new(compute_task(1))),
        Change::ComputeTaskRegistered(Arc::new(child_task(2, &[1]))),
        Change::ModelRegistered(Arc::new(model(1, 1))),
    ];
    let mut events = apply(&*store, changes).await?;
    let elsewhere = append_in(&*store, &other_channel(), vec![envelope(1)]).await?;
    drop(store);

    let store = open().await?;
    // The log goes on where it ended.
    assert_eq!(log(&*store, &channel()).await?, events);
    events.extend(append(&*store, vec![envelope(2)]).await?);
    let renamed = ComputePlan { name: "renamed".to_owned(), ..compute_plan(1) };
    events.extend(apply(&*store, vec![Change::ComputePlanRenamed(Arc::new(renamed.clone()))]).await?);
    // A batch in progress ends with the store.
    drop(begin(&*store, &channel()).await?);
    drop(store);

    let store = open().await?;
    assert_eq!(log(&*store, &channel()).await?, events);
    assert_eq!(log(&*store, &other_channel()).await?, elsewhere);
    assert_intact(&events, &store.head(&channel()).await?);
    assert_eq!(store.organizations(&channel()).await?, [organization("owner", 1)]);
    let plans = store.compute_plans(&channel(), Default::default(), first(10)).await?.items;
    assert_eq!(plans.into_iter().map(|(_, plan)| plan).collect::<Vec<_>>(), [renamed]);
    for facts in
        load(&*store, &Needs { children: [key(1)].into(), models: [key(1)].into(), ..Needs::default() })
            .await?
    {
        assert_eq!(known(&facts.compute_tasks, key(2)), Some(&child_task(2, &[1])));
        assert_eq!(known(&facts.models, key(1)), Some(&model(1, 1)));
    }
    Ok(())
}
