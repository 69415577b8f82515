//! What whoever starts the server decides.

use std::sync::Arc;

use asset::Policy;
use http::HeaderMap;
use tracing::Span;

use crate::access::Access;
use crate::limits::Limits;
use crate::metrics::Metrics;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What requests are validated against.
    pub policy: Policy,
    /// Who gets in, to begin with.
    pub access: Access,
    /// What `QueryVersion` answers (core/INF-1).
    pub version: String,
    /// What clients may send, hold, and take time for.
    pub limits: Limits,
    /// Whether small writes leave at once.
    pub tcp_nodelay: bool,
    /// Makes the span of a call a part of the trace that its headers name; `None`: traces begin here.
    pub adopt_trace: Option<fn(&Span, &HeaderMap)>,
    /// Where calls are counted and measured; `None`: nowhere.
    pub metrics: Option<Arc<Metrics>>,
}

impl ServerOptions {
    /// Sensible settings, with the limits of the contract.
    pub fn new(access: impl Into<Access>) -> Self {
        Self {
            policy: Policy::default(),
            access: access.into(),
            version: "dev".to_owned(),
            limits: Limits::default(),
            tcp_nodelay: true,
            adopt_trace: None,
            metrics: None,
        }
    }
}
