//! Connections: how they are accepted, and what they may ask for before and beside their calls (core/SUB-14, OPS-3).
//!
//! Owns everything between a listening socket and the first call: accepting with a pause after trouble, the time a peer has to begin, pings,
//! and the limits of HTTP/2. What a certificate proves is found out by [`crate::tls`] in the handshake, and only carried from here to the calls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, timeout};
use tonic::transport::server::Connected;

use crate::certificate_identity::CertificateIdentity;
use crate::options::ServerOptions;
use crate::tls::Tls;

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
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let opening = Opening {
        tls: options.tls.clone(),
        patience: options.handshake_timeout,
        nodelay: options.tcp_nodelay,
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
    tls: Option<Tls>,
    patience: Duration,
    nodelay: bool,
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
        let Some(tls) = self.tls else {
            return Ok(Connection::begin(Box::pin(stream), Peer(None), self.patience));
        };
        let (stream, certificate) = timeout(self.patience, tls.accept(stream)).await??;
        Ok(Connection::begin(Box::pin(stream), Peer(Some(certificate)), self.patience))
    }
}

/// Who is at the other end of a connection. Found in the extensions of its requests.
#[derive(Clone, Debug)]
pub(crate) struct Peer(Option<CertificateIdentity>);

impl Peer {
    /// What it has proved; `None` in plain text.
    pub(crate) fn certificate(&self) -> Option<&CertificateIdentity> {
        self.0.as_ref()
    }
}

/// Bytes in both directions, encrypted underneath or not.
trait ByteStream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ByteStream for T {}

/// A connection that fails unless its peer begins in time: a peer that says nothing must not hold it for ever.
pub(crate) struct Connection {
    stream: Pin<Box<dyn ByteStream>>,
    peer: Peer,
    beginning: Option<Beginning>,
}

struct Beginning {
    bytes_left: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    fn begin(stream: Pin<Box<dyn ByteStream>>, peer: Peer, patience: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(patience));
        Self { stream, peer, beginning: Some(Beginning { bytes_left: PREFACE_BYTES, deadline }) }
    }
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
