//! The writer on a store that fails at the worst moments: nothing is lost, nothing happens twice, and one call's trouble stays its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "unreliable_store/store.rs"]
mod store;

use std::sync::Arc;
use std::time::Duration;

use asset::compute_plan::{NewComputePlan, RegisterComputePlan, RenameComputePlan};
use asset::key::Key;
use asset::organization::RegisterOrganization;
use asset::refusal::Code;
use asset::{ChannelName, EventId, OrganizationId, Policy};
use bytes::Bytes;
use embedded::Embedded;
use persistence::{EventLimit, Place, Store};
use service::{Failure, Options, Service};
use store::{Trouble, Unreliable};
use uuid::Uuid;

fn north() -> ChannelName {
    ChannelName::new("north")
}

fn alder() -> OrganizationId {
    OrganizationId::new("Alder")
}

fn plan(number: usize) -> RegisterComputePlan {
    named_plan(number, "plan")
}

fn named_plan(number: usize, name: &str) -> RegisterComputePlan {
    let key = format!("{number:08x}-0000-4000-8000-000000000000");
    let request = NewComputePlan { key, name: name.to_owned(), ..NewComputePlan::default() };
    RegisterComputePlan::new(request, Policy::default()).unwrap()
}

fn renamed(number: usize, name: &str) -> RenameComputePlan {
    let key = format!("{number:08x}-0000-4000-8000-000000000000");
    RenameComputePlan::new(&key, name.to_owned(), Policy::default()).unwrap()
}

fn options() -> Options {
    let mut options = Options::new(Arc::new(|event| Bytes::from(event.asset.key())));
    options.retry_budget = Duration::from_millis(400);
    options
}

async fn with_alder(service: &Service) {
    let register = RegisterOrganization::new(String::new(), &alder(), Policy::default()).unwrap();
    service.execute(&north(), &alder(), register).await.unwrap();
}

/// A service, and a call that its writer carries out step by step, because it has to look something up, or in one step, because it knows
/// everything: plan 1 is registered or renamed.
struct Case {
    service: Service,
    store: Arc<Unreliable>,
    in_one_step: bool,
}

impl Case {
    async fn new(in_one_step: bool) -> Self {
        let store = Arc::new(Unreliable::over(Embedded::in_memory().unwrap()));
        let service = Service::new(Arc::clone(&store) as Arc<dyn Store>, options());
        with_alder(&service).await;
        if in_one_step {
            for number in [1, 1000, 1001] {
                service.execute(&north(), &alder(), plan(number)).await.unwrap();
            }
        }
        Self { service, store, in_one_step }
    }

    async fn call(&self) -> Result<(), Failure> {
        let steps = self.store.whole_batches();
        let outcome = if self.in_one_step {
            self.service.execute(&north(), &alder(), renamed(1, "once")).await
        } else {
            self.service.execute(&north(), &alder(), plan(1)).await.map(drop)
        };
        assert_eq!(self.store.whole_batches() > steps, self.in_one_step, "the other way was tested");
        outcome
    }

    /// What the log tells if the call was carried out once.
    fn told_once(&self) -> Vec<String> {
        vec![key(1); 1 + usize::from(self.in_one_step)]
    }
}

/// The keys of all plans that the log tells of, beside those of the preparation.
async fn told(store: &Unreliable) -> Vec<String> {
    let events = store.events_after(&north(), 0, EventLimit::events(10_000)).await.unwrap();
    let keys = events.into_iter().map(|event| event.asset_key);
    keys.filter(|key| key.starts_with("0000000")).collect()
}

