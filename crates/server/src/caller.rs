//! The caller of a call, as identity has established it: a request carries it from there to its handler.

use asset::{ChannelName, OrganizationId};

/// Who calls, and in which channel (core/ID-4, CHN-1). Found in the extensions of a request that has passed identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The organization that asks.
    pub(crate) organization: OrganizationId,
    /// The channel that the call acts in; the organization is a member of it.
    pub(crate) channel: ChannelName,
    /// What the request takes in memory.
    pub(crate) request_bytes: usize,
}
