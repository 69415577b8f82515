//! The access paths of facts, one case for each that is not a plain look-up by key.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use asset::compute_task::ComputeTaskStatus as Status;
use asset::{
    Change, ComputePlan, ComputeTask, DataManager, DataSample, Facts, Function, FunctionStatus, Model, Needs,
    OutputAsset,
};

use super::samples::{
    asset_input, at, channel, child_task, compute_plan, compute_task, data_manager, data_sample,
    failure_report, file, function, key, model, output_model, output_performance, parent_output, performance,
};
use super::steps::{apply, begin, found, known, load};
use crate::{Result, Stages, Store};

/// Everything that was asked for is known afterwards, also that it is not there.
pub async fn what_is_not_there_is_known_to_be_absent(store: Arc<dyn Store>) -> Result<()> {
    for facts in load(&*store, &everything()).await? {
        let mut missing = everything();
        missing.task_statuses.clear();
        missing.retain_missing(&facts);
        // Nothing is left to be loaded.
        assert!(missing.is_empty(), "{missing:?}");
        // The keys are free.
        assert_eq!(facts.data_managers.require_free(key(1)), Ok(()));
        assert_eq!(facts.data_samples.require_free(key(1)), Ok(()));
        assert_eq!(facts.functions.require_free(key(1)), Ok(()));
        assert_eq!(facts.compute_plans.require_free(key(1)), Ok(()));
        assert_eq!(facts.compute_tasks.require_free(key(1)), Ok(()));
        assert_eq!(facts.models.require_free(key(1)), Ok(()));
        assert_eq!(facts.failure_reports.require_free(key(1)), Ok(()));
        // The rest is empty.
        assert_eq!(facts.organizations, Some(Default::default()));
        assert_eq!(facts.task_status(key(1)), None);
        assert_eq!(facts.children[&key(1)], []);
        assert_eq!(facts.unbuilt_tasks[&key(1)], []);
        assert_eq!(facts.output_assets[&key(1)], []);
        assert_eq!(facts.model_users[&key(1)], []);
        assert!(!facts.addresses["nowhere"]);
        assert_eq!(facts.samples_of_managers[&key(1)], []);
        assert_eq!(facts.statuses_in_plans[&key(1)], HashSet::new());
    }
    Ok(())
}

fn everything() -> Needs {
    Needs {
        organizations: true,
        data_managers: [key(1)].into(),
        data_samples: [key(1)].into(),
        functions: [key(1)].into(),
        compute_plans: [key(1)].into(),
        compute_tasks: [key(1)].into(),
        task_statuses: [key(1)].into(),
        children: [key(1)].into(),
        unbuilt_tasks: [key(1)].into(),
        output_assets: [key(1)].into(),
        models: [key(1)].into(),
        model_users: [key(1)].into(),
        failure_reports: [key(1)].into(),
        addresses: ["nowhere".to_owned()].into(),
        samples_of_managers: [key(1)].into(),
        statuses_in_plans: [key(1)].into(),
    }
}

