//! Every kind of asset comes back as it was written, from facts and from lists, and so does every change of it.

use std::sync::Arc;

use asset::compute_task::{InputSource, TaskInput};
use asset::failure_report::{ErrorType, FailedAssetKind};
use asset::key::Key;
use asset::{
    Change, ComputePlan, ComputeTask, ComputeTaskStatus, DataManager, DataSample, FailureReport, Function,
    FunctionStatus, Model, Needs, Organization, Performance, Timestamp,
};
use uuid::Uuid;

use super::samples::{
    asset_input, at, channel, compute_plan, compute_task, data_manager, data_sample, failure_report, file,
    function, id, key, metadata, model, organization, output_model, output_performance, parent_output,
    performance, permission,
};
use super::steps::{apply, first, found, known, load, tasks};
use crate::{Result, Store};

/// Organizations, by creation date and id (core/ORG-8).
pub async fn organizations(store: Arc<dyn Store>) -> Result<()> {
    let registered = [organization("b", 1), organization("B", 2), organization("a", 2), organization("é", 2)];
    let reachable_nowhere = Organization { address: String::new(), ..organization("c", 3) };
    let mut expected = registered.to_vec();
    expected.push(reachable_nowhere);
    let changes = expected
        .iter()
        .rev()
        .cloned()
        .map(|organization| Change::OrganizationRegistered(Arc::new(organization)));
    apply(&*store, changes.collect()).await?;

    // Ids are compared byte by byte.
    assert_eq!(store.organizations(&channel()).await?, expected);
    for facts in load(&*store, &Needs { organizations: true, ..Needs::default() }).await? {
        let known = facts.organizations.unwrap_or_default();
        assert_eq!(known.len(), 5);
        for organization in &expected {
            assert_eq!(known.get(&organization.id).map(|known| &**known), Some(organization));
        }
    }
    Ok(())
}

/// Data managers; their names change.
pub async fn data_managers(store: Arc<dyn Store>) -> Result<()> {
    apply(&*store, vec![Change::DataManagerRegistered(Arc::new(data_manager(1)))]).await?;
    assert_data_managers(&*store, &[data_manager(1)]).await?;

    let renamed = DataManager { name: "another name".to_owned(), ..data_manager(1) };
    let other = Change::DataManagerRegistered(Arc::new(data_manager(2)));
    apply(&*store, vec![Change::DataManagerRenamed(Arc::new(renamed.clone())), other]).await?;
    assert_data_managers(&*store, &[renamed, data_manager(2)]).await
}

async fn assert_data_managers(store: &dyn Store, expected: &[DataManager]) -> Result<()> {
    let keys: Vec<_> = expected.iter().map(|manager| manager.key).collect();
    for facts in
        load(store, &Needs { data_managers: keys.iter().copied().collect(), ..Needs::default() }).await?
    {
        assert_eq!(found(&facts.data_managers, &keys), expected);
    }
    let listed = store.data_managers(&channel(), first(10)).await?;
    assert!(listed.items.iter().map(|(_, manager)| manager).eq(expected));
    Ok(())
}

/// Data samples keep their managers in the order of linking; links are added, never taken away (core/DS-17).
pub async fn data_samples(store: Arc<dyn Store>) -> Result<()> {
    let alone = DataSample { data_manager_keys: Vec::new(), ..data_sample(2) };
    let changes =
        [data_sample(1), alone.clone()].map(|sample| Change::DataSampleRegistered(Arc::new(sample)));
    apply(&*store, changes.into()).await?;
    assert_data_samples(&*store, &[data_sample(1), alone.clone()]).await?;

    let added = vec![key(9), key(4)];
    let data_manager_keys = vec![key(3), key(1), key(2), key(9), key(4)];
    let linked = DataSample { data_manager_keys, ..data_sample(1) };
    let no_longer_alone = DataSample { data_manager_keys: added.clone(), ..alone };
    let changes = [linked.clone(), no_longer_alone.clone()]
        .map(|sample| Change::DataSampleLinked { sample: Arc::new(sample), added: added.clone() });
    apply(&*store, changes.into()).await?;
    assert_data_samples(&*store, &[linked, no_longer_alone]).await
}

