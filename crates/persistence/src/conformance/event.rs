//! The event log: read on from a position, or asked by time, kind, key and metadata (core/EVT-14 … EVT-21).

use std::sync::Arc;

use asset::{AssetKind, EventKind, Metadata, Timestamp};
use bytes::Bytes;

use super::samples::{at, channel, envelope, key, metadata, other_channel};
use super::steps::{append, append_in, assert_intact, assert_list, event_keys, log};
use crate::event_log::Envelope;
use crate::{
    ByTimeAndPosition, EventFilter, EventLimit, PAGE_BYTES_MAX, PageRequest, Result, SortOrder, Start, Store,
    StoredEvent,
};

/// Reading on gives each event once, in order, and nothing at the end.
pub async fn the_log_is_read_on_from_a_position(store: Arc<dyn Store>) -> Result<()> {
    let mut events = append(&*store, (1..=3).map(envelope).collect()).await?;
    append_in(&*store, &other_channel(), vec![envelope(100)]).await?;
    events.extend(append(&*store, (4..=5).map(envelope).collect()).await?);

    for (position, skipped) in (0..=5).zip(0..) {
        let after = store.events_after(&channel(), position, EventLimit::events(100)).await?;
        assert_eq!(after, events[skipped..], "after {position}");
    }
    // At most as many as asked for.
    assert_eq!(store.events_after(&channel(), 1, EventLimit::events(2)).await?, events[1..3]);
    assert_eq!(store.events_after(&channel(), 0, EventLimit::events(0)).await?, []);
    // Nothing is after the end, wherever that is.
    for position in [6, u64::MAX >> 1, u64::MAX] {
        assert_eq!(store.events_after(&channel(), position, EventLimit::events(usize::MAX)).await?, []);
    }
    assert_intact(&events, &store.head(&channel()).await?);
    Ok(())
}

/// Reading on is bounded by bytes, too, but what is too large for that is read alone.
pub async fn reading_on_is_bounded_by_bytes(store: Arc<dyn Store>) -> Result<()> {
    let events = append(&*store, (1..=4).map(|number| large(number, 100_000)).collect()).await?;
    for (position, bytes, read) in [(0, 250_000, 0..2), (0, 100, 0..1), (2, 100, 2..3), (2, 10_000_000, 2..4)]
    {
        let limit = EventLimit { events: 10, bytes };
        assert_eq!(
            store.events_after(&channel(), position, limit).await?,
            events[read],
            "{position} {bytes}"
        );
    }
    Ok(())
}

/// Everything of an event is kept, its bytes above all.
pub async fn events_are_kept_whole(store: Arc<dyn Store>) -> Result<()> {
    let kinds = AssetKind::ALL.iter().flat_map(|asset_kind| {
        [EventKind::Created, EventKind::Updated, EventKind::Disabled]
            .map(|event_kind| (*asset_kind, event_kind))
    });
    let mut envelopes: Vec<_> = (1..)
        .zip(kinds)
        .map(|(number, (asset_kind, event_kind))| Envelope { asset_kind, event_kind, ..envelope(number) })
        .collect();
    envelopes[0].encoded = Bytes::new();
    envelopes[1].encoded = (0..=255).cycle().take(100_000).collect();
    envelopes[2].asset_key = String::new();
    envelopes[3].asset_key = "'\"\\ 漢字".to_owned();
    envelopes[4].metadata = metadata(&[("reason", "line\nbreak \"quoted\" \\ 👩‍🔬"), ("", "")]);
    envelopes[5].timestamp = Timestamp::from_micros(-1);
    let appended = append(&*store, envelopes).await?;

    assert_eq!(log(&*store, &channel()).await?, appended);
    Ok(())
}

/// Whatever size is asked for, a page ends before it is too large, and the list goes on from there (core/PAG-6).
pub async fn a_page_ends_early_before_it_is_too_large(store: Arc<dyn Store>) -> Result<()> {
    let third = PAGE_BYTES_MAX * 3 / 8;
    let sizes = [third, third, third, 2 * PAGE_BYTES_MAX, third, third, third];
    let envelopes = (1..).zip(sizes).map(|(number, bytes)| large(number, bytes));
    let events = append(&*store, envelopes.collect()).await?;
    let mut start = Start::First;
    let mut listed = Vec::new();
    for (length, more) in [(2, true), (1, true), (1, true), (2, true), (1, false)] {
        let request = PageRequest { start, size: 10_000 };
        let page = store.events(&channel(), EventFilter::default(), SortOrder::Ascending, request).await?;
        assert_eq!((page.items.len(), page.more), (length, more));
        let (places, items): (Vec<_>, Vec<_>) = page.items.into_iter().unzip();
        start = places.last().cloned().map_or(Start::First, Start::After);
        listed.extend(items);
    }
    assert_eq!(listed, events);
    Ok(())
}

