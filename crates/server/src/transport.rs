//! Transport: how connections are accepted, and what HTTP/2 may ask for beside its calls (core/SUB-14, OPS-3).
//!
//! Owns everything between a listening socket and an open connection: accepting with a pause after trouble, the count of connections, and the
//! handshake. What ends a connection later is known to `connection`; what a certificate proves, to `peer`, which is only carried from here.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, Stream, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::access::CurrentAccess;
use crate::connection::{ByteStream, Connection};
use crate::limits::Limits;
use crate::metrics::{Metrics, NotOpened};
use crate::options::ServerOptions;
use crate::peer::Peer;
use crate::slots::{Slot, Slots};
use crate::throttle::Throttle;

/// The pause after a connection could not be accepted, for example because no file descriptor was left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server with these limits.
pub(crate) fn builder(limits: &Limits) -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(limits.streams_per_connection_max)
        .http2_max_header_list_size(limits.header_list_bytes_max)
        .http2_max_pending_accept_reset_streams(Some(limits.pending_resets_max))
        .http2_keepalive_interval(Some(limits.ping_interval))
        .http2_keepalive_timeout(Some(limits.ping_timeout))
}

/// The connections of a listener that have come through their handshake; others cost nobody but themselves.
pub(crate) fn connections(
    listener: TcpListener,
    options: &ServerOptions,
    access: &CurrentAccess,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let limits = options.limits;
    let metrics = options.metrics.clone();
    let opening =
        Opening { metrics: metrics.clone(), access: access.clone(), limits, nodelay: options.tcp_nodelay };
    let accepting = (listener, Slots::new(&limits), metrics);
    stream::unfold(accepting, |(listener, slots, metrics)| async {
        let accepted = accept(&listener, &slots, metrics.as_deref()).await;
        Some((accepted, (listener, slots, metrics)))
    })
    // Each handshake is a task of its own, so that no slow one holds up the rest.
    .map(move |(stream, slot)| tokio::spawn(opening.clone().open(stream, slot)))
    .buffer_unordered(limits.connections_max)
    .filter_map(async |opened| opened.ok().flatten().map(Ok))
}

/// The next connection that there is a slot for; others are closed at once.
async fn accept(listener: &TcpListener, slots: &Arc<Slots>, metrics: Option<&Metrics>) -> (TcpStream, Slot) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if let Some(slot) = slots.take(address.ip()) {
                    return (stream, slot);
                }
                if let Some(metrics) = metrics {
                    metrics.note_not_opened(NotOpened::TooMany);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Counts a connection that could not be opened, and says why, unless there are too many of them.
fn note_failure(metrics: Option<&Metrics>, address: Option<SocketAddr>, error: &io::Error) {
    static FAILURES: Throttle = Throttle::new();
    if let Some(metrics) = metrics {
        metrics.note_not_opened(NotOpened::Handshake);
    }
    if let Some(untold) = FAILURES.admits(Instant::now()) {
        let address = address.map(tracing::field::display);
        tracing::info!(address, %error, untold, "a connection could not be opened");
    }
}

/// How connections are opened.
#[derive(Clone)]
struct Opening {
    metrics: Option<Arc<Metrics>>,
    access: CurrentAccess,
    limits: Limits,
    nodelay: bool,
}

impl Opening {
    async fn open(self, stream: TcpStream, slot: Slot) -> Option<Connection> {
        let address = stream.peer_addr().ok();
        let metrics = self.metrics.clone();
        let opened = self.try_open(stream, slot).await;
        opened.inspect_err(|error| note_failure(metrics.as_deref(), address, error)).ok()
    }

    async fn try_open(self, stream: TcpStream, slot: Slot) -> io::Result<Connection> {
        stream.set_nodelay(self.nodelay)?;
        let Some(tls) = self.access.now().tls.clone() else {
            return Ok(self.connection(Box::pin(stream), Peer::plain(), slot));
        };
        let (stream, chain) = timeout(self.limits.handshake_timeout, tls.accept(stream)).await??;
        let peer = Peer::encrypted(chain, self.limits.examination_interval);
        Ok(self.connection(Box::pin(stream), peer, slot))
    }

    fn connection(self, stream: Pin<Box<dyn ByteStream>>, peer: Peer, slot: Slot) -> Connection {
        Connection::new(stream, peer, slot, self.access, &self.limits)
    }
}
