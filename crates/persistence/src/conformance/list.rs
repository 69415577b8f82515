//! Lists: their orders, their filters, and how pages follow one another (core/PAG-1 … PAG-8).

use std::fmt::Debug;
use std::sync::Arc;

use asset::compute_task::ComputeTaskStatus;
use asset::{Change, ComputePlan, ComputeTask, DataManager, DataSample, Function, Performance, Timestamp};

use super::samples::{
    at, channel, compute_plan, compute_task, data_manager, data_sample, function, id, key, other_channel,
    performance,
};
use super::steps::{apply, apply_in, assert_list, first, tasks, walk};
use crate::{
    ComputePlanFilter, ComputeTaskFilter, DataSampleFilter, FunctionFilter, PageRequest, PerformanceFilter,
    Result, Start, Store,
};

/// Numbers of keys in the order of their assets: by date, then by key.
const IN_ORDER: [u32; 7] = [5, 2, 4, 7, 1, 6, 3];
/// The order of registration, which no list shows.
const AS_REGISTERED: [u32; 7] = [3, 6, 7, 2, 1, 4, 5];

/// The date of the asset with this number.
fn date(number: u32) -> Timestamp {
    match number {
        5 => at(1),
        2 | 4 | 7 => at(2),
        1 | 6 => at(3),
        _ => at(4),
    }
}

fn dated_data_manager(number: u32) -> DataManager {
    DataManager { creation_date: date(number), ..data_manager(number) }
}

fn dated_data_sample(number: u32) -> DataSample {
    DataSample { creation_date: date(number), ..data_sample(number) }
}

fn dated_function(number: u32) -> Function {
    Function { creation_date: date(number), ..function(number) }
}

fn dated_compute_plan(number: u32) -> ComputePlan {
    ComputePlan { creation_date: date(number), ..compute_plan(number) }
}

fn dated_compute_task(number: u32) -> ComputeTask {
    ComputeTask { creation_date: date(number), ..compute_task(number) }
}

/// Registers the assets of a list in an order that has nothing to do with that of the list.
async fn register<A>(store: &dyn Store, asset: fn(u32) -> A, change: fn(Arc<A>) -> Change) -> Result<()> {
    let changes = AS_REGISTERED.map(|number| change(Arc::new(asset(number))));
    apply(store, changes.into()).await?;
    Ok(())
}

/// Data managers by creation date and key (core/DM-10).
pub async fn data_managers(store: Arc<dyn Store>) -> Result<()> {
    register(&*store, dated_data_manager, Change::DataManagerRegistered).await?;
    let expected = IN_ORDER.map(dated_data_manager);
    assert_list(&expected, async |page| store.data_managers(&channel(), page).await).await
}

/// Data samples by creation date and key (core/DS-16).
pub async fn data_samples(store: Arc<dyn Store>) -> Result<()> {
    register(&*store, dated_data_sample, Change::DataSampleRegistered).await?;
    let list = async |keys: &[u32], page| {
        let keys = keys.iter().copied().map(key).collect();
        store.data_samples(&channel(), DataSampleFilter { keys }, page).await
    };
    let expected = IN_ORDER.map(dated_data_sample);
    // No keys means all.
    assert_list(&expected, async |page| list(&[], page).await).await?;
    // Named twice it is listed once; a key that nobody has is no error.
    let expected = [2, 7, 3].map(dated_data_sample);
    assert_list(&expected, async |page| list(&[3, 7, 99, 2, 7], page).await).await?;
    // Many keys are no trouble.
    let many: Vec<_> = (6..40_000).collect();
    let expected = [7, 6].map(dated_data_sample);
    assert_eq!(walk(1, async |page| list(&many, page).await).await?, expected);
    Ok(())
}

/// Functions by creation date and key, perhaps only those that a plan runs (compute/FUNC-11).
pub async fn functions(store: Arc<dyn Store>) -> Result<()> {
    register(&*store, dated_function, Change::FunctionRegistered).await?;
    let tasks =
        [(1, 1, 3), (2, 1, 2), (3, 1, 7), (4, 1, 2), (5, 2, 5), (6, 2, 7)].map(|(number, plan, function)| {
            let task = ComputeTask {
                compute_plan_key: key(plan),
                function_key: key(function),
                ..compute_task(number)
            };
            Change::ComputeTaskRegistered(Arc::new(task))
        });
    apply(&*store, tasks.into()).await?;

    let list = async |plan: Option<u32>, page| {
        store.functions(&channel(), FunctionFilter { compute_plan_key: plan.map(key) }, page).await
    };
    let expected = IN_ORDER.map(dated_function);
    assert_list(&expected, async |page| list(None, page).await).await?;
    // Each function once, however many tasks run it.
    let expected = [2, 7, 3].map(dated_function);
    assert_list(&expected, async |page| list(Some(1), page).await).await?;
    let expected = [5, 7].map(dated_function);
    assert_list(&expected, async |page| list(Some(2), page).await).await?;
    assert_list(&[], async |page| list(Some(3), page).await).await
}

