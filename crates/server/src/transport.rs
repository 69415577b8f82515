//! Connections: how they are accepted, what they may ask for before and beside their calls, and when they are cut (core/SUB-14, OPS-3, DEF-9).
//!
//! Owns everything between a listening socket and the first call: accepting with a pause after trouble, the time a peer has to begin, pings,
//! and the limits of HTTP/2. What a certificate proves is known to `peer`, which is only carried from here to the calls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Fuse};
use futures::stream::{self, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, timeout};
use tonic::transport::server::Connected;

use crate::access::CurrentAccess;
use crate::options::ServerOptions;
use crate::peer::Peer;

/// Bytes with which every HTTP/2 client begins.
const PREFACE_BYTES: usize = 24;
/// The pause after a connection could not be accepted, for example because no file descriptor was left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Handshakes under way; further connections wait to be accepted.
const HANDSHAKES_MAX: usize = 1024;

/// A server with the limits of `options`.
pub(crate) fn builder(options: &ServerOptions) -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(options.streams_per_connection_max)
        .http2_max_header_list_size(options.header_list_bytes_max)
        .http2_keepalive_interval(Some(options.ping_interval))
        .http2_keepalive_timeout(Some(options.ping_timeout))
}

/// The connections of a listener that have come through their handshake; others cost nobody but themselves.
pub(crate) fn connections(
    listener: TcpListener,
    options: &ServerOptions,
    access: &CurrentAccess,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let opening = Opening {
        access: access.clone(),
        patience: options.handshake_timeout,
        nodelay: options.tcp_nodelay,
        examination_interval: options.examination_interval,
        grace: options.stream_grace,
    };
    stream::unfold(listener, |listener| async {
        let stream = accept(&listener).await;
        Some((stream, listener))
    })
    // Each handshake is a task of its own, so that no slow one holds up the rest.
    .map(move |stream| tokio::spawn(opening.clone().open(stream)))
    .buffer_unordered(HANDSHAKES_MAX)
    .filter_map(async |opened| opened.ok().flatten().map(Ok))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _address)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// How connections are opened.
#[derive(Clone)]
struct Opening {
    access: CurrentAccess,
    patience: Duration,
    nodelay: bool,
    examination_interval: Duration,
    grace: Duration,
}

impl Opening {
    async fn open(self, stream: TcpStream) -> Option<Connection> {
        let address = stream.peer_addr().ok().map(tracing::field::display);
        self.try_open(stream)
            .await
            .inspect_err(|error| tracing::info!(address, %error, "a connection could not be opened"))
            .ok()
    }

    async fn try_open(self, stream: TcpStream) -> io::Result<Connection> {
        stream.set_nodelay(self.nodelay)?;
        let Some(tls) = self.access.now().tls.clone() else {
            return Ok(self.connection(Box::pin(stream), Peer::Plain));
        };
        let (stream, chain) = timeout(self.patience, tls.accept(stream)).await??;
        let peer = Peer::encrypted(chain, self.examination_interval);
        Ok(self.connection(Box::pin(stream), peer))
    }

    fn connection(self, stream: Pin<Box<dyn ByteStream>>, peer: Peer) -> Connection {
        let deadline = Box::pin(tokio::time::sleep(self.patience));
        let beginning = Some(Beginning { bytes_left: PREFACE_BYTES, deadline });
        let cut = cut(peer.clone(), self.access, self.examination_interval, 2 * self.grace);
        Connection { stream, peer, beginning, cut: cut.boxed().fuse() }
    }
}

/// Waits until the peer's certificate is not trusted any more, and then for twice the grace of its streams: a client that is left connected
/// would never come with its next certificate.
async fn cut(peer: Peer, access: CurrentAccess, interval: Duration, grace: Duration) {
    access.ended(interval, |access| peer.certificate(access).is_ok()).await;
    tokio::time::sleep(grace).await;
}

/// Bytes in both directions, encrypted underneath or not.
trait ByteStream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ByteStream for T {}

/// A connection that fails unless its peer begins in time: a peer that says nothing must not hold it for ever. It also fails when it is cut.
pub(crate) struct Connection {
    stream: Pin<Box<dyn ByteStream>>,
    peer: Peer,
    beginning: Option<Beginning>,
    cut: Fuse<BoxFuture<'static, ()>>,
}

struct Beginning {
    bytes_left: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Beginning {
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.poll_unpin(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let filled_before = buffer.filled().len();
        let polled = self.stream.as_mut().poll_read(context, buffer);
        let Some(beginning) = &mut self.beginning else {
            return polled;
        };
        if polled.is_pending() {
            return beginning.poll_overdue(context);
        }
        beginning.bytes_left = beginning.bytes_left.saturating_sub(buffer.filled().len() - filled_before);
        if beginning.bytes_left == 0 {
            self.beginning = None;
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}
