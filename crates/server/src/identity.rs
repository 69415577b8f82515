//! Identity: who calls, and in which channel (core/ID-1 … ID-17, CHN-1, CHN-2).
//!
//! Everything that a call must pass before its message is read stands in [`Identity::identify`], in the order of the contract, for unary calls
//! and streams alike. It looks at the method and the headers only.

use std::collections::HashSet;

use asset::{ChannelName, OrganizationId, Refusal};
use http::{HeaderMap, HeaderValue};
use tonic::Status;

use crate::caller::Caller;
use crate::membership::Membership;
use crate::status;

/// Everything in this service asks for no identity (core/ID-9). The slash at the end keeps longer names out (core/DEF-12).
const EXEMPT_SERVICE: &str = "/grpc.health.v1.Health/";

/// Establishes the caller of each call.
pub(crate) struct Identity {
    /// The paths of all methods that there are.
    pub(crate) methods: HashSet<String>,
    /// Who may call where.
    pub(crate) membership: Membership,
}

impl Identity {
    /// The caller of a call; nobody for a method that does not ask.
    ///
    /// # Errors
    /// The status of the first check that fails, in the order of core/ID-1.
    pub(crate) fn identify(&self, method: &str, headers: &HeaderMap) -> Result<Option<Caller>, Status> {
        if !self.methods.contains(method) {
            return Err(Status::unimplemented("unknown service or method")); // core/ID-13
        }
        if method.starts_with(EXEMPT_SERVICE) {
            return Ok(None);
        }
        self.caller(headers)
            .map(Some)
            .map_err(|refusal| status::of_refusal(&refusal))
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let organization = sole(headers, "mspid")?;
        let channel = sole(headers, "channel")?;
        let caller = Caller {
            organization: OrganizationId::new(String::from_utf8_lossy(organization)),
            channel: ChannelName::new(&String::from_utf8_lossy(channel)),
        };
        // Names are taken byte for byte (core/ID-3), so what is not text is nobody's name.
        let literal = [organization, channel]
            .iter()
            .all(|name| std::str::from_utf8(name).is_ok());
        if literal && self.membership.admits(&caller.organization, &caller.channel) {
            return Ok(caller);
        }
        // One text whether or not the organization and the channel exist (core/CHN-2).
        let Caller {
            organization,
            channel,
        } = caller;
        let (organization, channel) = (organization.as_str(), channel.as_str());
        Err(Refusal::permission_denied(format!(
            "organization {organization:?} has no access to channel {channel:?}"
        )))
    }
}

/// The value of a header that must be there exactly once (core/ID-3, CHN-1); operators look for the text (core/ERR-7).
fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a [u8], Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(HeaderValue::as_bytes(value)),
        _ => Err(Refusal::bad_request(format!(
            "missing or invalid header '{name}'"
        ))),
    }
}
