//! The writer and the feed on a real store: one order for everybody, nothing twice, nothing missing, faults contained.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use asset::command::{Call, Command, Decision};
use asset::compute_plan::{GetComputePlan, NewComputePlan, RegisterComputePlan, RenameComputePlan};
use asset::organization::RegisterOrganization;
use asset::refusal::Code;
use asset::{
    Change, ChannelName, ComputePlan, EventAsset, Facts, Needs, OrganizationId, Policy, Refusal, Timestamp,
};
use bytes::Bytes;
use embedded::Embedded;
use persistence::{Store, StoredEvent};
use service::{Failure, Options, Service, Subscription};

const NORTH: &str = "north";

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name)
}

fn alder() -> OrganizationId {
    OrganizationId::new("Alder")
}

/// A service on a fresh store in memory, where Alder is registered in `north`. An event is encoded as its asset's key.
async fn service() -> Service {
    let store: Arc<dyn Store> = Arc::new(Embedded::in_memory().unwrap());
    service_on(&store, |_| {}).await
}

/// A service on this store, with settings changed by `adjust`, as one of several processes.
async fn service_on(store: &Arc<dyn Store>, adjust: impl FnOnce(&mut Options)) -> Service {
    let mut options = Options::new(Arc::new(|event| Bytes::from(event.asset.key())));
    adjust(&mut options);
    let service = Service::new(Arc::clone(store), options);
    let register = RegisterOrganization::new(String::new(), &alder(), Policy::default()).unwrap();
    let _registered_or_was_before = service.execute(&channel(NORTH), &alder(), register).await;
    service
}

