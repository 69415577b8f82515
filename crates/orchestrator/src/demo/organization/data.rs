//! The data of an organization: kept in its folder, known to the channel by key and checksum only.
//!
//! What is measured, it takes from the demo's [`learning`](crate::demo::learning). Start at [`Organization::offer_data`].

use proto::{NewDataManager, NewDataSample, NewPermissions, RegisterDataSamplesParam};

use super::Organization;
use crate::demo::learning::{DataSample, OrganizationData};

impl Organization {
    /// Registers the data, for the owner of the plan to use: the channel has to know that organization by then (core/PERM-3).
    pub(super) async fn offer_data(&self) -> anyhow::Result<()> {
        self.client.call(self.data_manager()?).await?;
        let samples = self.data_samples()?;
        self.client.call(RegisterDataSamplesParam { samples }).await?;
        Ok(())
    }

    fn data_manager(&self) -> anyhow::Result<NewDataManager> {
        let plan_owner = NewPermissions { public: false, authorized_ids: vec![self.plan.owner()] };
        let description = format!("What {} measured.\n", self.id);
        let description = self.write("data_manager/description.md", &description)?;
        let opener = self.write("data_manager/opener.txt", &"comma-separated values\n")?;
        Ok(NewDataManager {
            key: self.plan.data_manager_key(self.index),
            name: format!("measurements of {}", self.id),
            description: Some(description),
            opener: Some(opener),
            new_permissions: Some(plan_owner.clone()),
            logs_permission: Some(plan_owner),
            ..NewDataManager::default()
        })
    }

    fn data_samples(&self) -> anyhow::Result<Vec<NewDataSample>> {
        let data = OrganizationData::synthesize(self.plan.seed, self.index);
        let data_samples = data.training.iter().chain([&data.held_out]);
        let keys = self.plan.data_sample_keys(self.index);
        keys.into_iter()
            .zip(data_samples)
            .map(|(key, data_sample)| self.data_sample(key, data_sample))
            .collect()
    }

    fn data_sample(&self, key: String, data_sample: &DataSample) -> anyhow::Result<NewDataSample> {
        let written = self.write(&data_sample_file(&key), data_sample)?;
        Ok(NewDataSample {
            key,
            data_manager_keys: vec![self.plan.data_manager_key(self.index)],
            checksum: written.checksum,
            ..NewDataSample::default()
        })
    }
}

/// The file of a data sample in the folder of its owner. Nobody else has to find it, so its address is not registered.
pub(super) fn data_sample_file(key: &str) -> String {
    format!("data_samples/{key}.csv")
}