async fn assert_data_samples(store: &dyn Store, expected: &[DataSample]) -> Result<()> {
    let keys: Vec<_> = expected.iter().map(|sample| sample.key).collect();
    for facts in
        load(store, &Needs { data_samples: keys.iter().copied().collect(), ..Needs::default() }).await?
    {
        assert_eq!(found(&facts.data_samples, &keys), expected);
    }
    let listed = store.data_samples(&channel(), Default::default(), first(10)).await?;
    assert!(listed.items.iter().map(|(_, sample)| sample).eq(expected));
    Ok(())
}

/// A sample that is registered and linked further in one batch.
pub async fn data_samples_linked_at_once(store: Arc<dyn Store>) -> Result<()> {
    let linked = DataSample { data_manager_keys: vec![key(3), key(1), key(2), key(4)], ..data_sample(1) };
    let changes = vec![
        Change::DataSampleRegistered(Arc::new(data_sample(1))),
        Change::DataSampleLinked { sample: Arc::new(linked.clone()), added: vec![key(4)] },
        // Named again, for its event.
        Change::DataSampleLinked { sample: Arc::new(linked.clone()), added: Vec::new() },
    ];
    apply(&*store, changes).await?;
    assert_data_samples(&*store, &[linked]).await
}

/// Functions; their names, images and statuses change.
pub async fn functions(store: Arc<dyn Store>) -> Result<()> {
    let bare = Function {
        inputs: Default::default(),
        outputs: Default::default(),
        metadata: Default::default(),
        ..function(2)
    };
    let changes = [function(1), bare.clone()].map(|function| Change::FunctionRegistered(Arc::new(function)));
    apply(&*store, changes.into()).await?;
    assert_functions(&*store, &[function(1), bare.clone()]).await?;

    for status in FunctionStatus::ALL {
        let moved = Function { status, ..function(1) };
        let change =
            Change::FunctionStatusChanged { function: Arc::new(moved.clone()), reason: String::new() };
        apply(&*store, vec![change]).await?;
        assert_functions(&*store, &[moved, bare.clone()]).await?;
    }

    let image = |name| Function { name: "built".to_owned(), image: Some(file(name)), ..bare.clone() };
    let updates = [(image("image/1"), None), (image("image/2"), Some(file("image/1").storage_address))];
    for (updated, image_address_before) in updates {
        let change = Change::FunctionUpdated { function: Arc::new(updated.clone()), image_address_before };
        apply(&*store, vec![change]).await?;
        assert_functions(&*store, &[Function { status: FunctionStatus::Failed, ..function(1) }, updated])
            .await?;
    }
    Ok(())
}

async fn assert_functions(store: &dyn Store, expected: &[Function]) -> Result<()> {
    let keys: Vec<_> = expected.iter().map(|function| function.key).collect();
    for facts in load(store, &Needs { functions: keys.iter().copied().collect(), ..Needs::default() }).await?
    {
        assert_eq!(found(&facts.functions, &keys), expected);
    }
    let listed = store.functions(&channel(), Default::default(), first(10)).await?;
    assert!(listed.items.iter().map(|(_, function)| function).eq(expected));
    Ok(())
}

/// Compute plans; their names, cancelation dates and failure dates change.
pub async fn compute_plans(store: Arc<dyn Store>) -> Result<()> {
    let changes = [1, 2, 3].map(|number| Change::ComputePlanRegistered(Arc::new(compute_plan(number))));
    apply(&*store, changes.into()).await?;
    assert_compute_plans(&*store, &[1, 2, 3].map(compute_plan)).await?;

    let renamed = ComputePlan { name: "another name".to_owned(), ..compute_plan(1) };
    let canceled = ComputePlan { cancelation_date: Some(at(8)), ..compute_plan(2) };
    let failed = ComputePlan { failure_date: Some(at(9)), ..compute_plan(3) };
    let changes = vec![
        Change::ComputePlanRenamed(Arc::new(renamed.clone())),
        Change::ComputePlanCanceled(Arc::new(canceled.clone())),
        Change::ComputePlanFailed(Arc::new(failed.clone())),
    ];
    apply(&*store, changes).await?;
    assert_compute_plans(&*store, &[renamed, canceled, failed]).await
}