fn large(number: u32, bytes: usize) -> Envelope {
    Envelope { encoded: Bytes::from(vec![b'x'; bytes]), ..envelope(number) }
}

/// The place of an event, by its id (core/SUB-4).
pub async fn events_are_found_by_id(store: Arc<dyn Store>) -> Result<()> {
    let here = append(&*store, (1..=3).map(envelope).collect()).await?;
    let there = append_in(&*store, &other_channel(), vec![envelope(4)]).await?;

    assert_eq!(store.event_place(&channel(), key(2)).await?, Some(here[1].place()));
    assert_eq!(store.event_place(&other_channel(), key(4)).await?, Some(there[0].place()));
    // Another channel's event and no event at all are the same.
    assert_eq!(store.event_place(&channel(), key(4)).await?, None);
    assert_eq!(store.event_place(&channel(), key(5)).await?, None);
    Ok(())
}

/// By timestamp, then by position; both from either end (core/EVT-21).
pub async fn events_are_listed_from_both_ends(store: Arc<dyn Store>) -> Result<()> {
    // Positions 1 to 6; some happened at the same time, one before its predecessors.
    let dates = [2, 2, 3, 1, 3, 2];
    let envelopes =
        (1..).zip(dates).map(|(number, date)| Envelope { timestamp: at(date), ..envelope(number) });
    let appended = append(&*store, envelopes.collect()).await?;
    let list = async |sort, page| store.events(&channel(), EventFilter::default(), sort, page).await;

    let mut expected = [4, 1, 2, 6, 3, 5].map(|position: usize| appended[position - 1].clone());
    assert_list(&expected, async |page| list(SortOrder::Ascending, page).await).await?;
    expected.reverse();
    assert_list(&expected, async |page| list(SortOrder::Descending, page).await).await?;

    let after = async |sort, place| {
        let page = list(sort, PageRequest { start: Start::After(place), size: 100 }).await?;
        Ok(page.items.into_iter().map(|(_, event)| event.position).collect::<Vec<_>>())
    };
    // A place need not be that of an event.
    assert_eq!(after(SortOrder::Ascending, ByTimeAndPosition(at(2), 3)).await?, [6, 3, 5]);
    assert_eq!(after(SortOrder::Descending, ByTimeAndPosition(at(2), 3)).await?, [2, 1, 4]);
    assert_eq!(after(SortOrder::Ascending, ByTimeAndPosition(at(3), u64::MAX)).await?, [0_u64; 0]);
    assert_eq!(after(SortOrder::Descending, ByTimeAndPosition(at(3), u64::MAX)).await?, [5, 3, 6, 2, 1, 4]);
    Ok(())
}

/// Events that are appended between two pages come after all others, or, newest first, not at all (core/PAG-8).
pub async fn pages_of_events_stay_together_while_others_write(store: Arc<dyn Store>) -> Result<()> {
    append(&*store, (1..=4).map(envelope).collect()).await?;
    let list = async |sort, start| {
        let page =
            store.events(&channel(), EventFilter::default(), sort, PageRequest { start, size: 2 }).await?;
        let place = page.items.last().map(|(place, _)| place.clone());
        let positions: Vec<_> = page.items.iter().map(|(_, event)| event.position).collect();
        Ok((positions, place, page.more))
    };
    let (oldest, after_oldest, _) = list(SortOrder::Ascending, Start::First).await?;
    let (newest, after_newest, _) = list(SortOrder::Descending, Start::First).await?;
    assert_eq!((oldest, newest), (vec![1, 2], vec![4, 3]));
    append(&*store, vec![envelope(5)]).await?;

    let (Some(after_oldest), Some(after_newest)) = (after_oldest, after_newest) else {
        return Ok(());
    };
    let (positions, _, more) = list(SortOrder::Ascending, Start::After(after_oldest)).await?;
    assert_eq!((positions, more), (vec![3, 4], true));
    let (positions, _, more) = list(SortOrder::Descending, Start::After(after_newest)).await?;
    assert_eq!((positions, more), (vec![2, 1], false));
    Ok(())
}