fn key(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_without_an_answer_is_not_done_twice() {
    // core/TX-9
    for in_one_step in [false, true] {
        let case = Case::new(in_one_step).await;
        case.store.next_write(Trouble::AnswerLost);
        case.call().await.unwrap();
        assert_eq!(told(&case.store).await, case.told_once());
        // The writer goes on with what is true.
        let taken = case.service.execute(&north(), &alder(), plan(1)).await.unwrap_err();
        assert!(matches!(taken, Failure::Refused(refusal) if refusal.code == Code::Conflict));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_committed_is_done_again() {
    for in_one_step in [false, true] {
        for trouble in [Trouble::CommitLost, Trouble::Away] {
            let case = Case::new(in_one_step).await;
            case.store.next_write(trouble);
            case.call().await.unwrap();
            assert_eq!(told(&case.store).await, case.told_once());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_budget_the_caller_is_told_to_come_again() {
    // core/TX-5: whether it has happened is told by coming again.
    for (trouble, happened) in [(Trouble::AnswerLost, true), (Trouble::CommitLost, false)] {
        let Case { service, store, .. } = Case::new(false).await;
        store.next_write(trouble);
        store.be_away_after_next_write(true);
        let outcome = service.execute(&north(), &alder(), plan(1)).await;
        assert_eq!(outcome.unwrap_err(), Failure::Unavailable);
        store.be_away_after_next_write(false);
        let again = service.execute(&north(), &alder(), plan(1)).await;
        assert_eq!(again.is_err(), happened, "{again:?}");
        assert_eq!(told(&store).await, [key(1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_store_cannot_take_fails_alone() {
    let Case { service, store, .. } = Case::new(false).await;
    store.refuse_plans_named("poison");
    let calls = (1..=9).map(|number| {
        let service = service.clone();
        async move {
            let name = if number == 5 { "poison" } else { "plan" };
            service.execute(&north(), &alder(), named_plan(number, name)).await
        }
    });
    let outcomes = futures::future::join_all(calls).await;
    let failed: Vec<_> = (1..=9).filter(|number| outcomes[number - 1].is_err()).collect();
    assert_eq!(failed, [5]);
    assert_eq!(outcomes[4].as_ref().unwrap_err(), &Failure::Internal);
    let expected: Vec<_> = (1..=9).filter(|number| *number != 5).map(key).collect();
    assert_eq!(told(&store).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_of_one_channel_decide_on_each_others_work() {
    // What a writer remembers must never outlive what another process does, refusals included.
    let store: Arc<dyn Store> = Arc::new(Unreliable::over(Embedded::in_memory().unwrap()));
    let services = [0, 1].map(|_| Service::new(Arc::clone(&store), options()));
    with_alder(&services[0]).await;
    for number in 1..60 {
        // Sometimes one of them is alone for a while, sometimes they take turns.
        let (one, other) = (&services[number / 7 % 2], &services[(number + 1) % 2]);
        let (channel, caller) = (north(), alder());
        let unknown = other.execute(&channel, &caller, renamed(number, "early")).await.unwrap_err();
        assert!(matches!(unknown, Failure::Refused(refusal) if refusal.code == Code::NotFound));
        one.execute(&channel, &caller, plan(number)).await.unwrap();
        other.execute(&channel, &caller, renamed(number, "late")).await.unwrap();
        let taken = other.execute(&channel, &caller, plan(number)).await.unwrap_err();
        assert!(matches!(taken, Failure::Refused(refusal) if refusal.code == Code::Conflict));
        one.execute(&channel, &caller, renamed(number, "last")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_free_may_be_taken_in_another_channel() {
    // core/CHN-6: the key comes before the caller in the order of checks, whatever was seen of it before.
    let Case { service, .. } = Case::new(false).await;
    let (south, birch) = (ChannelName::new("south"), OrganizationId::new("Birch"));
    let refusal = |outcome: Result<_, Failure>| match outcome {
        Err(Failure::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    };
    for _ in 0..3 {
        let unregistered = service.execute(&south, &birch, plan(2)).await;
        assert_eq!(refusal(unregistered.map(drop)), Code::BadRequest);
    }
    service.execute(&north(), &alder(), plan(2)).await.unwrap();
    let taken = service.execute(&south, &birch, plan(2)).await;
    assert_eq!(refusal(taken.map(drop)), Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_are_remembered_until_they_are_too_large() {
    let entry = |number: usize| (format!("{number:0100}"), "x".repeat(100));
    let key = "00000002-0000-4000-8000-000000000000".to_owned();
    let large = NewComputePlan { key, metadata: (0..1000).map(entry).collect(), ..NewComputePlan::default() };
    for (facts_bytes_kept_max, remembered) in [(1 << 20, true), (100_000, false)] {
        let store = Arc::new(Unreliable::over(Embedded::in_memory().unwrap()));
        let options = Options { facts_bytes_kept_max, ..options() };
        let service = Service::new(Arc::clone(&store) as Arc<dyn Store>, options);
        with_alder(&service).await;
        service.execute(&north(), &alder(), plan(1)).await.unwrap();
        let large = NewComputePlan { name: "large".to_owned(), ..large.clone() };
        let large = RegisterComputePlan::new(large, Policy::default()).unwrap();
        service.execute(&north(), &alder(), large).await.unwrap();
        let steps = store.whole_batches();
        service.execute(&north(), &alder(), renamed(1, "another")).await.unwrap();
        assert_eq!(store.whole_batches() > steps, remembered, "at most {facts_bytes_kept_max} bytes");
    }
}

#[tokio::test]
async fn a_subscriber_behind_an_event_that_was_lost_before_this_process_knew_it_is_ended() {
    // core/SUB-7
    let case = Case::new(false).await;
    case.store.lose(Place { position: 3, hash: [7; 32] });
    let start = Some(EventId::from_uuid(Uuid::max()));
    let mut subscription = case.service.subscribe(&north(), &alder(), start).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
    assert_eq!(told.expect("it does not wait for what is no more").err(), Some(Failure::Unavailable));
}
