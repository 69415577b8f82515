//! Traces: a collector gets the way of a call through the server, as a part of its caller's trace.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use postgres::testing::Cluster;
use proto::organization_service_client::OrganizationServiceClient;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use crate::process::{PATIENCE, Process};
use crate::{channel_file, environment};

/// A collector that hands on what it gets.
struct Collector(mpsc::UnboundedSender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        for span in resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans) {
            self.0.send(span).unwrap();
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Starts a collector: where it listens, and the spans that it gets.
async fn collector() -> (String, mpsc::UnboundedReceiver<Span>) {
    let (sender, spans) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let connections = tonic::transport::server::TcpIncoming::from(listener);
    let service = TraceServiceServer::new(Collector(sender));
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(connections));
    (address, spans)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_traced_from_its_caller_to_the_store() {
    let (address, mut spans) = collector().await;
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let database = Cluster::shared().await.fresh_database().await;
    let mut environment = environment(&database, &file);
    environment
        .extend([("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "50")]);
    let server = Process::serve(&environment);

    let trace = "0af7651916cd43dd8448eb211c80319c";
    let mut request = Request::new(proto::RegisterOrganizationParam::default());
    for (name, value) in [
        ("mspid", "MyOrg1MSP".to_owned()),
        ("channel", "mychannel".to_owned()),
        ("traceparent", format!("00-{trace}-b7ad6b7169203331-01")),
    ] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://{}", server.address)).unwrap();
    let mut organizations = OrganizationServiceClient::new(endpoint.connect().await.unwrap());
    organizations.register_organization(request).await.unwrap();

    let mut found: BTreeMap<String, Span> = BTreeMap::new();
    let expected =
        ["begin", "batch", "wait", "write", "orchestrator.OrganizationService/RegisterOrganization"];
    while !expected.iter().all(|name| found.contains_key(*name)) {
        let span = tokio::time::timeout(PATIENCE, spans.recv()).await;
        let span = span.unwrap_or_else(|_| panic!("of {expected:?} only {:?}", found.keys())).unwrap();
        if hex::encode(&span.trace_id) == trace {
            found.insert(span.name.clone(), span);
        }
    }
    let parent = |name: &str| hex::encode(&found[name].parent_span_id);
    let id = |name: &str| hex::encode(&found[name].span_id);
    let call = expected[4];
    assert_eq!(parent(call), "b7ad6b7169203331", "the caller's span");
    for (child, of) in [("write", call), ("wait", "write"), ("batch", "write"), ("begin", "batch")] {
        assert_eq!(parent(child), id(of), "{child} is a part of {of}");
    }
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let database = Cluster::shared().await.fresh_database().await;
    let mut environment = environment(&database, &file);
    // Nobody listens there.
    environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"));
    let server = Process::serve(&environment);
    let caller = server.caller("MyOrg1MSP").await;
    tokio::time::timeout(Duration::from_secs(20), caller.register_organization()).await.unwrap().unwrap();
    assert!(server.terminate().success());
}
