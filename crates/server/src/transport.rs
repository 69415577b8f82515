//! Connections: how they are accepted, and what they may ask for before and beside their calls (core/SUB-14, OPS-3).
//!
//! Owns everything between a listening socket and the first call: accepting with a pause after trouble, the time a peer has to begin, pings,
//! and the limits of HTTP/2. It knows nothing of callers; what their certificates prove belongs to [`crate::identity`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::options::ServerOptions;

/// Bytes with which every HTTP/2 client begins.
const PREFACE_BYTES: usize = 24;
/// The pause after a connection could not be accepted, for example because no file descriptor was left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server with the limits of `options`.
pub(crate) fn builder(options: &ServerOptions) -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(options.streams_per_connection_max)
        .http2_max_header_list_size(options.header_list_bytes_max)
        .http2_keepalive_interval(Some(options.ping_interval))
        .http2_keepalive_timeout(Some(options.ping_timeout))
}

/// The connections of a listener.
pub(crate) fn connections(
    listener: TcpListener,
    options: &ServerOptions,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let (nodelay, patience) = (options.tcp_nodelay, options.handshake_timeout);
    stream::unfold(listener, move |listener| async move {
        let stream = accept(&listener).await;
        let connection = stream
            .set_nodelay(nodelay)
            .map(|()| Connection::begin(stream, patience));
        Some((connection, listener))
    })
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

/// A connection that fails unless its peer begins in time: a peer that says nothing must not hold it for ever.
pub(crate) struct Connection {
    stream: TcpStream,
    beginning: Option<Beginning>,
}

struct Beginning {
    bytes_left: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    fn begin(stream: TcpStream, patience: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(patience));
        Self {
            stream,
            beginning: Some(Beginning {
                bytes_left: PREFACE_BYTES,
                deadline,
            }),
        }
    }
}

impl Beginning {
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadline
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled_before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(beginning) = &mut self.beginning else {
            return polled;
        };
        if polled.is_pending() {
            return beginning.poll_overdue(context);
        }
        beginning.bytes_left = beginning
            .bytes_left
            .saturating_sub(buffer.filled().len() - filled_before);
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
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
