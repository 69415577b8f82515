//! Lists: filters, orders and keyset pages (core/PAG-1 … PAG-8).
//!
//! A page continues after the last item of the one before, by that item's place in the order, so its cost does not grow with depth and nothing is
//! skipped or repeated while others write. How a place is written into a token is the service's business.

use asset::{
    ComputePlanKey, ComputeTaskKey, ComputeTaskStatus, DataSampleKey, FunctionKey, Metadata, OrganizationId,
    Timestamp,
};
use uuid::Uuid;

/// A place in the order creation date ascending, key ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByDateAndKey(pub Timestamp, pub Uuid);

/// A place in the order creation date ascending, task key descending, identifier ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByDateAndPerformance(pub Timestamp, pub ComputeTaskKey, pub String);

/// A place in the order timestamp, position; both ascending or both descending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByTimeAndPosition(pub Timestamp, pub u64);

/// Where a page starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start<P> {
    /// At the first item.
    First,
    /// After the item with this place.
    After(P),
    /// After so many items: the tokens of the predecessor (core/PAG-3).
    Offset(u64),
}

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest<P> {
    /// Where it starts.
    pub start: Start<P>,
    /// How many items at most; at least 1.
    pub size: usize,
}

/// Rows of a page, as they are stored, are at most so many bytes together, unless the first has more: memory is bounded by this, not by the
/// size that is asked for (core/PAG-6). A page that is larger ends early.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// How many events are read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimit {
    /// At most so many.
    pub events: usize,
    /// With at most so many encoded bytes together, unless the first has more.
    pub bytes: usize,
}

impl EventLimit {
    /// So many, however large they are.
    pub const fn events(events: usize) -> Self {
        Self { events, bytes: usize::MAX }
    }
}

/// Room for items of which each has a size: what is too much is left out, but the first always fits.
#[derive(Clone, Debug)]
pub struct Room {
    bytes: usize,
    is_empty: bool,
}

impl Room {
    /// Room for so many bytes.
    pub const fn new(bytes: usize) -> Self {
        Self { bytes, is_empty: true }
    }

    /// Whether the next item fits, which then has taken its part.
    pub fn takes(&mut self, bytes: usize) -> bool {
        let fits = self.is_empty || bytes <= self.bytes;
        if fits {
            self.bytes = self.bytes.saturating_sub(bytes);
            self.is_empty = false;
        }
        fits
    }
}

/// Some items of a list, and whether there are more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, P> {
    /// The items, each with its place in the order.
    pub items: Vec<(P, T)>,
    /// Whether the list goes on after the last item.
    pub more: bool,
}

impl<T, P> Page<T, P> {
    /// Makes a page of what a query for `size + 1` items found: the extra one only proves that there are more. `ended_early` says that there would
    /// have been more, for which there was no room.
    pub fn cut(mut items: Vec<(P, T)>, size: usize, ended_early: bool) -> Self {
        let more = ended_early || items.len() > size;
        items.truncate(size);
        Self { items, more }
    }
}

/// Which data samples; no keys means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSampleFilter {
    /// Only these.
    pub keys: Vec<DataSampleKey>,
}

/// Which functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionFilter {
    /// Only those that some task of this plan runs, each once.
    pub compute_plan_key: Option<ComputePlanKey>,
}

/// Which compute plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComputePlanFilter {
    /// Only those of this owner.
    pub owner: Option<OrganizationId>,
}

/// Which compute tasks; everything set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComputeTaskFilter {
    /// Only those of this worker.
    pub worker: Option<OrganizationId>,
    /// Only those in this status.
    pub status: Option<ComputeTaskStatus>,
    /// Only those of this plan.
    pub compute_plan_key: Option<ComputePlanKey>,
    /// Only those of this function.
    pub function_key: Option<FunctionKey>,
}

/// Which performances; everything set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerformanceFilter {
    /// Only those of this task.
    pub compute_task_key: Option<ComputeTaskKey>,
    /// Only those of outputs with this identifier.
    pub identifier: Option<String>,
}

/// Which events; everything set must hold (core/EVT-14 … EVT-19).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those with exactly this asset key.
    pub asset_key: Option<String>,
    /// Only those about assets of this kind; any number, also one that nobody has.
    pub asset_kind: Option<i32>,
    /// Only those of this kind; any number, also one that nobody has.
    pub event_kind: Option<i32>,
    /// Only those whose metadata hold all these entries.
    pub metadata: Metadata,
    /// Only those at or after this time.
    pub start: Option<Timestamp>,
    /// Only those at or before this time.
    pub end: Option<Timestamp>,
}

/// Which end of the log comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}