/// Changes of the batch lie over the facts; loading more must not bring back what is stored.
pub async fn loading_never_overwrites_what_is_known(store: Arc<dyn Store>) -> Result<()> {
    let inputs = vec![parent_output(1), asset_input(11)];
    let user = ComputeTask { inputs, ..compute_task(2) };
    let stored = vec![
        Change::DataManagerRegistered(Arc::new(data_manager(1))),
        Change::FunctionRegistered(Arc::new(function(1))),
        Change::ComputePlanRegistered(Arc::new(compute_plan(1))),
        Change::ComputeTaskRegistered(Arc::new(compute_task(1))),
        Change::ComputeTaskRegistered(Arc::new(user.clone())),
        Change::ComputeTaskRegistered(Arc::new(child_task(3, &[1]))),
        Change::ModelRegistered(Arc::new(model(11, 1))),
        Change::OutputAssetRegistered(Arc::new(output_model(&model(11, 1), 1))),
    ];
    apply(&*store, stored).await?;

    let manager = DataManager { name: "changed".to_owned(), ..data_manager(1) };
    let function = Function { status: FunctionStatus::Building, ..function(1) };
    let plan = ComputePlan { name: "changed".to_owned(), ..compute_plan(1) };
    let child = ComputeTask { status: Status::Building, ..child_task(3, &[1]) };
    let model = Model { address: None, ..model(11, 1) };
    let changes = [
        Change::DataManagerRenamed(Arc::new(manager.clone())),
        Change::FunctionStatusChanged { function: Arc::new(function.clone()), reason: String::new() },
        Change::ComputePlanRenamed(Arc::new(plan.clone())),
        Change::ComputeTaskStatusChanged { task: Arc::new(child.clone()), reason: String::new() },
        Change::ModelDisabled {
            model: Arc::new(model.clone()),
            address_before: file("model/11").storage_address,
        },
    ];

    let mut batch = begin(&*store, &channel()).await?;
    let mut facts = Facts::default();
    let by_key = Needs {
        data_managers: [key(1)].into(),
        functions: [key(1)].into(),
        compute_plans: [key(1)].into(),
        compute_tasks: [key(3)].into(),
        models: [key(11)].into(),
        addresses: [file("model/11").storage_address].into(),
        ..Needs::default()
    };
    batch.load(&by_key, &mut facts).await?;
    changes.iter().for_each(|change| facts.apply(change));
    facts.task_statuses.insert(user.key, Status::Executing);
    let mut by_path = Needs {
        task_statuses: [key(2), key(3)].into(),
        children: [key(1)].into(),
        unbuilt_tasks: [key(1)].into(),
        output_assets: [key(1)].into(),
        model_users: [key(11)].into(),
        ..by_key
    };
    by_path.retain_missing(&facts);
    batch.load(&by_path, &mut facts).await?;

    // What the batch has changed stays changed, whichever way leads to it.
    assert_eq!(known(&facts.data_managers, key(1)), Some(&manager));
    assert_eq!(known(&facts.functions, key(1)), Some(&function));
    assert_eq!(known(&facts.compute_plans, key(1)), Some(&plan));
    assert_eq!(known(&facts.compute_tasks, key(3)), Some(&child));
    assert_eq!(known(&facts.models, key(11)), Some(&model));
    assert_eq!(facts.task_statuses.get(&key(2)), Some(&Status::Executing));
    assert_eq!(facts.task_status(key(3)), Some(Status::Building));
    assert!(!facts.addresses[&file("model/11").storage_address]);
    // What was not known is there now.
    assert_eq!(known(&facts.compute_tasks, key(2)), Some(&user));
    assert_eq!(facts.children[&key(1)], [2, 3].map(key));
    Ok(())
}

/// Stages see what the earlier ones have loaded, and all see the same state, whatever is written meanwhile (core/TX-8).
pub async fn stages_read_one_snapshot(store: Arc<dyn Store>) -> Result<()> {
    /// Loads a task; before it loads the task's function, both change together: the function is always named after the task's status.
    struct Meddling {
        store: Arc<dyn Store>,
        statuses: Mutex<Vec<Status>>,
    }

    impl Stages for Meddling {
        fn missing(&self, facts: &Facts) -> Needs {
            let Some(task) = facts.compute_tasks.get(key(1)) else {
                return Needs { compute_tasks: [key(1)].into(), ..Needs::default() };
            };
            let mut needs = Needs { functions: [task.function_key].into(), ..Needs::default() };
            needs.retain_missing(facts);
            let next = self.statuses.lock().unwrap_or_else(PoisonError::into_inner).pop();
            if let (false, Some(status)) = (needs.is_empty(), next) {
                let task = Arc::new(ComputeTask { status, ..compute_task(1) });
                let changes = vec![
                    Change::FunctionUpdated {
                        function: Arc::new(named_after(status)),
                        image_address_before: None,
                    },
                    Change::ComputeTaskStatusChanged { task, reason: String::new() },
                ];
                let write = async || apply(&*self.store, changes.clone()).await;
                let written =
                    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(write()));
                assert!(written.is_ok(), "{written:?}");
            }
            needs
        }
    }

    fn named_after(status: Status) -> Function {
        Function { name: status.as_str().to_owned(), ..function(1) }
    }

    let registered = vec![
        Change::FunctionRegistered(Arc::new(named_after(compute_task(1).status))),
        Change::ComputeTaskRegistered(Arc::new(compute_task(1))),
    ];
    apply(&*store, registered).await?;
    let stages = Meddling { store: Arc::clone(&store), statuses: Mutex::new(Status::ALL.to_vec()) };
    let facts = store.read(&channel(), Arc::new(stages)).await?;
    // The function is as it was when the task was read.
    let [task] = &found(&facts.compute_tasks, &[key(1)])[..] else { panic!("the task is not there") };
    assert_eq!(found(&facts.functions, &[key(1)]), [named_after(task.status)]);
    Ok(())
}