/// Compute plans by creation date and key, perhaps only those of an owner (compute/PLAN-12).
pub async fn compute_plans(store: Arc<dyn Store>) -> Result<()> {
    fn plan(number: u32) -> ComputePlan {
        let owner = if number.is_multiple_of(2) { id("even") } else { id("odd") };
        ComputePlan { owner, ..dated_compute_plan(number) }
    }
    register(&*store, plan, Change::ComputePlanRegistered).await?;
    let list = async |owner: Option<&str>, page| {
        store.compute_plans(&channel(), ComputePlanFilter { owner: owner.map(id) }, page).await
    };
    let expected = IN_ORDER.map(plan);
    assert_list(&expected, async |page| list(None, page).await).await?;
    let expected = [2, 4, 6].map(plan);
    assert_list(&expected, async |page| list(Some("even"), page).await).await?;
    // Owners are compared byte by byte.
    assert_list(&[], async |page| list(Some("Even"), page).await).await
}

/// Compute tasks by creation date and key; everything that is asked for must hold (compute/TASK-41).
pub async fn compute_tasks(store: Arc<dyn Store>) -> Result<()> {
    fn task(number: u32) -> ComputeTask {
        ComputeTask {
            worker: if number.is_multiple_of(2) { id("even") } else { id("odd") },
            status: if number < 4 { ComputeTaskStatus::Executing } else { ComputeTaskStatus::Done },
            compute_plan_key: key(number % 3),
            function_key: key(if number < 6 { 1 } else { 2 }),
            ..dated_compute_task(number)
        }
    }
    register(&*store, task, Change::ComputeTaskRegistered).await?;

    let even = || ComputeTaskFilter { worker: Some(id("even")), ..ComputeTaskFilter::default() };
    let executing =
        || ComputeTaskFilter { status: Some(ComputeTaskStatus::Executing), ..ComputeTaskFilter::default() };
    let of_plan = || ComputeTaskFilter { compute_plan_key: Some(key(1)), ..ComputeTaskFilter::default() };
    let of_function = || ComputeTaskFilter { function_key: Some(key(1)), ..ComputeTaskFilter::default() };
    let nobody = || ComputeTaskFilter { worker: Some(id("nobody")), ..ComputeTaskFilter::default() };
    let cases: [(ComputeTaskFilter, &[u32]); 10] = [
        (ComputeTaskFilter::default(), &IN_ORDER),
        (even(), &[2, 4, 6]),
        (executing(), &[2, 1, 3]),
        (of_plan(), &[4, 7, 1]),
        (of_function(), &[5, 2, 4, 1, 3]),
        (ComputeTaskFilter { worker: Some(id("even")), ..executing() }, &[2]),
        (ComputeTaskFilter { compute_plan_key: Some(key(1)), ..of_function() }, &[4, 1]),
        (
            ComputeTaskFilter { worker: Some(id("odd")), status: Some(ComputeTaskStatus::Done), ..of_plan() },
            &[7],
        ),
        (
            ComputeTaskFilter {
                function_key: Some(key(2)),
                status: Some(ComputeTaskStatus::Executing),
                ..even()
            },
            &[],
        ),
        (nobody(), &[]),
    ];
    for (filter, numbers) in cases {
        let expected: Vec<_> = numbers.iter().copied().map(task).collect();
        assert_list(&expected, async |page| {
            tasks(store.compute_tasks(&channel(), filter.clone(), page).await?)
        })
        .await?;
    }
    Ok(())
}

