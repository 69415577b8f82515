//! Identity: who calls, and in which channel (core/ID-1 … ID-17, CHN-1, CHN-2).
//!
//! Everything that a call must pass before its message is read stands in [`Identity::identify`], in the order of the contract, for unary calls
//! and streams alike. It looks at the method, the headers, and what the connection has proved by its certificate. What was true when a stream
//! began is asked again while it lasts: [`Identity::ended`].

use std::sync::Arc;

use asset::{ChannelName, OrganizationId, Refusal};
use http::{HeaderMap, HeaderValue};
use service::Failure;
use tonic::Status;

use crate::access::{Access, CurrentAccess};
use crate::caller::Caller;
use crate::certificate_identity::CertificateIdentity;
use crate::limits::Limits;
use crate::peer::Peer;
use crate::routes::{Answers, Methods};
use crate::status;

/// Everything in this service asks for no identity (core/ID-9). The slash at the end keeps longer names out (core/DEF-12).
const EXEMPT_SERVICE: &str = "/grpc.health.v1.Health/";

/// Establishes the caller of each call.
pub(crate) struct Identity {
    /// All methods that there are.
    pub(crate) methods: Methods,
    /// Who gets in.
    pub(crate) access: CurrentAccess,
    /// Whether the organization that a caller names must be that of its certificate (core/ID-5, ID-6).
    pub(crate) verify_organizations: bool,
    /// How often it is asked whether the caller of a stream still may follow it, and how long it goes on then.
    pub(crate) limits: Limits,
}

impl Identity {
    /// The caller of a call; nobody for a method that does not ask.
    ///
    /// # Errors
    /// The status of the first check that fails, in the order of core/ID-1.
    pub(crate) fn identify(
        &self,
        method: &str,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> Result<Option<Caller>, Status> {
        let access = self.access.now();
        let certificate = peer.certificate(&access).map_err(|_not_trusted| status::not_trusted())?;
        if !self.methods.contains_key(method) {
            return Err(Status::unimplemented("unknown service or method")); // core/ID-13
        }
        if method.starts_with(EXEMPT_SERVICE) {
            return Ok(None);
        }
        let caller = self.caller(headers, certificate.as_ref(), &access);
        caller.map(Some).map_err(|failure| status::of_failure(&failure))
    }

    /// How many messages a method answers with; one that there is not, with none but its status.
    pub(crate) fn answers(&self, method: &str) -> Answers {
        self.methods.get(method).copied().unwrap_or(Answers::Once)
    }

    /// Waits until the caller of a stream would not get in any more, and then for the grace (core/DEF-9).
    pub(crate) async fn ended(self: Arc<Self>, caller: Caller, peer: Peer) {
        let admits = |access: &Arc<Access>| self.admits(&caller, &peer, access);
        self.access.clone().ended(self.limits.examination_interval, admits).await;
        tokio::time::sleep(self.limits.stream_grace).await;
    }

    fn admits(&self, caller: &Caller, peer: &Peer, access: &Arc<Access>) -> bool {
        let Caller { organization, channel, .. } = caller;
        let proves = match peer.certificate(access) {
            Err(_not_trusted) => false,
            Ok(_) if !self.verify_organizations => true,
            Ok(certificate) => certificate.is_some_and(|certificate| certificate.proves(organization)),
        };
        proves && access.membership.admits(organization, channel)
    }

    fn caller(
        &self,
        headers: &HeaderMap,
        certificate: Option<&CertificateIdentity>,
        access: &Access,
    ) -> Result<Caller, Failure> {
        let organization = sole(headers, "mspid")?;
        if self.verify_organizations {
            verify(organization, certificate)?;
        }
        let channel = sole(headers, "channel")?;
        let caller = Caller {
            organization: OrganizationId::new(String::from_utf8_lossy(organization)),
            channel: ChannelName::new(&String::from_utf8_lossy(channel)),
            request_bytes: 0, // it has not been read yet
        };
        // Names are taken byte for byte (core/ID-3), so what is not text is nobody's name.
        let literal = [organization, channel].iter().all(|name| std::str::from_utf8(name).is_ok());
        if literal && access.membership.admits(&caller.organization, &caller.channel) {
            return Ok(caller);
        }
        // One text whether or not the organization and the channel exist (core/CHN-2).
        let Caller { organization, channel, .. } = caller;
        let (organization, channel) = (organization.as_str(), channel.as_str());
        Err(Refusal::permission_denied(format!(
            "organization {organization:?} has no access to channel {channel:?}"
        ))
        .into())
    }
}

/// Makes sure that a caller is who it says it is (core/ID-6).
fn verify(organization: &[u8], certificate: Option<&CertificateIdentity>) -> Result<(), Failure> {
    let Some(certificate) = certificate else {
        // Settings cannot ask for this (core/DEF-11); if it happens all the same, nobody gets in.
        tracing::error!("certificates are to be verified on a connection in plain text");
        return Err(Failure::Internal);
    };
    let organization = String::from_utf8_lossy(organization);
    if certificate.proves(&OrganizationId::new(&*organization)) {
        return Ok(());
    }
    // One text for every reason: it must not tell whose authorities are known here.
    Err(Refusal::permission_denied(format!(
        "invalid MSPID: the client certificate does not prove organization {organization:?}"
    ))
    .into())
}

/// The value of a header that must be there exactly once (core/ID-3, CHN-1); operators look for the text (core/ERR-7).
fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a [u8], Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(HeaderValue::as_bytes(value)),
        _ => Err(Refusal::bad_request(format!("missing or invalid header '{name}'"))),
    }
}

#[cfg(test)]
mod tests {
    use crate::access::AccessControl;
    use crate::membership::Membership;

    use super::*;

    #[test]
    fn nobody_gets_in_without_encryption_if_certificates_are_to_be_verified() {
        // core/ID-8; no settings lead here (core/DEF-11), so no test of the whole server can.
        let identity = Identity {
            methods: Methods::from([("/test.Service/Method".to_owned(), Answers::Once)]),
            access: AccessControl::new(Membership::default().into()).follow(),
            verify_organizations: true,
            limits: Limits::default(),
        };
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("mspid"),
            HeaderValue::from_static("OrgA"),
        )]);
        let status = identity.identify("/test.Service/Method", &headers, &Peer::plain()).unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::Internal, "OE0007: internal error"));
    }
}