/// Children, as whole tasks, in order of registration.
pub async fn children(store: Arc<dyn Store>) -> Result<()> {
    let named_twice = child_task(5, &[1, 1, 2]);
    let same_date =
        |number, parents: &[u32]| ComputeTask { creation_date: at(9), ..child_task(number, parents) };
    // In one call the order of registration is not that of the keys.
    let registered =
        [compute_task(1), compute_task(2), named_twice, same_date(8, &[1]), same_date(7, &[2, 1])];
    apply(&*store, registered.iter().cloned().map(task_registered).collect()).await?;
    apply(&*store, vec![task_registered(same_date(6, &[1]))]).await?;

    for facts in
        load(&*store, &Needs { children: [key(1), key(2), key(5)].into(), ..Needs::default() }).await?
    {
        assert_eq!(facts.children[&key(1)], [5, 8, 7, 6].map(key));
        assert_eq!(facts.children[&key(2)], [5, 7].map(key));
        assert_eq!(facts.children[&key(5)], []);
        assert_eq!(found(&facts.compute_tasks, &[key(5), key(8), key(7)]), registered[2..]);
        // Parents come only if they are asked for.
        assert!(!facts.compute_tasks.knows(key(1)));
    }
    Ok(())
}

/// The tasks of a function that wait for the builder or the build, as whole tasks, in order of registration.
pub async fn unbuilt_tasks(store: Arc<dyn Store>) -> Result<()> {
    let in_status = |(number, status)| ComputeTask { status, creation_date: at(1), ..compute_task(number) };
    let tasks: Vec<_> = (1..9).zip(Status::ALL).map(in_status).rev().collect();
    let of_another = ComputeTask { function_key: key(2), ..compute_task(20) };
    apply(&*store, tasks.iter().cloned().chain([of_another.clone()]).map(task_registered).collect()).await?;

    for facts in
        load(&*store, &Needs { unbuilt_tasks: [key(1), key(2), key(3)].into(), ..Needs::default() }).await?
    {
        assert_eq!(facts.unbuilt_tasks[&key(1)], [8, 7].map(key));
        assert_eq!(facts.unbuilt_tasks[&key(2)], [key(20)]);
        assert_eq!(facts.unbuilt_tasks[&key(3)], []);
        assert_eq!(found(&facts.compute_tasks, &[key(8), key(7)]), tasks[..2]);
        assert_eq!(known(&facts.compute_tasks, key(20)), Some(&of_another));
    }

    let built = ComputeTask { status: Status::WaitingForExecutorSlot, ..tasks[0].clone() };
    apply(&*store, vec![Change::ComputeTaskStatusChanged { task: Arc::new(built), reason: String::new() }])
        .await?;
    for facts in load(&*store, &Needs { unbuilt_tasks: [key(1)].into(), ..Needs::default() }).await? {
        // A task that is built waits no longer.
        assert_eq!(facts.unbuilt_tasks[&key(1)], [key(7)]);
    }
    Ok(())
}

/// Only the statuses of tasks.
pub async fn task_statuses(store: Arc<dyn Store>) -> Result<()> {
    let in_status = |(number, status)| task_registered(ComputeTask { status, ..compute_task(number) });
    apply(&*store, (1..).zip(Status::ALL).map(in_status).collect()).await?;

    for facts in
        load(&*store, &Needs { task_statuses: (1..=9).map(key).collect(), ..Needs::default() }).await?
    {
        for (number, status) in (1..).zip(Status::ALL) {
            assert_eq!(facts.task_status(key(number)), Some(status));
            assert!(!facts.compute_tasks.knows(key(number)));
        }
        assert_eq!(facts.task_status(key(9)), None);
    }
    Ok(())
}