/// Performances by creation date ascending, task key descending, identifier ascending (compute/PERF-6).
pub async fn performances(store: Arc<dyn Store>) -> Result<()> {
    let expected = [
        performance(3, "b", 1),
        performance(9, "", 2),
        performance(9, "B", 2),
        performance(9, "a", 2),
        performance(9, "é", 2),
        performance(8, "a", 2),
        performance(2, "a", 3),
        performance(2, "b", 3),
        performance(1, "a", 3),
    ];
    let registered = expected
        .iter()
        .rev()
        .cloned()
        .map(|performance| Change::PerformanceRegistered(Arc::new(performance)));
    apply(&*store, registered.collect()).await?;

    let filter = |task: Option<u32>, identifier: Option<&str>| PerformanceFilter {
        compute_task_key: task.map(key),
        identifier: identifier.map(str::to_owned),
    };
    let only = |numbers: &[usize]| {
        numbers.iter().map(|number| expected[*number].clone()).collect::<Vec<Performance>>()
    };
    let cases: [(PerformanceFilter, Vec<Performance>); 5] = [
        (filter(None, None), expected.to_vec()),
        (filter(Some(9), None), only(&[1, 2, 3, 4])),
        (filter(None, Some("a")), only(&[3, 5, 6, 8])),
        (filter(Some(2), Some("b")), only(&[7])),
        (filter(Some(2), Some("c")), only(&[])),
    ];
    for (filter, expected) in cases {
        assert_list(&expected, async |page| store.performances(&channel(), filter.clone(), page).await)
            .await?;
    }
    Ok(())
}

/// What is registered between two pages neither hides nor repeats anything (core/PAG-8).
pub async fn pages_stay_together_while_others_write(store: Arc<dyn Store>) -> Result<()> {
    let plan = |number, date| ComputePlan { creation_date: at(date), ..compute_plan(number) };
    let registered = |plan: ComputePlan| Change::ComputePlanRegistered(Arc::new(plan));
    let list = async |page| store.compute_plans(&channel(), ComputePlanFilter::default(), page).await;
    apply(&*store, vec![registered(plan(10, 2)), registered(plan(20, 2)), registered(plan(30, 2))]).await?;

    let page = list(first(2)).await?;
    assert_eq!(page.items.iter().map(|(_, plan)| plan.key).collect::<Vec<_>>(), [10, 20].map(key));
    assert!(page.more);
    // One before the page, one within it, one after it; and something in another channel.
    apply(&*store, vec![registered(plan(1, 1)), registered(plan(15, 2)), registered(plan(25, 2))]).await?;
    apply_in(&*store, &other_channel(), vec![registered(plan(26, 2))]).await?;

    let (place, _) = page.items[1].clone();
    let rest = list(PageRequest { start: Start::After(place), size: 10 }).await?;
    // The page goes on after its last item.
    assert_eq!(rest.items.iter().map(|(_, plan)| plan.key).collect::<Vec<_>>(), [25, 30].map(key));
    assert!(!rest.more);
    // A walk from the beginning shows all.
    assert_eq!(
        walk(2, list).await?.iter().map(|plan| plan.key).collect::<Vec<_>>(),
        [1, 10, 15, 20, 25, 30].map(key)
    );
    Ok(())
}

/// A page that starts after a place starts there also if nothing is at that place.
pub async fn a_place_need_not_exist(store: Arc<dyn Store>) -> Result<()> {
    use crate::{ByDateAndKey, ByDateAndPerformance};
    use uuid::Uuid;
    register(&*store, dated_compute_plan, Change::ComputePlanRegistered).await?;
    let after = async |place| {
        let page = PageRequest { start: Start::After(place), size: 100 };
        let page = store.compute_plans(&channel(), ComputePlanFilter::default(), page).await?;
        Ok(numbers(&IN_ORDER.map(dated_compute_plan), &page.items))
    };
    assert_eq!(after(ByDateAndKey(Timestamp::MIN, Uuid::max())).await?, IN_ORDER);
    assert_eq!(after(ByDateAndKey(at(2), Uuid::from_u128(3))).await?, IN_ORDER[2..]);
    assert_eq!(after(ByDateAndKey(at(2), Uuid::max())).await?, IN_ORDER[4..]);
    assert_eq!(after(ByDateAndKey(Timestamp::MAX, Uuid::nil())).await?, [0_u32; 0]);

    let place = ByDateAndPerformance(at(1), key(1), "x".to_owned());
    let page = PageRequest { start: Start::After(place), size: 100 };
    assert_eq!(store.performances(&channel(), PerformanceFilter::default(), page).await?.items, []);
    Ok(())
}

/// The numbers of the assets that were found, given the assets in the order of [`IN_ORDER`].
fn numbers<A: PartialEq + Debug, P>(all: &[A], found: &[(P, A)]) -> Vec<u32> {
    let number =
        |asset: &A| all.iter().zip(IN_ORDER).find(|(other, _)| *other == asset).map(|(_, number)| number);
    found.iter().filter_map(|(_, asset)| number(asset)).collect()
}