async fn assert_compute_plans(store: &dyn Store, expected: &[ComputePlan]) -> Result<()> {
    let keys: Vec<_> = expected.iter().map(|plan| plan.key).collect();
    for facts in
        load(store, &Needs { compute_plans: keys.iter().copied().collect(), ..Needs::default() }).await?
    {
        assert_eq!(found(&facts.compute_plans, &keys), expected);
    }
    let listed = store.compute_plans(&channel(), Default::default(), first(10)).await?;
    assert!(listed.items.iter().map(|(_, plan)| plan).eq(expected));
    Ok(())
}

/// Compute tasks; their statuses change.
pub async fn compute_tasks(store: Arc<dyn Store>) -> Result<()> {
    let inputs = vec![
        parent_output(9),
        asset_input(7),
        // The same asset again, and the same parent by another output.
        asset_input(7),
        TaskInput {
            identifier: "start".to_owned(),
            source: InputSource::ParentOutput {
                parent_task_key: key(9),
                output_identifier: "other".to_owned(),
            },
        },
        TaskInput { identifier: "samples".to_owned(), source: InputSource::Asset(Uuid::max()) },
    ];
    let full = ComputeTask { inputs, rank: i32::MAX, ..compute_task(1) };
    let bare = ComputeTask { outputs: Default::default(), metadata: Default::default(), ..compute_task(2) };
    let changes = [full.clone(), bare.clone()].map(|task| Change::ComputeTaskRegistered(Arc::new(task)));
    apply(&*store, changes.into()).await?;
    assert_compute_tasks(&*store, &[full.clone(), bare.clone()]).await?;

    for status in ComputeTaskStatus::ALL {
        let moved = ComputeTask { status, ..full.clone() };
        let change =
            Change::ComputeTaskStatusChanged { task: Arc::new(moved.clone()), reason: String::new() };
        apply(&*store, vec![change]).await?;
        assert_compute_tasks(&*store, &[moved, bare.clone()]).await?;
    }
    Ok(())
}

async fn assert_compute_tasks(store: &dyn Store, expected: &[ComputeTask]) -> Result<()> {
    let keys: Vec<_> = expected.iter().map(|task| task.key).collect();
    for facts in
        load(store, &Needs { compute_tasks: keys.iter().copied().collect(), ..Needs::default() }).await?
    {
        assert_eq!(found(&facts.compute_tasks, &keys), expected);
    }
    let listed = tasks(store.compute_tasks(&channel(), Default::default(), first(10)).await?)?;
    assert!(listed.items.iter().map(|(_, task)| task).eq(expected));
    Ok(())
}

/// Models lose their addresses.
pub async fn models(store: Arc<dyn Store>) -> Result<()> {
    let changes = [model(1, 5), model(2, 5)].map(|model| Change::ModelRegistered(Arc::new(model)));
    apply(&*store, changes.into()).await?;
    assert_models(&*store, &[model(1, 5), model(2, 5)]).await?;

    let disabled = Model { address: None, ..model(1, 5) };
    let address_before = file("model/1").storage_address;
    apply(&*store, vec![Change::ModelDisabled { model: Arc::new(disabled.clone()), address_before }]).await?;
    assert_models(&*store, &[disabled, model(2, 5)]).await
}

async fn assert_models(store: &dyn Store, expected: &[Model]) -> Result<()> {
    let keys: Vec<_> = expected.iter().map(|model| model.key).collect();
    for facts in load(store, &Needs { models: keys.iter().copied().collect(), ..Needs::default() }).await? {
        assert_eq!(found(&facts.models, &keys), expected);
    }
    Ok(())
}

