//! Datasets over gRPC: a data manager with the keys of all its samples (core/DST-1 … DST-3).

use asset::DataSampleKey;
use asset::data_manager::GetDataset;
use proto::dataset_service_server::DatasetService;
use tonic::{Request, Response, Status, async_trait};

use crate::data_manager;
use crate::handler::{Handler, handle};

#[async_trait]
impl DatasetService for Handler {
    async fn get_dataset(
        &self,
        request: Request<proto::GetDatasetParam>,
    ) -> Result<Response<proto::Dataset>, Status> {
        handle(request, |caller, proto::GetDatasetParam { key }| async move {
            let (manager, samples) = self.inquire(&caller, GetDataset::new(&key)?).await?;
            Ok(proto::Dataset {
                data_manager: Some(data_manager::message(&manager)),
                data_sample_keys: samples.iter().map(DataSampleKey::to_string).collect(),
            })
        })
        .await
    }
}
