//! Allowances: what one organization may have under way at once, so that none can take the server from the others.
//!
//! Counts calls and streams until they end, the bytes of a request until its call ends, and the bytes of an answer until they are sent, which may
//! be later. It does not know what the calls are. Start at [`Allowances::begin`].

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use asset::OrganizationId;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use crate::decoded_size::DecodedSize;
use crate::limits::Limits;
use crate::routes::Answers;
use crate::status;

/// What an answer takes beside its own bytes: its place in the queues of the connection.
const ANSWER_OVERHEAD_BYTES: usize = 256;
/// Bytes of one request that are looked at before others have their turn on the thread.
const BYTES_AT_ONCE: usize = 64 * 1024;

/// What all organizations have under way.
pub(crate) struct Allowances {
    limits: Limits,
    /// Bytes of requests and answers of all organizations.
    bytes: Count,
    /// Those that have called: members, so they are not many.
    accounts: Mutex<HashMap<OrganizationId, Arc<Account>>>,
}

/// What one organization has under way.
#[derive(Debug, Default)]
struct Account {
    calls: Count,
    streams: Count,
    request_bytes: Count,
    answer_bytes: Count,
}

/// So many of something.
#[derive(Debug, Default)]
struct Count(AtomicUsize);

/// What one call takes of its organization's allowance, given back when this is dropped.
pub(crate) struct Share {
    allowances: Arc<Allowances>,
    account: Arc<Account>,
    answers: Answers,
    request_bytes: Count,
}

/// Bytes of an answer, counted until whoever sends them lets go of them.
struct HeldBytes {
    bytes: Bytes,
    allowances: Arc<Allowances>,
    account: Arc<Account>,
}

impl Allowances {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, bytes: Count::default(), accounts: Mutex::default() })
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
        let account = self.account(organization);
        let Limits { calls_per_organization_max, streams_per_organization_max, .. } = self.limits;
        match answers {
            Answers::Once if !account.calls.take(1, calls_per_organization_max) => {
                return Err(status::too_many_calls());
            }
            Answers::Stream if !account.streams.take(1, streams_per_organization_max) => {
                return Err(status::too_many_streams());
            }
            Answers::Once | Answers::Stream => {}
        }
        let allowances = Arc::clone(self);
        Ok(Arc::new(Share { allowances, account, answers, request_bytes: Count::default() }))
    }

    fn account(&self, organization: &OrganizationId) -> Arc<Account> {
        Arc::clone(self.accounts().entry(organization.clone()).or_default())
    }

    /// Whether there is room for so many more bytes of an organization. Once all together have as many as they may, each has an equal part of
    /// that, so that nobody is shut out by the others.
    fn have_room(&self, account: &Account, more: usize) -> bool {
        let bytes_max = self.limits.bytes_under_way_max;
        self.bytes.now() + more <= bytes_max
            || account.bytes() + more <= bytes_max / self.accounts().len().max(1)
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<OrganizationId, Arc<Account>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn bytes(&self) -> usize {
        self.request_bytes.now() + self.answer_bytes.now()
    }
}

impl Count {
    fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether there was room for so many more, which then have been counted.
    fn take(&self, more: usize, max: usize) -> bool {
        let counted = |now: usize| now.checked_add(more).filter(|sum| *sum <= max);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted).is_ok()
    }

    /// The same, but the first always fits, however large it is.
    fn take_or_begin(&self, more: usize, max: usize) -> bool {
        self.0.compare_exchange(0, more, Ordering::Relaxed, Ordering::Relaxed).is_ok() || self.take(more, max)
    }

    fn give_back(&self, less: usize) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }
}

impl Share {
    /// Takes more for a request that is arriving.
    fn take_request_bytes(&self, more: usize) -> Result<(), Status> {
        let Self { allowances, account, request_bytes, .. } = self;
        let max = allowances.limits.request_bytes_per_organization_max;
        if !allowances.have_room(account, more) || !account.request_bytes.take(more, max) {
            return Err(status::too_many_request_bytes());
        }
        request_bytes.take(more, usize::MAX);
        allowances.bytes.take(more, usize::MAX);
        Ok(())
    }

