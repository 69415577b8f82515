//! `orchestrator dev`: the server on the embedded store, with defaults that just work on one machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use server::{Membership, ServerOptions};

use crate::certs::Layout;
use crate::configuration::Channels;
use crate::reload::{AccessFiles, ChannelSource, RELOAD_INTERVAL};
use crate::standalone::Standalone;
use crate::{stop, telemetry};

/// The channel that there is unless a file says otherwise.
pub(crate) const CHANNEL: &str = "mychannel";

#[derive(Args)]
pub(crate) struct Dev {
    /// Where to listen for gRPC.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// Where to listen for HTTP: /healthz, /readyz, /metrics.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8484")]
    http: SocketAddr,
    /// The folder to keep everything in.
    #[arg(long, value_name = "DIR", default_value = "orchestrator-data", conflicts_with = "memory")]
    data: PathBuf,
    /// Keep nothing.
    #[arg(long)]
    memory: bool,
    /// The channel file (YAML); without it: mychannel with MyOrg1MSP, MyOrg2MSP, MyOrg3MSP.
    #[arg(long, value_name = "FILE")]
    channels: Option<PathBuf>,
    /// Require mutual TLS, with the certificates that `orchestrator certs --directory DIR` has made.
    #[arg(long, value_name = "DIR")]
    mtls: Option<PathBuf>,
    /// Listen beyond this machine although nothing is encrypted and anybody who connects can act as any organization.
    #[arg(long)]
    insecure_listen_beyond_loopback: bool,
}

/// Serves until it is told to stop.
///
/// # Errors
/// The address, folder, channel file or certificates cannot be used.
pub(crate) async fn run(dev: Dev) -> anyhow::Result<()> {
    telemetry::for_people();
    let open_to_all = match dev.mtls {
        Some(_) => vec![dev.http],
        None => vec![dev.listen, dev.http],
    };
    for address in open_to_all {
        ensure!(
            address.ip().is_loopback() || dev.insecure_listen_beyond_loopback,
            "{address} can be reached from other machines, where anybody could act as any organization; \
             if that is what you want, add --insecure-listen-beyond-loopback"
        );
    }
    let (access, reload) = access_files(&dev)?.load()?;
    let directory = (!dev.memory).then_some(dev.data.as_path());
    let hint = usage(&access.membership);
    let mut server = Standalone::start_with(directory, ServerOptions::new(access), dev.listen).await?;
    let http =
        server::admin::listen(dev.http).await.with_context(|| format!("cannot listen on {}", dev.http))?;
    greet(&dev, server.address, http.address().context("cannot tell where HTTP listens")?, hint)?;
    let (state, metrics) = (server.state.clone(), Arc::clone(&server.metrics));
    let reload = reload.run(server.access_control.clone(), Some(RELOAD_INTERVAL));
    tokio::select! {
        () = stop::requested() => server.stop().await,
        ended = server.ended() => ended,
        ended = http.serve(state, Some(metrics)) => ended.context("the HTTP server ended"),
        () = reload => Err(anyhow!("the files are not watched any more")),
    }
}

/// The files that say who gets in: those of `serve`, as far as they were named.
fn access_files(dev: &Dev) -> anyhow::Result<AccessFiles> {
    let tls = dev.mtls.as_ref().map(|directory| Layout::new(directory)).transpose()?;
    let channels = match &dev.channels {
        Some(file) => ChannelSource::File(file.clone()),
        None => ChannelSource::Fixed(Channels { members: default_channels(3) }),
    };
    Ok(AccessFiles { tls: tls.map(|layout| layout.files()), channels })
}

/// `mychannel` with so many organizations.
pub(crate) fn default_channels(organizations: usize) -> BTreeMap<String, BTreeSet<String>> {
    let members = (1..=organizations).map(|number| format!("MyOrg{number}MSP")).collect();
    BTreeMap::from([(CHANNEL.to_owned(), members)])
}

/// Somebody who may call, and where.
fn usage(membership: &Membership) -> Option<(String, String)> {
    membership.iter().min().map(|(channel, member)| (channel.to_string(), member.to_string()))
}

fn greet(
    dev: &Dev,
    address: SocketAddr,
    http: SocketAddr,
    member: Option<(String, String)>,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "orchestrator {} listens on {address} (gRPC) and {http} (HTTP)",
        env!("CARGO_PKG_VERSION")
    )?;
    match dev.memory {
        true => writeln!(out, "nothing is kept: --memory")?,
        false => writeln!(out, "everything is kept in {}", dev.data.display())?,
    }
    if let Some((channel, member)) = member {
        let access = match &dev.mtls {
            Some(directory) => Layout::new(directory)?.access(&member),
            None => "-plaintext".to_owned(),
        };
        writeln!(out, "\nregister an organization, for example with grpcurl:\n")?;
        writeln!(out, "  grpcurl {access} -H 'mspid: {member}' -H 'channel: {channel}' \\")?;
        writeln!(out, "    -d '{{\"address\": \"http://backend.example\"}}' \\")?;
        writeln!(out, "    {address} orchestrator.OrganizationService/RegisterOrganization\n")?;
        writeln!(out, "list the services (reflection needs the headers, too):\n")?;
        writeln!(out, "  grpcurl {access} -H 'mspid: {member}' -H 'channel: {channel}' {address} list\n")?;
    }
    writeln!(out, "Ctrl-C stops it.")?;
    Ok(out.flush()?)
}
