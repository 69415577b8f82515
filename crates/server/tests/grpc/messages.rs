//! What is easily lost between the domain and the wire.

use proto::compute_plan_service_client::ComputePlanServiceClient;
use proto::compute_task_service_client::ComputeTaskServiceClient;
use proto::data_manager_service_client::DataManagerServiceClient;
use proto::function_service_client::FunctionServiceClient;
use tonic::Code;

use crate::events::events;
use crate::running_server::{RunningServer, by_a};

fn key(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02x}")
}

fn file(name: &str) -> Option<proto::Addressable> {
    let storage_address = format!("https://store.org-a.example/{name}");
    Some(proto::Addressable { checksum: "aB".repeat(32), storage_address })
}

fn public() -> Option<proto::NewPermissions> {
    Some(proto::NewPermissions { public: true, authorized_ids: vec!["OrgB".into()] })
}

/// The last snapshot of the channel.
async fn last_snapshot(server: &RunningServer) -> proto::event::Asset {
    events(server).await.pop().unwrap().asset.unwrap()
}

#[tokio::test]
async fn a_function_without_an_image_has_an_empty_one() {
    // compute/FUNC-6
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    let mut client = FunctionServiceClient::new(server.connect());
    let new = proto::NewFunction {
        key: key(1),
        name: "train".into(),
        description: file("description"),
        archive: file("archive"),
        new_permissions: public(),
        metadata: [("site".to_owned(), "north".to_owned())].into(),
        inputs: [(
            "shared".to_owned(),
            proto::FunctionInput {
                kind: proto::AssetKind::AssetModel.into(),
                multiple: true,
                optional: true,
            },
        )]
        .into(),
        outputs: [(
            "score".to_owned(),
            proto::FunctionOutput { kind: proto::AssetKind::AssetPerformance.into(), multiple: false },
        )]
        .into(),
    };
    let registered = client.register_function(by_a(new.clone())).await.unwrap().into_inner();
    assert_eq!(registered.image, Some(proto::Addressable::default()));
    assert_eq!((&registered.inputs, &registered.outputs), (&new.inputs, &new.outputs));
    assert_eq!((&registered.description, &registered.archive), (&new.description, &new.archive));
    assert_eq!(registered.status(), proto::FunctionStatus::Waiting);
    let permission = proto::Permission { public: true, authorized_ids: vec!["OrgB".into(), "OrgA".into()] };
    let both = proto::Permissions { process: Some(permission.clone()), download: Some(permission) };
    assert_eq!(registered.permissions, Some(both));
    let found =
        client.get_function(by_a(proto::GetFunctionParam { key: key(1) })).await.unwrap().into_inner();
    assert_eq!(found, registered);
    assert_eq!(last_snapshot(&server).await, proto::event::Asset::Function(registered));
}

#[tokio::test]
async fn a_kind_that_nobody_knows_is_refused() {
    // compute/DEF-21
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    let mut client = FunctionServiceClient::new(server.connect());
    for kind in [0, 2, 99, -1, i32::MAX] {
        let input = proto::FunctionInput { kind, multiple: false, optional: false };
        let new = proto::NewFunction {
            key: key(1),
            name: "train".into(),
            description: file("description"),
            archive: file("archive"),
            new_permissions: public(),
            inputs: [("in".to_owned(), input)].into(),
            ..Default::default()
        };
        let status = client.register_function(by_a(new)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{kind} {status:?}");
    }
}

#[tokio::test]
async fn the_type_of_a_data_manager_is_dropped() {
    // core/DEF-40, S-28
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    let mut client = DataManagerServiceClient::new(server.connect());
    let new = proto::NewDataManager {
        key: key(1),
        name: "scans".into(),
        new_permissions: public(),
        description: file("description"),
        opener: file("opener"),
        r#type: "csv".into(),
        logs_permission: Some(proto::NewPermissions::default()),
        metadata: [(String::new(), String::new())].into(),
    };
    let registered = client.register_data_manager(by_a(new.clone())).await.unwrap().into_inner();
    assert_eq!(registered.r#type, "");
    assert_eq!((&registered.description, &registered.opener), (&new.description, &new.opener));
    assert_eq!(registered.metadata, new.metadata);
    let own_logs = proto::Permission { public: false, authorized_ids: vec!["OrgA".into()] };
    assert_eq!(registered.logs_permission, Some(own_logs));
    assert_eq!(registered.creation_date.unwrap().nanos % 1000, 0, "core/TX-3");
    let found =
        client.get_data_manager(by_a(proto::GetDataManagerParam { key: key(1) })).await.unwrap().into_inner();
    assert_eq!(found, registered);
    assert_eq!(last_snapshot(&server).await, proto::event::Asset::DataManager(registered));
}

#[tokio::test]
async fn a_canceled_plan_shows_its_date() {
    // compute/PLAN-11, PLAN-30
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    let mut client = ComputePlanServiceClient::new(server.connect());
    let new =
        proto::NewComputePlan { key: key(1), name: "plan".into(), tag: "t".into(), ..Default::default() };
    let registered = client.register_plan(by_a(new)).await.unwrap().into_inner();
    assert_eq!((registered.cancelation_date, registered.failure_date), (None, None));
    let act = |action| proto::ApplyPlanActionParam { key: key(1), action };
    for unknown in [0, 2, -1] {
        let status = client.apply_plan_action(by_a(act(unknown))).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
        assert!(status.message().starts_with("OE0010: "), "{status:?}");
    }
    client.apply_plan_action(by_a(act(1))).await.unwrap();
    let found = client.get_plan(by_a(proto::GetComputePlanParam { key: key(1) })).await.unwrap().into_inner();
    assert!(found.cancelation_date.is_some() && found.failure_date.is_none(), "{found:?}");
}

#[tokio::test]
async fn a_status_that_no_task_has_matches_nothing() {
    // compute/TASK-41
    let server = RunningServer::start().await;
    let mut client = ComputeTaskServiceClient::new(server.connect());
    for status in [0, 3, 99, -1] {
        let filter = Some(proto::TaskQueryFilter { status, ..Default::default() });
        let query = proto::QueryTasksParam { filter, ..Default::default() };
        let answer = client.query_tasks(by_a(query)).await.unwrap().into_inner();
        assert_eq!(answer, proto::QueryTasksResponse::default(), "{status}");
    }
}
