//! What whoever starts the server decides, with every limit in one place.

use std::time::Duration;

use asset::Policy;

use crate::access::Access;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What requests are validated against.
    pub policy: Policy,
    /// Who gets in, to begin with.
    pub access: Access,
    /// What `QueryVersion` answers (core/INF-1).
    pub version: String,
    /// The largest request that is read, in bytes; larger ones are refused as RESOURCE_EXHAUSTED (core/ID-14).
    pub message_bytes_max: usize,
    /// Pages end before their items pass this many bytes; common clients refuse responses of more than 4 MiB (core/PAG-6).
    pub response_bytes_max: usize,
    /// Calls under way on one connection, subscriptions included; further ones wait at the client.
    pub streams_per_connection_max: u32,
    /// The headers of one call together, in bytes.
    pub header_list_bytes_max: u32,
    /// How often a connection is asked whether its peer is still there (core/SUB-14).
    pub ping_interval: Duration,
    /// How long the peer has to say so before the connection is closed.
    pub ping_timeout: Duration,
    /// How long a new connection has for the handshake of TLS, and then to begin.
    pub handshake_timeout: Duration,
    /// How long what a client's certificate proves is believed before it is examined again, because certificates end.
    pub examination_interval: Duration,
    /// How long a stream goes on whose caller's certificate or membership has ended (core/DEF-9). After the same time once more a connection is
    /// cut whose certificate has ended.
    pub stream_grace: Duration,
    /// Whether small writes leave at once.
    pub tcp_nodelay: bool,
    /// How long calls may still run once the server stops; the whole process has 20 s (core/OPS-4).
    pub shutdown_timeout: Duration,
}

impl ServerOptions {
    /// Sensible settings, with the limits of the contract.
    pub fn new(access: impl Into<Access>) -> Self {
        Self {
            policy: Policy::default(),
            access: access.into(),
            version: "dev".to_owned(),
            message_bytes_max: 4 << 20,
            response_bytes_max: (4 << 20) - (64 << 10),
            streams_per_connection_max: 1024,
            header_list_bytes_max: 64 << 10,
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            handshake_timeout: Duration::from_secs(10),
            examination_interval: Duration::from_secs(10),
            stream_grace: Duration::from_secs(30),
            tcp_nodelay: true,
            shutdown_timeout: Duration::from_secs(18),
        }
    }
}
