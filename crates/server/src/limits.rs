//! Limits: everything that a client may send, hold, or take time for, in one place.
//!
//! Owns the numbers and their defaults; each is kept where it applies: by the transport, by the pipeline, or by the services. Start at
//! [`Limits`]; `docs/configuration.md` tells the same to operators.

use std::time::Duration;

/// What a client may send, hold, or take time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request that is read, in bytes; larger ones are refused as RESOURCE_EXHAUSTED (core/ID-14).
    pub message_bytes_max: usize,
    /// Pages end before their items pass this many bytes; common clients refuse responses of more than 4 MiB (core/PAG-6).
    pub response_bytes_max: usize,
    /// The headers of one call together, in bytes.
    pub header_list_bytes_max: u32,
    /// Connections that are open at once, those included that are still in their handshake; further ones are closed.
    pub connections_max: usize,
    /// The same from one address, of IPv6 from one network of 64 bits.
    pub connections_per_address_max: usize,
    /// Calls under way on one connection, streams included; further ones wait at the client.
    pub streams_per_connection_max: u32,
    /// Calls of one connection that its client has given up before the server has looked at them; more end the connection.
    pub pending_resets_max: usize,
    /// Calls of one organization under way at once, without streams; further ones are refused as UNAVAILABLE.
    pub calls_per_organization_max: usize,
    /// Streams of one organization that are open at once; further ones are refused as RESOURCE_EXHAUSTED.
    pub streams_per_organization_max: usize,
    /// The bytes of all requests of one organization that are under way at once; a request that would be more is refused as
    /// RESOURCE_EXHAUSTED.
    pub request_bytes_per_organization_max: usize,
    /// The bytes of all answers of one organization that are not sent yet, because it does not take them; calls and streams that would be more end
    /// as UNAVAILABLE.
    pub answer_bytes_per_organization_max: usize,
    /// The bytes of all these requests and answers of all organizations together; with more, each organization may have an equal part of it.
    pub bytes_under_way_max: usize,
    /// How long a new connection has for the handshake of TLS, and then to begin.
    pub handshake_timeout: Duration,
    /// How long a connection may be without any call; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a call may take, from its headers to the beginning of its answer: to send its request, to wait, and to be carried out.
    pub call_timeout: Duration,
    /// How often a connection is asked whether its peer is still there (core/SUB-14).
    pub ping_interval: Duration,
    /// How long the peer has to say so before the connection is closed.
    pub ping_timeout: Duration,
    /// Which pings of a client are too many.
    pub keepalive_policy: KeepalivePolicy,
    /// How long what a client's certificate proves is believed before it is examined again, because certificates end.
    pub examination_interval: Duration,
    /// How long a stream goes on whose caller's certificate or membership has ended (core/DEF-9). After the same time once more a connection is
    /// cut whose certificate has ended.
    pub stream_grace: Duration,
    /// How long calls may still run once the server stops; they have a second more to be answered. The whole process has 20 s (core/OPS-4).
    pub shutdown_timeout: Duration,
}

/// Which pings of a client are too many (core/OPS-3). Three that come too early, without an answer of the server in between, end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepalivePolicy {
    /// The least time between two pings; zero: no ping is too early.
    pub min_time: Duration,
    /// Whether this time also holds while no call is open; otherwise two hours do.
    pub permit_without_stream: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 4 << 20,
            response_bytes_max: (4 << 20) - (64 << 10),
            header_list_bytes_max: 64 << 10,
            connections_max: 4096,
            connections_per_address_max: 256,
            streams_per_connection_max: 1024,
            pending_resets_max: 20,
            calls_per_organization_max: 256,
            streams_per_organization_max: 4096,
            request_bytes_per_organization_max: 64 << 20,
            answer_bytes_per_organization_max: 64 << 20,
            bytes_under_way_max: 1 << 30,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(2 * 3600)),
            call_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            keepalive_policy: KeepalivePolicy {
                min_time: Duration::from_secs(30),
                permit_without_stream: false,
            },
            examination_interval: Duration::from_secs(10),
            stream_grace: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(17),
        }
    }
}
