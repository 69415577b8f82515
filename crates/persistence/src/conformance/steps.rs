//! Steps that cases are made of: writing, loading, walking through lists.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use asset::facts::ByKey;
use asset::key::Key;
use asset::{Change, ChannelName, ComputeTask, EventId, Facts, Metadata, Needs};
use bytes::Bytes;
use uuid::Uuid;

use super::samples::{at, channel};
use crate::event_log::{Envelope, chain};
use crate::{
    Batch, ByTimeAndPosition, EventFilter, EventLimit, Head, Page, PageRequest, Result, SortOrder, Stages,
    Start, Store, StoredEvent, WriteSet, task_message,
};

/// More pages than any list of the suite has.
const PAGES_MAX: usize = 1_000;

/// The page that starts at the first item.
pub fn first<P>(size: usize) -> PageRequest<P> {
    PageRequest { start: Start::First, size }
}

/// Begins a batch that loads nothing yet.
pub async fn begin(store: &dyn Store, channel: &ChannelName) -> Result<Box<dyn Batch>> {
    store.begin(channel, &Needs::default(), &mut Facts::default()).await
}

/// Applies changes as one batch, each with the event it raises.
pub async fn apply_in(
    store: &dyn Store,
    channel: &ChannelName,
    changes: Vec<Change>,
) -> Result<Vec<StoredEvent>> {
    let batch = begin(store, channel).await?;
    let mut head = batch.head().clone();
    let events = events_of(&changes, &mut head);
    batch.apply(WriteSet::of(&changes), events.clone(), head).await?;
    Ok(events)
}

/// Applies changes as one batch of [`channel`].
pub async fn apply(store: &dyn Store, changes: Vec<Change>) -> Result<Vec<StoredEvent>> {
    apply_in(store, &channel(), changes).await
}

/// Appends events as one batch that changes nothing else.
pub async fn append_in(
    store: &dyn Store,
    channel: &ChannelName,
    envelopes: Vec<Envelope>,
) -> Result<Vec<StoredEvent>> {
    let batch = begin(store, channel).await?;
    let mut head = batch.head().clone();
    let events: Vec<_> = envelopes.into_iter().map(|envelope| head.append(envelope)).collect();
    batch.apply(WriteSet::default(), events.clone(), head).await?;
    Ok(events)
}

/// Appends events to [`channel`].
pub async fn append(store: &dyn Store, envelopes: Vec<Envelope>) -> Result<Vec<StoredEvent>> {
    append_in(store, &channel(), envelopes).await
}

/// The events that changes raise, at their places in the log.
pub fn events_of(changes: &[Change], head: &mut Head) -> Vec<StoredEvent> {
    let announcements = changes.iter().filter_map(Change::announcement);
    let events = announcements.map(|announcement| {
        head.append(Envelope {
            id: EventId::from_uuid(Uuid::new_v4()),
            timestamp: at(1).max(head.time.next()),
            asset_kind: announcement.asset.kind(),
            event_kind: announcement.event_kind,
            asset_key: announcement.asset.key(),
            metadata: announcement
                .reason
                .map(|reason| ("reason".to_owned(), reason))
                .into_iter()
                .collect::<Metadata>(),
            encoded: Bytes::from(format!("{:?}", announcement.asset)),
        })
    });
    events.collect()
}

/// One stage of loading.
struct Once(Mutex<Option<Needs>>);