/// Output assets of several tasks, each with its own models.
pub async fn output_models(store: Arc<dyn Store>) -> Result<()> {
    let disabled = Model { address: None, ..model(12, 2) };
    let models = [model(11, 1), disabled.clone(), model(13, 3)];
    let registered = models.iter().cloned().flat_map(|model| {
        let output_asset = output_model(&model, 1);
        [Change::ModelRegistered(Arc::new(model)), Change::OutputAssetRegistered(Arc::new(output_asset))]
    });
    let figure = output_performance(&performance(2, "figure", 2));
    apply(&*store, registered.chain([Change::OutputAssetRegistered(Arc::new(figure.clone()))]).collect())
        .await?;

    for facts in
        load(&*store, &Needs { output_assets: [1, 2, 4].map(key).into(), ..Needs::default() }).await?
    {
        let assets = |task| {
            facts.output_assets[&key(task)].iter().map(|asset| OutputAsset::clone(asset)).collect::<Vec<_>>()
        };
        assert_eq!(assets(1), [output_model(&models[0], 1)]);
        assert_eq!(assets(2), [figure.clone(), output_model(&disabled, 1)]);
        assert_eq!(assets(4), []);
        assert_eq!(found(&facts.models, &[11, 12].map(key)), models[..2]);
        // What was not asked for is not there.
        assert!(!facts.models.knows(key(13)));
    }
    Ok(())
}

/// The tasks that name a model by its key, with their statuses.
pub async fn model_users(store: Arc<dyn Store>) -> Result<()> {
    let using = |number, assets: &[u32], status| {
        let inputs = assets.iter().map(|asset| asset_input(*asset)).collect();
        task_registered(ComputeTask { inputs, status, ..compute_task(number) })
    };
    let used = |model, task| Change::ModelUsed { model: key(model), compute_task: key(task) };
    let changes = vec![
        using(1, &[11, 12], Status::Done),
        used(11, 1),
        used(12, 1),
        using(2, &[12, 12], Status::Executing),
        used(12, 2),
        using(3, &[13], Status::Failed),
        used(13, 3),
        // A child of the model's task does not name the model.
        task_registered(child_task(4, &[11])),
    ];
    apply(&*store, changes).await?;

    for facts in
        load(&*store, &Needs { model_users: [11, 12, 14].map(key).into(), ..Needs::default() }).await?
    {
        let users = |model| facts.model_users[&key(model)].iter().copied().collect::<HashSet<_>>();
        assert_eq!(users(11), [key(1)].into());
        assert_eq!(users(12), [key(1), key(2)].into());
        assert_eq!(users(14), [].into());
        // Each of them once.
        assert_eq!(facts.model_users[&key(12)].len(), 2);
        assert_eq!(facts.task_status(key(1)), Some(Status::Done));
        assert_eq!(facts.task_status(key(2)), Some(Status::Executing));
    }
    Ok(())
}

/// Addresses are in use from the change that claims them to the one that releases them.
pub async fn addresses(store: Arc<dyn Store>) -> Result<()> {
    let at_address = |number, name: &str| Model { address: Some(file(name)), ..model(number, 1) };
    let disabled = |number, name: &str| Change::ModelDisabled {
        model: Arc::new(Model { address: None, ..model(number, 1) }),
        address_before: file(name).storage_address,
    };
    let claimed = |number, name: &str| Change::ModelRegistered(Arc::new(at_address(number, name)));

    apply(
        &*store,
        vec![claimed(1, "one"), claimed(2, "two"), Change::FunctionRegistered(Arc::new(function(1)))],
    )
    .await?;
    assert_addresses(
        &*store,
        &[("one", true), ("two", true), ("function/1/archive", true), ("three", false)],
    )
    .await?;

    // Released, and claimed by another asset in the same batch.
    apply(&*store, vec![disabled(1, "one"), claimed(3, "one"), disabled(2, "two")]).await?;
    assert_addresses(&*store, &[("one", true), ("two", false)]).await?;

    // Claimed and released in the same batch.
    apply(&*store, vec![claimed(4, "four"), disabled(4, "four"), claimed(5, "two")]).await?;
    assert_addresses(&*store, &[("four", false), ("two", true)]).await?;

    // An image takes the place of another.
    let with_image = |name: &str, before: Option<&str>| Change::FunctionUpdated {
        function: Arc::new(Function { image: Some(file(name)), ..function(1) }),
        image_address_before: before.map(|name| file(name).storage_address),
    };
    apply(&*store, vec![with_image("image/1", None)]).await?;
    apply(&*store, vec![with_image("image/2", Some("image/1"))]).await?;
    assert_addresses(&*store, &[("image/1", false), ("image/2", true), ("function/1/archive", true)]).await?;

    apply(&*store, vec![Change::FailureReportRegistered(Arc::new(failure_report(1)))]).await?;
    assert_addresses(&*store, &[("failure-report/1", true)]).await
}

