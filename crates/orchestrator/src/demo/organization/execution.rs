//! Tasks: executed by their worker, one at a time, on the files behind their inputs.
//!
//! What a task does is up to its [`Operation`]; here it gets what it needs, and what it makes is written and registered. A task that
//! cannot be executed is reported as failed. Start at [`Organization::execute`].

use anyhow::Context;
use proto::compute_task_input_asset::Asset;
use proto::{
    Addressable, ApplyTaskActionParam, ComputeTask, ComputeTaskAction, ComputeTaskInputAsset, DataSample,
    ErrorType, FailedAssetKind, GetFunctionParam, GetTaskInputAssetsParam, NewModel, NewPerformance,
    RegisterModelsParam,
};

use super::Organization;
use super::data::data_sample_file;
use crate::demo::learning::Model;
use crate::demo::operation::{MODEL, Materials, Operation, PERFORMANCE, Product};
use crate::demo::plan;
use crate::demo::storage::address;

/// What is registered for a task before it is done.
enum Output {
    Model(NewModel),
    Performance(NewPerformance),
}

impl Organization {
    /// Executes a task and registers what it makes, or that it failed.
    pub(super) async fn execute(&self, task: ComputeTask) -> anyhow::Result<()> {
        let param = GetTaskInputAssetsParam { compute_task_key: task.key.clone() };
        let assets = self.client.call(param).await?.assets;
        let function = self.client.call(GetFunctionParam { key: task.function_key }).await?;
        self.apply_to_task(&task.key, ComputeTaskAction::TaskActionExecuting).await?;
        let (organization, key) = (self.clone(), task.key.clone());
        let work = tokio::task::spawn_blocking(move || organization.work(&key, function.image, assets));
        match work.await.context("a task broke down")? {
            Ok(output) => {
                self.register(output).await?;
                self.apply_to_task(&task.key, ComputeTaskAction::TaskActionDone).await
            }
            Err(error) => {
                let failed = (FailedAssetKind::FailedAssetComputeTask, task.key);
                self.report(failed, ErrorType::Execution, error).await
            }
        }
    }

    /// Reads what the task needs, runs its operation, and writes what that makes.
    fn work(
        &self,
        task_key: &str,
        image: Option<Addressable>,
        assets: Vec<ComputeTaskInputAsset>,
    ) -> anyhow::Result<Output> {
        let image = image.context("the function has no image")?;
        let operation: Operation = self.storage.read(&image)?;
        match operation.run(&self.materials(assets)?)? {
            Product::Model(model) => Ok(Output::Model(self.new_model(task_key, &model)?)),
            Product::Performance(performance_value) => Ok(Output::Performance(NewPerformance {
                compute_task_key: task_key.to_owned(),
                performance_value,
                compute_task_output_identifier: PERFORMANCE.to_owned(),
            })),
        }
    }

    /// Reads the files behind the inputs, in their order.
    fn materials(&self, assets: Vec<ComputeTaskInputAsset>) -> anyhow::Result<Materials> {
        let mut materials = Materials::default();
        for asset in assets {
            match asset.asset.context("an input without asset")? {
                Asset::DataManager(_) => {} // all openers do the same, and it is built in
                Asset::DataSample(data_sample) => {
                    let file = self.own_file(data_sample);
                    materials.data_samples.push(self.storage.read(&file)?);
                }
                Asset::Model(model) => {
                    let file = model.address.context("a model without address")?;
                    materials.models.push(self.storage.read(&file)?);
                }
            }
        }
        Ok(materials)
    }

    fn own_file(&self, data_sample: DataSample) -> Addressable {
        let storage_address = address(&self.id, &data_sample_file(&data_sample.key));
        Addressable { checksum: data_sample.checksum, storage_address }
    }

    /// Writes a model, for others to find by the address that is registered.
    fn new_model(&self, task_key: &str, model: &Model) -> anyhow::Result<NewModel> {
        let key = plan::key(&format!("model/{task_key}"));
        let file = self.write(&format!("models/{key}.csv"), model)?;
        Ok(NewModel {
            key,
            compute_task_key: task_key.to_owned(),
            address: Some(file),
            compute_task_output_identifier: MODEL.to_owned(),
        })
    }

    async fn register(&self, output: Output) -> anyhow::Result<()> {
        match output {
            Output::Model(model) => {
                let models = vec![model];
                self.client.call(RegisterModelsParam { models }).await?;
            }
            Output::Performance(performance) => {
                self.client.call(performance).await?;
            }
        }
        Ok(())
    }

    async fn apply_to_task(&self, task_key: &str, action: ComputeTaskAction) -> anyhow::Result<()> {
        let action = ApplyTaskActionParam {
            compute_task_key: task_key.to_owned(),
            action: action.into(),
            ..ApplyTaskActionParam::default()
        };
        self.client.call(action).await?;
        Ok(())
    }
}
