//! Failure reports over gRPC (compute/FAIL-1 … FAIL-20).

use asset::FailureReport;
use asset::failure_report::{
    ErrorType, FailedAssetKind, GetFailureReport, NewFailureReport, RegisterFailureReport,
};
use proto::failure_report_service_server::FailureReportService;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, handle};
use crate::{addressable, timestamp};

/// The message of a failure report.
pub(crate) fn message(report: &FailureReport) -> proto::FailureReport {
    let FailureReport { asset_key, asset_type: _, error_type, logs_address, owner, creation_date } = report;
    proto::FailureReport {
        asset_key: asset_key.to_string(),
        error_type: i32::from(error_type.number()),
        logs_address: logs_address.as_ref().map(addressable::message),
        creation_date: Some(timestamp::message(*creation_date)),
        owner: owner.to_string(),
        asset_type: i32::from(report.asset_type_number()),
    }
}

fn requested(message: proto::NewFailureReport) -> NewFailureReport {
    let proto::NewFailureReport { asset_key, error_type, logs_address, asset_type } = message;
    NewFailureReport {
        asset_key,
        asset_type: i16::try_from(asset_type).ok().and_then(FailedAssetKind::from_number),
        asset_type_defined: proto::FailedAssetKind::try_from(asset_type).is_ok(),
        error_type: i16::try_from(error_type).ok().and_then(ErrorType::from_number),
        logs_address: logs_address.map(addressable::requested),
    }
}

#[async_trait]
impl FailureReportService for Handler {
    async fn register_failure_report(
        &self,
        request: Request<proto::NewFailureReport>,
    ) -> Result<Response<proto::FailureReport>, Status> {
        handle(request, |caller, new| async move {
            let command = RegisterFailureReport::new(requested(new), self.policy)?;
            Ok(message(self.execute(&caller, command).await?.as_ref()))
        })
        .await
    }

    async fn get_failure_report(
        &self,
        request: Request<proto::GetFailureReportParam>,
    ) -> Result<Response<proto::FailureReport>, Status> {
        handle(request, |caller, proto::GetFailureReportParam { asset_key }| async move {
            Ok(message(self.inquire(&caller, GetFailureReport::new(&asset_key)?).await?.as_ref()))
        })
        .await
    }
}
