//! Data samples over gRPC (core/DS-1 … DS-18).

use asset::data_sample::{GetDataSample, LinkDataSamples, NewDataSample, RegisterDataSamples};
use asset::key::Key;
use asset::{DataManagerKey, DataSample, DataSampleKey, Refusal};
use persistence::DataSampleFilter;
use proto::data_sample_service_server::DataSampleService;
use service::PageSelection;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, handle};
use crate::timestamp;

/// The message of a data sample. Its field `test_only` is never filled (core/DEF-40).
pub(crate) fn message(sample: &DataSample) -> proto::DataSample {
    let DataSample { key, data_manager_keys, owner, checksum, creation_date } = sample;
    proto::DataSample {
        key: key.to_string(),
        data_manager_keys: data_manager_keys.iter().map(DataManagerKey::to_string).collect(),
        owner: owner.to_string(),
        test_only: false,
        checksum: checksum.clone(),
        creation_date: Some(timestamp::message(*creation_date)),
    }
}

fn requested(message: proto::NewDataSample) -> NewDataSample {
    let proto::NewDataSample {
        key,
        data_manager_keys,
        test_only: _, // accepted and dropped (core/DEF-40)
        checksum,
    } = message;
    NewDataSample { key, data_manager_keys, checksum }
}

fn filter(message: Option<proto::DataSampleQueryFilter>) -> Result<DataSampleFilter, Refusal> {
    let proto::DataSampleQueryFilter { keys } = message.unwrap_or_default();
    let keys = keys.iter().map(|key| DataSampleKey::look_up(key));
    Ok(DataSampleFilter { keys: keys.collect::<Result<_, _>>()? })
}

#[async_trait]
impl DataSampleService for Handler {
    async fn register_data_samples(
        &self,
        request: Request<proto::RegisterDataSamplesParam>,
    ) -> Result<Response<proto::RegisterDataSamplesResponse>, Status> {
        handle(request, |caller, proto::RegisterDataSamplesParam { samples }| async move {
            if samples.is_empty() {
                // Nothing to lock the channel for (core/DS-2, DEF-38).
                return Ok(proto::RegisterDataSamplesResponse::default());
            }
            let expected_rows = samples.len();
            let command = RegisterDataSamples::new(samples.into_iter().map(requested).collect(), self.policy);
            let samples = self.execute_large(&caller, command, expected_rows).await?;
            let data_samples = samples.iter().map(|sample| message(sample)).collect();
            Ok(proto::RegisterDataSamplesResponse { data_samples })
        })
        .await
    }

    async fn update_data_samples(
        &self,
        request: Request<proto::UpdateDataSamplesParam>,
    ) -> Result<Response<proto::UpdateDataSamplesResponse>, Status> {
        handle(request, |caller, proto::UpdateDataSamplesParam { keys, data_manager_keys }| async move {
            let command = LinkDataSamples::new(&keys, &data_manager_keys, self.policy)?;
            self.execute_large(&caller, command, keys.len()).await?;
            Ok(proto::UpdateDataSamplesResponse {})
        })
        .await
    }

    async fn query_data_samples(
        &self,
        request: Request<proto::QueryDataSamplesParam>,
    ) -> Result<Response<proto::QueryDataSamplesResponse>, Status> {
        handle(
            request,
            |caller, proto::QueryDataSamplesParam { page_token, page_size, filter: narrowed }| async move {
                let selection = PageSelection { token: page_token, size: page_size };
                let listing = self
                    .service
                    .data_samples(&caller.channel, &caller.organization, filter(narrowed)?, &selection)
                    .await?;
                let (data_samples, next_page_token) = self.page(listing, message).await;
                Ok(proto::QueryDataSamplesResponse { data_samples, next_page_token })
            },
        )
        .await
    }

    async fn get_data_sample(
        &self,
        request: Request<proto::GetDataSampleParam>,
    ) -> Result<Response<proto::DataSample>, Status> {
        handle(request, |caller, proto::GetDataSampleParam { key }| async move {
            Ok(message(self.inquire(&caller, GetDataSample::new(&key)?).await?.as_ref()))
        })
        .await
    }
}