/// Everything that is asked for must hold (core/EVT-14 … EVT-19).
pub async fn events_are_filtered(store: Arc<dyn Store>) -> Result<()> {
    let event = |number, asset_key: &str, asset_kind, event_kind, entries: &[(&str, &str)]| Envelope {
        asset_key: asset_key.to_owned(),
        asset_kind,
        event_kind,
        metadata: metadata(entries),
        ..envelope(number)
    };
    use AssetKind::{ComputeTask, Model};
    use EventKind::{Created, Disabled, Updated};
    let envelopes = vec![
        event(1, "a", ComputeTask, Created, &[]),
        event(2, "a", ComputeTask, Updated, &[("reason", "why"), ("more", "x")]),
        event(3, "b", ComputeTask, Updated, &[("reason", "Why")]),
        event(4, "A", Model, Created, &[("reason", "")]),
        event(5, "a", Model, Disabled, &[("reason", "why")]),
        event(6, "%", Model, Created, &[("why", "reason"), ("\"'\\\n é", "\"'\\\n 漢")]),
    ];
    let events = append(&*store, envelopes).await?;

    let of_key =
        |asset_key: &str| EventFilter { asset_key: Some(asset_key.to_owned()), ..EventFilter::default() };
    let of_kind = |number| EventFilter { asset_kind: Some(number), ..EventFilter::default() };
    let of_event_kind = |number| EventFilter { event_kind: Some(number), ..EventFilter::default() };
    let with =
        |entries: &[(&str, &str)]| EventFilter { metadata: metadata(entries), ..EventFilter::default() };
    let between = |start: Option<u32>, end: Option<u32>| EventFilter {
        start: start.map(at),
        end: end.map(at),
        ..EventFilter::default()
    };
    let cases: Vec<(EventFilter, &[usize])> = vec![
        (EventFilter::default(), &[1, 2, 3, 4, 5, 6]),
        // Keys are texts, compared byte by byte.
        (of_key("a"), &[1, 2, 5]),
        (of_key("A"), &[4]),
        (of_key("%"), &[6]),
        (of_key(""), &[]),
        // Kinds are numbers; one that nobody has matches nothing.
        (of_kind(6), &[1, 2, 3]),
        (of_kind(8), &[4, 5, 6]),
        (of_kind(2), &[]),
        (of_kind(i32::MAX), &[]),
        (of_kind(i32::MIN), &[]),
        // Not even one that a smaller integer would take for another.
        (of_kind(65_536 + 6), &[]),
        (of_event_kind(1), &[1, 4, 6]),
        (of_event_kind(3), &[5]),
        (of_event_kind(-1), &[]),
        (of_event_kind(65_536 + 1), &[]),
        // Metadata hold every entry that is asked for.
        (with(&[("reason", "why")]), &[2, 5]),
        (with(&[("reason", "why"), ("more", "x")]), &[2]),
        (with(&[("reason", "why"), ("more", "y")]), &[]),
        (with(&[("reason", "")]), &[4]),
        (with(&[("reason", "wh")]), &[]),
        (with(&[("why", "reason")]), &[6]),
        (with(&[("\"'\\\n é", "\"'\\\n 漢")]), &[6]),
        (with(&[("", "")]), &[]),
        // Both ends belong to the time asked for.
        (between(Some(2), None), &[2, 3, 4, 5, 6]),
        (between(None, Some(2)), &[1, 2]),
        (between(Some(2), Some(4)), &[2, 3, 4]),
        (between(Some(3), Some(3)), &[3]),
        (between(Some(4), Some(3)), &[]),
        (EventFilter { start: Some(Timestamp::MIN), end: Some(Timestamp::MAX), ..of_key("b") }, &[3]),
        // All together.
        (EventFilter { event_kind: Some(2), metadata: metadata(&[("reason", "why")]), ..of_key("a") }, &[2]),
        (
            EventFilter {
                asset_kind: Some(8),
                start: Some(at(5)),
                end: Some(at(5)),
                ..with(&[("reason", "why")])
            },
            &[5],
        ),
        (EventFilter { asset_kind: Some(8), event_kind: Some(2), ..EventFilter::default() }, &[]),
    ];
    for (filter, positions) in cases {
        let mut expected: Vec<StoredEvent> =
            positions.iter().map(|position| events[position - 1].clone()).collect();
        let list = async |sort, page| store.events(&channel(), filter.clone(), sort, page).await;
        let found = event_keys(&*store, filter.clone(), SortOrder::Ascending).await?;
        assert!(found.iter().eq(expected.iter().map(|event| &event.asset_key)), "{filter:?}: {found:?}");
        assert_list(&expected, async |page| list(SortOrder::Ascending, page).await).await?;
        expected.reverse();
        assert_list(&expected, async |page| list(SortOrder::Descending, page).await).await?;
    }
    Ok(())
}

/// A filter may ask for as many entries as it likes.
pub async fn metadata_filters_may_be_large(store: Arc<dyn Store>) -> Result<()> {
    let many: Metadata =
        (0..3_000).map(|number| (format!("key {number}"), format!("value {number}"))).collect();
    let rich = Envelope { metadata: many.clone(), ..envelope(1) };
    append(&*store, vec![rich, envelope(2)]).await?;

    let found = async |metadata| {
        event_keys(&*store, EventFilter { metadata, ..EventFilter::default() }, SortOrder::Ascending).await
    };
    assert_eq!(found(many.clone()).await?, ["asset 1"]);
    let mut more = many;
    more.insert("one more".to_owned(), String::new());
    assert_eq!(found(more).await?, [""; 0]);
    Ok(())
}
