//! `orchestrator serve`: the server on PostgreSQL, configured by its environment (docs/configuration.md).

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use asset::Policy;
use postgres::{Postgres, PostgresOptions};
use server::tls::{ClientFiles, Files};
use server::{Access, Metrics, Server, ServerOptions};
use service::Service;
use tokio::net::TcpListener;

use crate::configuration::ServeConfiguration;
use crate::configuration::environment::Tls as TlsConfiguration;
use crate::reload::{AccessFiles, ChannelSource};
use crate::telemetry::Traces;
use crate::{stop, telemetry};

/// Serves until it is told to stop; says in its log why it cannot.
pub(crate) async fn run() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => telemetry::failed_to_serve(&error),
    }
}

/// # Errors
/// Everything that is wrong with the settings, at once; a file that cannot be used; an unreachable database; a port that is taken.
async fn serve() -> anyhow::Result<()> {
    let configuration = match ServeConfiguration::from_environment(std::env::vars_os()) {
        Ok(configuration) => configuration,
        Err(problems) => {
            telemetry::for_serving(None, None);
            for notice in problems.notices() {
                tracing::error!("{notice}");
            }
            bail!("the server cannot start: {} settings are missing or wrong", problems.notices().len());
        }
    };
    let traces = Traces::from_environment();
    telemetry::for_serving(Some(configuration.log), traces.as_ref().ok().and_then(Option::as_ref));
    let traces = traces?;
    for warning in &configuration.warnings {
        tracing::warn!("{warning}");
    }
    if !configuration.grpc.verifies_callers() {
        tracing::warn!("the identity check is off: whoever can connect can act as any organization");
    }
    let (access, reload) = access_files(&configuration).load()?;
    let store = connect(&configuration).await?;
    let grpc = configuration.grpc.listen;
    let listener = TcpListener::bind(grpc).await.with_context(|| format!("cannot listen on {grpc}"))?;
    let address = listener.local_addr().context("cannot tell where the server listens")?;
    let http = configuration.http.listen;
    let http = server::admin::listen(http).await.with_context(|| format!("cannot listen on {http}"))?;
    let metrics = Metrics::new(version()).context("cannot prepare the metrics")?;
    let service = start_service(store, &metrics, &configuration);
    let mut options = server_options(access, &configuration);
    options.metrics = Some(Arc::clone(&metrics));
    let server = Server::new(service, options);
    let reload = reload.run(server.access_control(), configuration.reload_interval);
    let state = server.state();
    let metrics = configuration.http.metrics_enabled.then_some(metrics);
    tracing::info!(%address, version = version(), "serving");
    let ended = tokio::select! {
        ended = server.serve(listener, stop::requested()) => ended.context("the gRPC server ended"),
        ended = http.serve(state, metrics) => ended.context("the HTTP server ended"),
        () = reload => Err(anyhow!("the files are not watched any more")),
    };
    if let Some(traces) = traces {
        traces.end().await;
    }
    ended
}

/// Connects to the database, which must be reachable, and brings its schema up to date. That may fail: the server must start and be
/// healthy without a schema, since the chart migrates after the server is up (core/HLT-4, core/OPS-5).
async fn connect(configuration: &ServeConfiguration) -> anyhow::Result<Postgres> {
    let url = configuration.database_url.reveal();
    let store =
        Postgres::connect(url, PostgresOptions::default()).await.context("cannot use the database")?;
    if configuration.migrate_on_start {
        match store.migrate().await {
            Ok(()) => tracing::info!("the database has the newest schema"),
            Err(error) => tracing::error!(%error, "the database could not be migrated; serving all the same"),
        }
    }
    Ok(store)
}

fn start_service(store: Postgres, metrics: &Arc<Metrics>, configuration: &ServeConfiguration) -> Service {
    let mut options = service::Options::new(Arc::new(server::encode_event));
    options.observer = Arc::clone(metrics) as _;
    options.retry_budget = configuration.retry_budget;
    options.queue_length_max = configuration.write_queue_length.get();
    options.queue_bytes_max = configuration.grpc.limits.request_bytes_per_organization_max;
    options.replay_events_max = configuration.replay_events_batch_size.get();
    Service::new(metrics.measure(Arc::new(store)), options)
}

/// The files that say who gets in.
pub(crate) fn access_files(configuration: &ServeConfiguration) -> AccessFiles {
    let tls = configuration.grpc.tls.as_ref().map(files);
    AccessFiles { tls, channels: ChannelSource::File(configuration.channel_file.clone()) }
}

fn files(tls: &TlsConfiguration) -> Files {
    Files {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        clients: tls.mutual.as_ref().map(|mutual| ClientFiles {
            server_authorities: mutual.server_ca.clone(),
            client_authorities: mutual.client_ca_directory.clone(),
            verify_organization: mutual.verify_client_msp_id,
        }),
    }
}

fn server_options(access: Access, configuration: &ServeConfiguration) -> ServerOptions {
    let mut options = ServerOptions::new(access);
    options.policy =
        Policy { refuse_assets_that_stop_consumers: configuration.refuse_assets_that_stop_consumers };
    options.limits = configuration.grpc.limits;
    options.adopt_trace = Some(telemetry::adopt);
    version().clone_into(&mut options.version);
    options
}

/// The version as `QueryVersion` tells it (core/INF-1).
fn version() -> &'static str {
    option_env!("ORCHESTRATOR_VERSION").unwrap_or(env!("CARGO_PKG_VERSION"))
}
