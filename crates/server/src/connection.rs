//! A connection: bytes in both directions, encrypted underneath or not, and every reason to end it (core/SUB-14, OPS-3, DEF-9).
//!
//! Owns the times: to begin, to take what is sent, to be without a call, and to be trusted. It knows of HTTP/2 only how it begins and where its
//! frames are. Start at [`Connection`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Fuse};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

use crate::access::CurrentAccess;
use crate::keepalive::{Keepalive, PREFACE_BYTES, TooManyPings};
use crate::limits::Limits;
use crate::peer::Peer;
use crate::slots::Slot;
use crate::throttle::Throttle;

/// The last frame of a connection, GOAWAY, as its bytes: no call of the client was overlooked, and this is why.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, NO_ERROR];
const NO_ERROR: u8 = 0;
const ENHANCE_YOUR_CALM: u8 = 11;
/// What clients look for who ping too often.
const TOO_MANY_PINGS: &[u8; 14] = b"too_many_pings";

/// Bytes in both directions.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> ByteStream for T {}

/// A connection with everything that may end it.
pub(crate) struct Connection {
    stream: Pin<Box<dyn ByteStream>>,
    peer: Peer,
    /// Until the peer has begun: one that says nothing must not hold the connection for ever.
    beginning: Option<Beginning>,
    /// When the connection is of no use any more, and says goodbye.
    useless: Fuse<BoxFuture<'static, ()>>,
    /// Since when the peer takes nothing: then its answers to our pings cannot help.
    stalled: Option<Pin<Box<Sleep>>>,
    stall_timeout: Duration,
    keepalive: Keepalive,
    _slot: Slot,
}

struct Beginning {
    bytes_left: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Connection {
    pub(crate) fn new(
        stream: Pin<Box<dyn ByteStream>>,
        peer: Peer,
        slot: Slot,
        access: CurrentAccess,
        limits: &Limits,
    ) -> Self {
        let deadline = Box::pin(tokio::time::sleep(limits.handshake_timeout));
        Self {
            stream,
            beginning: Some(Beginning { bytes_left: PREFACE_BYTES, deadline }),
            useless: useless(peer.clone(), access, *limits).boxed().fuse(),
            peer,
            stalled: None,
            stall_timeout: limits.ping_interval + limits.ping_timeout,
            keepalive: Keepalive::new(limits.keepalive_policy),
            _slot: slot,
        }
    }

    /// Ends the connection with a last frame, if there is room for it: nobody waits for a peer that is being left.
    fn leave(&mut self, context: &mut Context<'_>, farewell: &[u8]) -> io::Error {
        if self.keepalive.is_between_frames() {
            let _best_effort = self.stream.as_mut().poll_write(context, farewell);
            let _best_effort = self.stream.as_mut().poll_flush(context);
        }
        io::ErrorKind::ConnectionAborted.into()
    }

    /// An error once the peer has taken nothing for too long.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let timeout = self.stall_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        stalled.as_mut().poll(context).map(|()| io::ErrorKind::TimedOut.into())
    }

    /// Passes the outcome of a write on, unless nothing could be written for too long.
    fn written<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        self.poll_stalled(context).map(Err)
    }

    /// Takes note of bytes of the peer.
    fn note_received(&mut self, bytes: &[u8]) -> Result<(), TooManyPings> {
        if let Some(beginning) = &mut self.beginning {
            beginning.bytes_left = beginning.bytes_left.saturating_sub(bytes.len());
            if beginning.bytes_left == 0 {
                self.beginning = None;
            }
        }
        self.keepalive.received(bytes, self.peer.is_busy(), Instant::now())
    }
}

/// Waits until the connection has had no call for too long; or until its certificate is not trusted any more, and then for twice the grace of its
/// streams: a client that is left connected would never come with its next certificate.
async fn useless(peer: Peer, access: CurrentAccess, limits: Limits) {
    let Limits { examination_interval, stream_grace, idle_timeout, .. } = limits;
    let distrusted = async {
        access.ended(examination_interval, |access| peer.certificate(access).is_ok()).await;
        tokio::time::sleep(2 * stream_grace).await;
        tracing::info!("a connection is cut because its certificate is not trusted any more");
    };
    tokio::select! {
        () = distrusted => {}
        () = peer.idle(idle_timeout) => {}
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
        if self.useless.poll_unpin(context).is_ready() {
            return Poll::Ready(Err(self.leave(context, &GOAWAY)));
        }
        let filled_before = buffer.filled().len();
        let polled = self.stream.as_mut().poll_read(context, buffer);
        if polled.is_pending() {
            let overdue = self.beginning.as_mut().map(|beginning| beginning.deadline.as_mut().poll(context));
            let overdue = overdue.is_some_and(|overdue| overdue.is_ready());
            return if overdue { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending };
        }
        if self.note_received(&buffer.filled()[filled_before..]).is_err() {
            tell_of_too_many_pings();
            return Poll::Ready(Err(self.leave(context, &too_many_pings())));
        }
        polled
    }
}

fn tell_of_too_many_pings() {
    static CUTS: Throttle = Throttle::new();
    if let Some(untold) = CUTS.admits(Instant::now()) {
        tracing::info!(untold, "a connection is cut because its client pings too often");
    }
}

/// GOAWAY as clients expect it who ping too often.
fn too_many_pings() -> Vec<u8> {
    let mut frame = [GOAWAY.as_slice(), TOO_MANY_PINGS].concat();
    frame[2] = 8 + 14;
    frame[16] = ENHANCE_YOUR_CALM;
    frame
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = self.stream.as_mut().poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.keepalive.sent(&bytes[..count]);
        }
        self.written(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.stream.as_mut().poll_write_vectored(context, slices);
        if let Poll::Ready(Ok(mut count)) = polled {
            for slice in slices {
                let sent = count.min(slice.len());
                self.keepalive.sent(&slice[..sent]);
                count -= sent;
            }
        }
        self.written(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.stream.as_mut().poll_flush(context);
        self.written(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.stream.as_mut().poll_shutdown(context);
        self.written(context, polled)
    }
}
