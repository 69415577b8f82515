//! Allowances: what one organization may have under way at once, so that none can take the server from the others.
//!
//! Counts calls, streams, and the bytes of requests, each until the call ends. It does not know what the calls are. Start at
//! [`Allowances::begin`].

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use asset::OrganizationId;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use crate::limits::Limits;
use crate::routes::Answers;
use crate::status;

/// What all organizations have under way.
pub(crate) struct Allowances {
    limits: Limits,
    /// Organizations that have something under way.
    usages: Mutex<HashMap<OrganizationId, Usage>>,
}

/// What one organization has under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    calls: usize,
    streams: usize,
    request_bytes: usize,
}

/// What one call takes of its organization's allowance, given back when this is dropped.
pub(crate) struct Share {
    allowances: Arc<Allowances>,
    organization: OrganizationId,
    usage: Mutex<Usage>,
}

impl Allowances {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, usages: Mutex::default() })
    }

    /// Begins a call of an organization.
    ///
    /// # Errors
    /// The organization has as many under way as it may.
    pub(crate) fn begin(
        self: &Arc<Self>,
        organization: &OrganizationId,
        answers: Answers,
    ) -> Result<Arc<Share>, Status> {
        let usage = match answers {
            Answers::Once => Usage { calls: 1, ..Usage::default() },
            Answers::Stream => Usage { streams: 1, ..Usage::default() },
        };
        self.take(organization, usage)?;
        let organization = organization.clone();
        Ok(Arc::new(Share { allowances: Arc::clone(self), organization, usage: Mutex::new(usage) }))
    }

    fn take(&self, organization: &OrganizationId, more: Usage) -> Result<(), Status> {
        let mut usages = self.usages();
        let usage = usages.get(organization).copied().unwrap_or_default().plus(more);
        usage.check(&self.limits)?;
        usages.insert(organization.clone(), usage);
        Ok(())
    }

    fn give_back(&self, organization: &OrganizationId, less: Usage) {
        let mut usages = self.usages();
        let usage = usages.remove(organization).unwrap_or_default().minus(less);
        if usage != Usage::default() {
            usages.insert(organization.clone(), usage);
        }
    }

    fn usages(&self) -> MutexGuard<'_, HashMap<OrganizationId, Usage>> {
        self.usages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Usage {
    fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            streams: self.streams + other.streams,
            request_bytes: self.request_bytes + other.request_bytes,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            streams: self.streams.saturating_sub(other.streams),
            request_bytes: self.request_bytes.saturating_sub(other.request_bytes),
        }
    }

    fn check(self, limits: &Limits) -> Result<(), Status> {
        if self.calls > limits.calls_per_organization_max {
            return Err(status::too_many_calls());
        }
        if self.streams > limits.streams_per_organization_max {
            return Err(status::too_many_streams());
        }
        if self.request_bytes > limits.request_bytes_per_organization_max {
            return Err(status::too_many_request_bytes());
        }
        Ok(())
    }
}

impl Share {
    /// Takes more for a request that is arriving.
    fn take_request_bytes(&self, count: usize) -> Result<(), Status> {
        let more = Usage { request_bytes: count, ..Usage::default() };
        self.allowances.take(&self.organization, more)?;
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        *usage = usage.plus(more);
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let usage = *self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        self.allowances.give_back(&self.organization, usage);
    }
}

/// A request as it arrives: its bytes are counted until the call ends, for that long they may be held.
pub(crate) struct CountedBody {
    body: Body,
    share: Arc<Share>,
}

impl CountedBody {
    pub(crate) fn new(body: Body, share: Arc<Share>) -> Self {
        Self { body, share }
    }
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let bytes = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        Poll::Ready(match self.share.take_request_bytes(bytes) {
            Ok(()) => frame,
            Err(status) => Some(Err(status)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn allowances() -> Arc<Allowances> {
        Allowances::new(Limits {
            calls_per_organization_max: 2,
            streams_per_organization_max: 1,
            request_bytes_per_organization_max: 10,
            ..Limits::default()
        })
    }

    #[test]
    fn an_organization_has_its_own_allowance_and_gets_back_what_has_ended() {
        let allowances = allowances();
        let [a, b] = ["OrgA", "OrgB"].map(OrganizationId::new);
        let code = |organization: &OrganizationId, answers| {
            allowances.begin(organization, answers).err().map(|status| status.code())
        };
        let first = allowances.begin(&a, Answers::Once).unwrap();
        let _second = allowances.begin(&a, Answers::Once).unwrap();
        assert_eq!(code(&a, Answers::Once), Some(Code::Unavailable));
        let _stream = allowances.begin(&a, Answers::Stream).unwrap();
        assert_eq!(code(&a, Answers::Stream), Some(Code::ResourceExhausted));
        assert_eq!(code(&b, Answers::Once), None);
        drop(first);
        assert_eq!(code(&a, Answers::Once), None);
    }

    #[test]
    fn the_bytes_of_a_request_count_until_its_call_ends() {
        let allowances = allowances();
        let a = OrganizationId::new("OrgA");
        let [one, other] = [(); 2].map(|()| allowances.begin(&a, Answers::Once).unwrap());
        one.take_request_bytes(6).unwrap();
        assert_eq!(other.take_request_bytes(5).unwrap_err().code(), Code::ResourceExhausted);
        drop(one);
        other.take_request_bytes(10).unwrap();
        drop(other);
        assert!(allowances.usages().is_empty(), "nothing is remembered");
    }
}