async fn assert_addresses(store: &dyn Store, expected: &[(&str, bool)]) -> Result<()> {
    let address = |name: &str| file(name).storage_address;
    let addresses = expected.iter().map(|(name, _)| address(name)).collect();
    for facts in load(store, &Needs { addresses, ..Needs::default() }).await? {
        for (name, in_use) in expected {
            assert_eq!(facts.addresses.get(&address(name)), Some(in_use), "{name}");
        }
    }
    Ok(())
}

/// The samples of a manager, by creation date and key (core/DST-2).
pub async fn samples_of_managers(store: Arc<dyn Store>) -> Result<()> {
    let sample = |number, date, managers: &[u32]| DataSample {
        data_manager_keys: managers.iter().copied().map(key).collect(),
        creation_date: at(date),
        ..data_sample(number)
    };
    let samples = [sample(4, 1, &[1]), sample(3, 2, &[2, 1]), sample(2, 2, &[1]), sample(1, 3, &[2])];
    let registered = samples.into_iter().rev().map(|sample| Change::DataSampleRegistered(Arc::new(sample)));
    apply(&*store, registered.collect()).await?;
    let linked = Change::DataSampleLinked { sample: Arc::new(sample(1, 3, &[2, 1])), added: vec![key(1)] };
    apply(&*store, vec![linked]).await?;

    for facts in
        load(&*store, &Needs { samples_of_managers: [1, 2, 3].map(key).into(), ..Needs::default() }).await?
    {
        assert_eq!(facts.samples_of_managers[&key(1)], [4, 2, 3, 1].map(key));
        assert_eq!(facts.samples_of_managers[&key(2)], [3, 1].map(key));
        assert_eq!(facts.samples_of_managers[&key(3)], []);
    }
    Ok(())
}

/// Which statuses occur among the tasks of a plan.
pub async fn statuses_in_plans(store: Arc<dyn Store>) -> Result<()> {
    let task =
        |number, plan, status| ComputeTask { compute_plan_key: key(plan), status, ..compute_task(number) };
    let tasks = [
        task(1, 1, Status::Done),
        task(2, 1, Status::Done),
        task(3, 1, Status::Executing),
        task(4, 2, Status::WaitingForParentTasks),
    ];
    let in_every_status = (10..).zip(Status::ALL).map(|(number, status)| task(number, 3, status));
    apply(&*store, tasks.iter().cloned().chain(in_every_status).map(task_registered).collect()).await?;
    let done = Arc::new(task(4, 2, Status::Canceled));
    apply(&*store, vec![Change::ComputeTaskStatusChanged { task: done, reason: String::new() }]).await?;

    for facts in
        load(&*store, &Needs { statuses_in_plans: [1, 2, 3, 4].map(key).into(), ..Needs::default() }).await?
    {
        assert_eq!(facts.statuses_in_plans[&key(1)], [Status::Done, Status::Executing].into());
        assert_eq!(facts.statuses_in_plans[&key(2)], [Status::Canceled].into());
        assert_eq!(facts.statuses_in_plans[&key(3)], Status::ALL.into());
        assert_eq!(facts.statuses_in_plans[&key(4)], HashSet::new());
    }
    Ok(())
}

fn task_registered(task: ComputeTask) -> Change {
    Change::ComputeTaskRegistered(Arc::new(task))
}