    /// The same bytes of an answer, counted until they are dropped: sent, or given up.
    ///
    /// # Errors
    /// The organization has not taken too much of what was sent before; if it has taken everything, the next answer may be as large as it is.
    pub(crate) fn hold(&self, bytes: Bytes) -> Result<Bytes, Status> {
        let Self { allowances, account, .. } = self;
        let more = bytes.len() + ANSWER_OVERHEAD_BYTES;
        let max = allowances.limits.answer_bytes_per_organization_max;
        let max = if allowances.have_room(account, more) { max } else { 0 };
        if !account.answer_bytes.take_or_begin(more, max) {
            return Err(status::too_many_answer_bytes());
        }
        allowances.bytes.take(more, usize::MAX);
        let (allowances, account) = (Arc::clone(allowances), Arc::clone(account));
        Ok(Bytes::from_owner(HeldBytes { bytes, allowances, account }))
    }
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        let less = self.bytes.len() + ANSWER_OVERHEAD_BYTES;
        self.account.answer_bytes.give_back(less);
        self.allowances.bytes.give_back(less);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Self { allowances, account, answers, request_bytes } = self;
        match answers {
            Answers::Once => account.calls.give_back(1),
            Answers::Stream => account.streams.give_back(1),
        }
        account.request_bytes.give_back(request_bytes.now());
        allowances.bytes.give_back(request_bytes.now());
    }
}

/// A request as it arrives: its bytes, and what they become, are counted until the call ends; for that long they may be held.
pub(crate) struct CountedBody {
    body: Body,
    share: Arc<Share>,
    decoded: Option<DecodedSize>,
    /// Bytes since others had their turn on the thread.
    uninterrupted: usize,
}

impl CountedBody {
    pub(crate) fn new(body: Body, share: Arc<Share>, decoded: Option<DecodedSize>) -> Self {
        Self { body, share, decoded, uninterrupted: 0 }
    }

    /// What these bytes take, as they are and decoded.
    fn bytes(&mut self, data: &Bytes) -> usize {
        data.len() + self.decoded.as_mut().map_or(0, |decoded| decoded.grow(data))
    }
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.uninterrupted >= BYTES_AT_ONCE {
            self.uninterrupted = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let data = frame.iter().flatten().find_map(Frame::data_ref);
        self.uninterrupted += data.map_or(0, Bytes::len);
        let bytes = data.map_or(0, |data| self.bytes(data));
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
            answer_bytes_per_organization_max: 1000,
            ..Limits::default()
        })
    }

    fn begin(allowances: &Arc<Allowances>, organization: &str) -> Arc<Share> {
        allowances.begin(&OrganizationId::new(organization), Answers::Once).unwrap()
    }

    /// Bytes that count for so many.
    fn answer(counted: usize) -> Bytes {
        vec![0; counted - ANSWER_OVERHEAD_BYTES].into()
    }

    #[test]
    fn an_organization_has_its_own_allowance_and_gets_back_what_has_ended() {
        let allowances = allowances();
        let [a, b] = ["OrgA", "OrgB"].map(OrganizationId::new);
        let code = |organization: &OrganizationId, answers| {
            allowances.begin(organization, answers).err().map(|status| status.code())
        };
        let first = begin(&allowances, "OrgA");
        let _second = begin(&allowances, "OrgA");
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
        let [one, other] = [(); 2].map(|()| begin(&allowances, "OrgA"));
        one.take_request_bytes(6).unwrap();
        assert_eq!(other.take_request_bytes(5).unwrap_err().code(), Code::ResourceExhausted);
        drop(one);
        other.take_request_bytes(10).unwrap();
        drop(other);
        assert_eq!(allowances.bytes.now(), 0, "nothing is left");
    }

    #[test]
    fn the_bytes_of_an_answer_count_until_they_are_sent_which_may_be_after_its_call() {
        let allowances = allowances();
        let [one, other] = [(); 2].map(|()| begin(&allowances, "OrgA"));
        let held = one.hold(answer(600)).unwrap();
        let part = held.slice(1..2);
        drop((held, one));
        assert_eq!(other.hold(answer(401)).unwrap_err().code(), Code::Unavailable);
        let _another_organization = begin(&allowances, "OrgB").hold(answer(1000)).unwrap();
        let third = begin(&allowances, "OrgA");
        assert!(third.hold(answer(401)).is_err(), "what the first call has sent was not taken");
        drop(part);
        other.hold(answer(1000)).unwrap();
    }

    #[test]
    fn when_all_together_have_too_much_each_has_an_equal_part() {
        let limits = Limits { bytes_under_way_max: 10_000, ..Limits::default() };
        let allowances = Allowances::new(limits);
        let [a, b] = ["OrgA", "OrgB"].map(|organization| begin(&allowances, organization));
        let _most = a.hold(answer(8000)).unwrap();
        assert_eq!(a.hold(answer(3000)).unwrap_err().code(), Code::Unavailable);
        assert_eq!(a.take_request_bytes(3000).unwrap_err().code(), Code::ResourceExhausted);
        let _half = b.hold(answer(5000)).unwrap();
        assert!(b.hold(answer(1000)).is_err());
    }
}