fn key(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn plan(number: usize) -> RegisterComputePlan {
    let request =
        NewComputePlan { key: key(number), name: format!("plan {number}"), ..NewComputePlan::default() };
    RegisterComputePlan::new(request, Policy::default()).unwrap()
}

/// Reads so many events.
async fn read(subscription: &mut Subscription, count: usize) -> Vec<Arc<StoredEvent>> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
        events.extend(next.expect("an event within 20 s").unwrap());
    }
    assert_eq!(events.len(), count);
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_registrations_of_one_key_one_succeeds() {
    // core/TX-12, compute/S-40
    let service = service().await;
    let north = channel(NORTH);
    let caller = alder();
    let outcomes =
        futures::future::join_all((0..40).map(|_| service.execute(&north, &caller, plan(1)))).await;
    let refused = |outcome: &Result<Arc<ComputePlan>, Failure>| matches!(outcome, Err(Failure::Refused(refusal)) if refusal.code == Code::Conflict);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| refused(outcome)).count(), 39);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_subscribers_see_one_sequence_without_gap() {
    // core/SUB-5 … SUB-7, SUB-18: early, late and resumed subscribers, while eight writers are busy.
    const PLANS: usize = 400;
    let service = service().await;
    let mut early = service.subscribe(&channel(NORTH), &alder(), None).await.unwrap();
    let next = Arc::new(AtomicUsize::new(1));
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (service, next) = (service.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > PLANS {
                        return;
                    }
                    service.execute(&channel(NORTH), &alder(), plan(number)).await.unwrap();
                }
            })
        })
        .collect();
    let first_half = read_at_least(&mut early, PLANS / 2).await;
    let mut late = service.subscribe(&channel(NORTH), &alder(), None).await.unwrap();
    let mut resumed = service.subscribe(&channel(NORTH), &alder(), Some(first_half[99].id)).await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut seen_early = first_half;
    seen_early.extend(read(&mut early, PLANS + 1 - seen_early.len()).await);
    assert_eq!(read(&mut late, PLANS + 1).await, seen_early);
    assert_eq!(read(&mut resumed, PLANS + 1 - 100).await, seen_early[100..]);
    let positions: Vec<u64> = seen_early.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=u64::try_from(PLANS).unwrap() + 1).collect::<Vec<_>>());
    assert!(seen_early.is_sorted_by_key(|event| event.timestamp), "time order is stream order");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_events_are_read_at_once_is_not_visible() {
    // core/SUB-9
    const PLANS: usize = 25;
    let store: Arc<dyn Store> = Arc::new(Embedded::in_memory().unwrap());
    let writing = service_on(&store, |_| {}).await;
    for number in 1..=PLANS {
        writing.execute(&channel(NORTH), &alder(), plan(number)).await.unwrap();
    }
    let mut replays = Vec::new();
    for replay_events_max in [1, 2, 7, 1000] {
        let replaying = service_on(&store, |options| options.replay_events_max = replay_events_max).await;
        let mut subscription = replaying.subscribe(&channel(NORTH), &alder(), None).await.unwrap();
        replays.push(read(&mut subscription, PLANS + 1).await);
    }
    assert!(replays.iter().all(|replay| *replay == replays[0]), "{replays:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_another_process_arrive_although_every_hint_is_lost() {
    // core/SUB-10, SUB-16: this store never sends a hint.
    let store: Arc<dyn Store> = Arc::new(Embedded::in_memory().unwrap());
    let here = service_on(&store, |_| {}).await;
    let there = service_on(&store, |options| options.poll_interval = Duration::from_millis(20)).await;
    let mut subscription = there.subscribe(&channel(NORTH), &alder(), None).await.unwrap();
    read(&mut subscription, 1).await;
    for number in 1..=3 {
        here.execute(&channel(NORTH), &alder(), plan(number)).await.unwrap();
        assert_eq!(read(&mut subscription, 1).await[0].asset_key, key(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_follow_the_order_of_events_whatever_the_clock_says() {
    // core/DEF-25, EVT-12: two processes, one of which has a clock that is behind and runs backwards.
    let store: Arc<dyn Store> = Arc::new(Embedded::in_memory().unwrap());
    let right = service_on(&store, |_| {}).await;
    let backwards = Arc::new(AtomicI64::new(1_000_000));
    let wrong = service_on(&store, |options| {
        options.clock =
            Arc::new(move || Timestamp::from_micros(backwards.fetch_sub(1000, Ordering::Relaxed)));
    })
    .await;
    for number in 1..=10 {
        let service = if number % 2 == 0 { &wrong } else { &right };
        service.execute(&channel(NORTH), &alder(), plan(number)).await.unwrap();
    }
    let mut subscription = right.subscribe(&channel(NORTH), &alder(), None).await.unwrap();
    let events = read(&mut subscription, 11).await;
    assert!(events.is_sorted_by(|earlier, later| earlier.timestamp < later.timestamp), "{events:?}");
}

async fn read_at_least(subscription: &mut Subscription, count: usize) -> Vec<Arc<StoredEvent>> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(subscription.next().await.unwrap());
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_do_not_see_each_other() {
    // core/CHN-5, CHN-6
    let service = service().await;
    let south = channel("south");
    let register = RegisterOrganization::new(String::new(), &alder(), Policy::default()).unwrap();
    service.execute(&south, &alder(), register).await.unwrap();
    service.execute(&channel(NORTH), &alder(), plan(1)).await.unwrap();
    let taken = service.execute(&south, &alder(), plan(1)).await.unwrap_err();
    assert!(matches!(taken, Failure::Refused(refusal) if refusal.code == Code::Conflict));
    let hidden = service.inquire(&south, &alder(), GetComputePlan::new(&key(1)).unwrap()).await.unwrap_err();
    assert!(matches!(hidden, Failure::Refused(refusal) if refusal.code == Code::NotFound));
    let mut events = service.subscribe(&south, &alder(), None).await.unwrap();
    assert_eq!(read(&mut events, 1).await[0].asset_key, "Alder");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_another_channel_is_no_start() {
    // core/SUB-4
    let service = service().await;
    let mut events = service.subscribe(&channel(NORTH), &alder(), None).await.unwrap();
    let id = read(&mut events, 1).await[0].id;
    let refused = service.subscribe(&channel("south"), &alder(), Some(id)).await.err().expect("a refusal");
    assert!(matches!(refused, Failure::Refused(refusal) if refusal.code == Code::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_after_an_answer_sees_it() {
    // core/TX-8, TX-11
    let service = service().await;
    service.execute(&channel(NORTH), &alder(), plan(1)).await.unwrap();
    for round in 0..50 {
        let name = format!("name {round}");
        let rename = RenameComputePlan::new(&key(1), name.clone(), Policy::default()).unwrap();
        service.execute(&channel(NORTH), &alder(), rename).await.unwrap();
        let seen =
            service.inquire(&channel(NORTH), &alder(), GetComputePlan::new(&key(1)).unwrap()).await.unwrap();
        assert_eq!(seen.name, name);
    }
}

/// Registers a plan, unless it is told to break down while it decides.
struct Fragile {
    plan: RegisterComputePlan,
    breaks: bool,
}

impl Command for Fragile {
    type Answer = Arc<ComputePlan>;

    fn needs(&self, caller: &OrganizationId, facts: &Facts, needs: &mut Needs) {
        self.plan.needs(caller, facts, needs);
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        assert!(!self.breaks, "a fault on purpose");
        self.plan.decide(call, facts)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_stays_in_its_call() {
    // core/DEF-14
    let service = service().await;
    let north = channel(NORTH);
    let caller = alder();
    let calls = (1..=20).map(|number| {
        service.execute(&north, &caller, Fragile { plan: plan(number), breaks: number % 5 == 0 })
    });
    let outcomes = futures::future::join_all(calls).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        match (index + 1) % 5 {
            0 => assert_eq!(outcome.as_ref().err(), Some(&Failure::Internal)),
            _ => assert!(outcome.is_ok(), "{outcome:?}"),
        }
    }
}

/// Registers two plans in one call and fails if anything of an earlier, refused call is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_leaves_nothing() {
    // core/TX-1, TX-11
    let service = service().await;
    let north = channel(NORTH);
    let stranger = OrganizationId::new("Stranger");
    let refused = service.execute(&north, &stranger, plan(1)).await.unwrap_err();
    assert!(
        matches!(refused, Failure::Refused(refusal) if refusal.code == Code::BadRequest),
        "not registered"
    );
    service.execute(&north, &alder(), plan(1)).await.unwrap();
    let mut events = service.subscribe(&north, &alder(), None).await.unwrap();
    let events = read(&mut events, 2).await;
    assert_eq!([events[0].asset_key.as_str(), events[1].asset_key.as_str()], ["Alder", key(1).as_str()]);
}

#[tokio::test]
async fn what_a_change_announces_is_what_the_log_keeps() {
    let service = service().await;
    service.execute(&channel(NORTH), &alder(), plan(7)).await.unwrap();
    let mut events = service.subscribe(&channel(NORTH), &alder(), None).await.unwrap();
    let event = &read(&mut events, 2).await[1];
    let plan =
        service.inquire(&channel(NORTH), &alder(), GetComputePlan::new(&key(7)).unwrap()).await.unwrap();
    let announced = Change::ComputePlanRegistered(Arc::clone(&plan)).announcement().unwrap();
    assert_eq!(event.asset_kind, EventAsset::ComputePlan(plan.clone()).kind().number());
    assert_eq!(event.event_kind, announced.event_kind.number());
    assert_eq!(event.timestamp, plan.creation_date);
    assert_eq!(event.encoded, Bytes::from(key(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_could_not_be_told_of_is_refused() {
    let store: Arc<dyn Store> = Arc::new(Embedded::in_memory().unwrap());
    let service = service_on(&store, |options| {
        options.event_bytes_max = 1000;
        options.encode_event = Arc::new(|event| match &event.asset {
            EventAsset::ComputePlan(plan) => plan.name.repeat(50).into_bytes().into(),
            _ => Bytes::new(),
        });
    })
    .await;
    service.execute(&channel(NORTH), &alder(), plan(1)).await.unwrap();
    let long = NewComputePlan { key: key(2), name: "x".repeat(100), ..NewComputePlan::default() };
    let long = RegisterComputePlan::new(long, Policy::default()).unwrap();
    let refused = service.execute(&channel(NORTH), &alder(), long).await.unwrap_err();
    assert!(matches!(refused, Failure::Refused(refusal) if refusal.code == Code::InvalidAsset));
    service.inquire(&channel(NORTH), &alder(), GetComputePlan::new(&key(2)).unwrap()).await.unwrap_err();
    // What exists goes on.
    let rename = RenameComputePlan::new(&key(1), "x".repeat(100), Policy::default()).unwrap();
    service.execute(&channel(NORTH), &alder(), rename).await.unwrap();
    let mut subscription = service.subscribe(&channel(NORTH), &alder(), None).await.unwrap();
    assert_eq!(read(&mut subscription, 3).await[2].asset_key, key(1));
}