/// Performances hold any 32-bit float, bit by bit (compute/PERF-3).
pub async fn performances(store: Arc<dyn Store>) -> Result<()> {
    let values = [
        0.0,
        -0.0,
        0.1,
        -1.5,
        f32::MIN,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let registered: Vec<_> = (1..)
        .zip(values)
        .map(|(number, value)| Performance { value, ..performance(number, "figure", number) })
        .collect();
    let changes =
        registered.iter().cloned().map(|performance| Change::PerformanceRegistered(Arc::new(performance)));
    apply(&*store, changes.collect()).await?;

    let listed = store.performances(&channel(), Default::default(), first(100)).await?;
    assert_eq!(listed.items.len(), values.len());
    for ((_, found), expected) in listed.items.iter().zip(&registered) {
        assert_eq!(found.compute_task_key, expected.compute_task_key);
        assert_eq!(found.identifier, expected.identifier);
        assert_eq!(found.creation_date, expected.creation_date);
        // One not-a-number is as good as another.
        assert!(
            found.value.to_bits() == expected.value.to_bits()
                || (found.value.is_nan() && expected.value.is_nan())
        );
    }
    Ok(())
}

/// Output assets, by identifier and position, with their models.
pub async fn output_assets(store: Arc<dyn Store>) -> Result<()> {
    let models = [model(11, 1), model(12, 1)];
    let expected = [
        output_performance(&performance(1, "Figure", 1)),
        output_performance(&performance(1, "figure", 1)),
        output_model(&models[1], 1),
        output_model(&models[0], 2),
    ];
    let changes = expected
        .iter()
        .rev()
        .cloned()
        .map(|output_asset| Change::OutputAssetRegistered(Arc::new(output_asset)));
    let models_registered = models.iter().cloned().map(|model| Change::ModelRegistered(Arc::new(model)));
    apply(&*store, models_registered.chain(changes).collect()).await?;

    for facts in load(&*store, &Needs { output_assets: [key(1)].into(), ..Needs::default() }).await? {
        let found_assets = facts.output_assets.get(&key(1)).map(Vec::as_slice).unwrap_or_default();
        assert!(found_assets.iter().map(|asset| &**asset).eq(&expected), "{found_assets:?}");
        assert_eq!(found(&facts.models, &[key(11), key(12)]), models);
    }
    Ok(())
}

/// Failure reports, with and without logs, and an old one that does not say what failed.
pub async fn failure_reports(store: Arc<dyn Store>) -> Result<()> {
    let reports = [
        failure_report(1),
        FailureReport {
            asset_type: Some(FailedAssetKind::Function),
            error_type: ErrorType::Build,
            ..failure_report(2)
        },
        FailureReport { error_type: ErrorType::Internal, logs_address: None, ..failure_report(3) },
        FailureReport { asset_type: None, ..failure_report(4) },
    ];
    let changes = reports.iter().cloned().map(|report| Change::FailureReportRegistered(Arc::new(report)));
    apply(&*store, changes.collect()).await?;

    let needs = Needs { failure_reports: [1, 2, 3, 4, 5].map(key).into(), ..Needs::default() };
    for facts in load(&*store, &needs).await? {
        for report in &reports {
            let found = facts.failure_reports.get(report.asset_key).map(|found| &**found);
            assert_eq!(found, Some(report));
        }
        // Asked for, and not there.
        assert_eq!(facts.failure_reports.require_free(key(5)), Ok(()));
    }
    Ok(())
}

/// Texts are kept as they are, whatever is in them.
pub async fn texts(store: Arc<dyn Store>) -> Result<()> {
    let texts = [
        "",
        " ",
        "'; DROP TABLE \"function\"; --",
        "\"quoted\" \\ back\\slashed",
        "line\nbreak\r\ttab \u{1} \u{7f}",
        "%_*?[]",
        "{\"json\": [1, null]}",
        "Ünïcödé ß ﬁ é e\u{301}",
        "漢字 العربية 👩‍🔬 \u{10FFFF}",
        "null",
        "100 bytes: 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123",
    ];
    for (number, text) in (1..).zip(texts) {
        let plan = ComputePlan {
            name: text.to_owned(),
            tag: text.to_owned(),
            owner: id(text),
            metadata: metadata(&[(text, text), ("other", "entry")]),
            ..compute_plan(number)
        };
        let mut manager = data_manager(number);
        manager.name = text.to_owned();
        manager.logs_permission = permission(false, &[text, "owner", text]);
        manager.opener.checksum = text.to_owned();
        manager.opener.storage_address = format!("{number}/{text}");
        let mut function = function(number);
        let output = function.outputs["models"];
        function.outputs.insert(text.to_owned(), output);
        let performance = performance(number, text, number);
        let output_asset = output_performance(&performance);
        apply(
            &*store,
            vec![
                Change::ComputePlanRegistered(Arc::new(plan.clone())),
                Change::DataManagerRegistered(Arc::new(manager.clone())),
                Change::FunctionRegistered(Arc::new(function.clone())),
                Change::PerformanceRegistered(Arc::new(performance)),
                Change::OutputAssetRegistered(Arc::new(output_asset.clone())),
            ],
        )
        .await?;

        let address = manager.opener.storage_address.clone();
        let needs = Needs {
            compute_plans: [plan.key].into(),
            data_managers: [manager.key].into(),
            functions: [function.key].into(),
            output_assets: [key(number)].into(),
            addresses: [address.clone(), address.to_uppercase(), format!("{address} ")].into(),
            ..Needs::default()
        };
        for facts in load(&*store, &needs).await? {
            assert_eq!(known(&facts.compute_plans, plan.key), Some(&plan));
            assert_eq!(known(&facts.data_managers, manager.key), Some(&manager));
            assert_eq!(known(&facts.functions, function.key), Some(&function));
            let outputs = facts.output_assets.get(&key(number)).map(Vec::as_slice).unwrap_or_default();
            assert!(outputs.iter().map(|asset| &**asset).eq([&output_asset]), "{outputs:?}");
            // Addresses are compared byte by byte.
            assert_eq!(facts.addresses.get(&address), Some(&true));
            assert_eq!(facts.addresses.get(&format!("{address} ")), Some(&false));
            assert_eq!(
                facts.addresses.get(&address.to_uppercase()),
                Some(&(address == address.to_uppercase()))
            );
        }
    }
    Ok(())
}

/// Times are kept to the microsecond, before 1970 too.
pub async fn times(store: Arc<dyn Store>) -> Result<()> {
    let dates = [-62_135_596_800_000_000, -1, 0, 1, 253_402_300_799_999_999].map(Timestamp::from_micros);
    let plans: Vec<_> = (1..)
        .zip(dates)
        .map(|(number, date)| ComputePlan {
            creation_date: date,
            failure_date: Some(date),
            ..compute_plan(number)
        })
        .collect();
    let changes = plans.iter().cloned().map(|plan| Change::ComputePlanRegistered(Arc::new(plan)));
    apply(&*store, changes.collect()).await?;
    assert_compute_plans(&*store, &plans).await
}

/// Keys are compared as numbers of 128 bits.
pub async fn keys(store: Arc<dyn Store>) -> Result<()> {
    let numbers = [0, 1, 0x7f << 120, 0x80 << 120, u128::MAX - 1, u128::MAX];
    let plans: Vec<_> = numbers
        .iter()
        .map(|number| ComputePlan { key: Key::from_uuid(Uuid::from_u128(*number)), ..compute_plan(1) })
        .collect();
    let changes = plans.iter().rev().cloned().map(|plan| Change::ComputePlanRegistered(Arc::new(plan)));
    apply(&*store, changes.collect()).await?;
    assert_compute_plans(&*store, &plans).await
}