impl Stages for Once {
    fn missing(&self, _facts: &Facts) -> Needs {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

/// Loads from a snapshot.
pub async fn read_in(store: &dyn Store, channel: &ChannelName, needs: &Needs) -> Result<Facts> {
    store.read(channel, Arc::new(Once(Mutex::new(Some(needs.clone()))))).await
}

/// Loads in all ways that there are, from a snapshot, when a batch begins, and later in a batch: what is true of one must be true of the others.
pub async fn load_in(store: &dyn Store, channel: &ChannelName, needs: &Needs) -> Result<[Facts; 3]> {
    let read = read_in(store, channel, needs).await?;
    let (mut first, mut later) = (Facts::default(), Facts::default());
    drop(store.begin(channel, needs, &mut first).await?);
    begin(store, channel).await?.load(needs, &mut later).await?;
    Ok([read, first, later])
}

/// Loads from [`channel`] in all ways.
pub async fn load(store: &dyn Store, needs: &Needs) -> Result<[Facts; 3]> {
    load_in(store, &channel(), needs).await
}

/// The asset with this key, if it is in the channel.
pub fn known<K: Key, A>(assets: &ByKey<K, A>, key: K) -> Option<&A> {
    assets.get(key).map(|asset| &**asset)
}

/// The assets with these keys, as far as they are in the channel.
pub fn found<K: Key, A: Clone>(assets: &ByKey<K, A>, keys: &[K]) -> Vec<A> {
    keys.iter().filter_map(|key| known(assets, *key)).cloned().collect()
}

/// Walks through a list in pages of this size, each after the last item of the one before.
pub async fn walk<T, P>(
    size: usize,
    list: impl AsyncFn(PageRequest<P>) -> Result<Page<T, P>>,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    let mut start = Start::First;
    for _ in 0..PAGES_MAX {
        let page = list(PageRequest { start, size }).await?;
        assert!(page.items.len() == size || !page.more, "only the last page may be short");
        let mut place = None;
        for (at, item) in page.items {
            items.push(item);
            place = Some(at);
        }
        match place {
            Some(place) if page.more => start = Start::After(place),
            _ => return Ok(items),
        }
    }
    panic!("the list has no end");
}

/// The tasks of a page.
pub fn tasks<P>(page: Page<Bytes, P>) -> Result<Page<ComputeTask, P>> {
    let tasks = page
        .items
        .into_iter()
        .map(|(place, sent)| Ok((place, task_message::decode_sent(&sent).map_err(crate::Error::Corrupt)?)));
    Ok(Page { items: tasks.collect::<Result<_>>()?, more: page.more })
}

/// Checks that a list is exactly `expected`, in this order, however it is cut into pages.
pub async fn assert_list<T: PartialEq + Debug, P>(
    expected: &[T],
    list: impl AsyncFn(PageRequest<P>) -> Result<Page<T, P>>,
) -> Result<()> {
    for size in [1, 2, expected.len().max(1), expected.len() + 1, 10_000] {
        // Pages follow one another without a gap and without repeating anything.
        assert_eq!(walk(size, &list).await?, expected, "in pages of {size}");
    }
    for skipped in 0..=expected.len() + 1 {
        let rest = expected.get(skipped..).unwrap_or_default();
        let page =
            list(PageRequest { start: Start::Offset(u64::try_from(skipped).unwrap_or(u64::MAX)), size: 2 })
                .await?;
        // An offset skips that many items; past the end there are none.
        assert!(page.items.iter().map(|(_, item)| item).eq(rest.iter().take(2)), "after skipping {skipped}");
        // There is more exactly if the list goes on after the page.
        assert_eq!(page.more, rest.len() > 2, "after skipping {skipped}");
    }
    for offset in [u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
        let page = list(PageRequest { start: Start::Offset(offset), size: 10_000 }).await?;
        // No offset is too large to be asked for.
        assert!(page.items.is_empty() && !page.more, "after skipping {offset}");
    }
    Ok(())
}

/// The whole log of a channel.
pub async fn log(store: &dyn Store, channel: &ChannelName) -> Result<Vec<StoredEvent>> {
    store.events_after(channel, 0, EventLimit::events(1_000_000)).await
}

/// Checks that a log has no gap, that each event is chained to the one before, and that it ends where the head says.
pub fn assert_intact(log: &[StoredEvent], head: &Head) {
    let mut end = Head::default();
    for event in log {
        // Positions count from 1 on, without a gap.
        assert_eq!(event.position, end.position + 1);
        // The hash covers the event and everything before it.
        assert_eq!(event.hash, chain(&end.hash, event.position, &event.encoded));
        (end.position, end.hash) = (event.position, event.hash);
    }
    assert_eq!((head.position, head.hash), (end.position, end.hash), "the head is where the log ends");
}

/// The keys of the events that a query finds, in their order.
pub async fn event_keys(store: &dyn Store, filter: EventFilter, sort: SortOrder) -> Result<Vec<String>> {
    let page: Page<StoredEvent, ByTimeAndPosition> =
        store.events(&channel(), filter, sort, first(1_000)).await?;
    Ok(page.items.into_iter().map(|(_, event)| event.asset_key).collect())
}
