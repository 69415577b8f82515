//! Lists of assets and events, page by page (core/PAG-1 … PAG-8).

use asset::{
    ChannelName, ComputePlan, DataManager, DataSample, Function, Organization, OrganizationId, Performance,
};
use bytes::Bytes;
use persistence::{
    ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, ComputePlanFilter, ComputeTaskFilter,
    DataSampleFilter, EventFilter, FunctionFilter, Page, PageRequest, PerformanceFilter, Room, SortOrder,
    StoredEvent,
};

use crate::failure::Failure;
use crate::page_token::{self, Place};
use crate::service::Service;
use crate::turns::Turn;

/// Items of a page whose caller did not say (core/PAG-2).
const PAGE_SIZE_DEFAULT: u32 = 50;
/// Items of a page at most; existing clients ask for so many (core/PAG-6).
const PAGE_SIZE_MAX: u32 = 10_000;

/// Items that are converted before others have their turn on the thread.
const ITEMS_AT_ONCE: usize = 256;

/// Which page a caller asks for.
#[derive(Clone, Debug, Default)]
pub struct PageSelection {
    /// Empty for the first page.
    pub token: String,
    /// 0 for the usual size; capped.
    pub size: u32,
}

/// A page on its way to the caller.
#[derive(Debug)]
pub struct Listing<T, P> {
    list: &'static str,
    channel: ChannelName,
    page: Page<T, P>,
    /// Until the page is converted it is the caller's turn.
    turn: Turn,
}

impl<T, P: Place> Listing<T, P> {
    /// Converts the items, in order, and ends the page early before the response passes `bytes_max` (core/PAG-6); at least one item
    /// stays. Returns what was converted and the token of the next page, empty at the end of the list (core/PAG-4).
    ///
    /// Others take their turn between the items: a long page takes its time.
    pub async fn into_response<M>(
        self,
        bytes_max: usize,
        convert: impl Fn(T) -> M,
        encoded_bytes: impl Fn(&M) -> usize,
    ) -> (Vec<M>, String) {
        let Self { list, channel, page, turn } = self;
        let mut room = Room::new(bytes_max);
        let mut more = page.more;
        let mut last = None;
        let mut converted = Vec::new();
        for (place, item) in page.items {
            let item = convert(item);
            if !room.takes(encoded_bytes(&item)) {
                more = true;
                break;
            }
            converted.push(item);
            last = Some(place);
            if converted.len().is_multiple_of(ITEMS_AT_ONCE) {
                tokio::task::yield_now().await;
            }
        }
        drop(turn);
        let next = last.filter(|_| more).map(|place| page_token::write(list, &channel, &place));
        (converted, next.unwrap_or_default())
    }
}

fn request<P: Place>(
    list: &str,
    channel: &ChannelName,
    selection: &PageSelection,
) -> Result<PageRequest<P>, Failure> {
    let start = page_token::read(list, channel, &selection.token)?;
    let size = if selection.size == 0 { PAGE_SIZE_DEFAULT } else { selection.size.min(PAGE_SIZE_MAX) };
    Ok(PageRequest { start, size: usize::try_from(size).unwrap_or(usize::MAX) })
}

fn listing<T, P>(
    list: &'static str,
    channel: &ChannelName,
    turn: Turn,
    page: persistence::Result<Page<T, P>>,
) -> Result<Listing<T, P>, Failure> {
    let page = page.map_err(|error| Failure::of_storage(&error))?;
    Ok(Listing { list, channel: channel.clone(), page, turn })
}

impl Service {
    /// All organizations registered in the channel (core/ORG-8).
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if storage is away; so for all lists.
    pub async fn organizations(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
    ) -> Result<Vec<Organization>, Failure> {
        let _turn = self.list_turn(caller).await?;
        self.store().organizations(channel).await.map_err(|error| Failure::of_storage(&error))
    }

    /// Data managers (core/DM-10).
    ///
    /// # Errors
    /// OE0101 for a token that is not one of this list; so for all pages.
    pub async fn data_managers(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        selection: &PageSelection,
    ) -> Result<Listing<DataManager, ByDateAndKey>, Failure> {
        let page = request("data_managers", channel, selection)?;
        let turn = self.list_turn(caller).await?;
        listing("data_managers", channel, turn, self.store().data_managers(channel, page).await)
    }

    /// Data samples (core/DS-16).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn data_samples(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        filter: DataSampleFilter,
        selection: &PageSelection,
    ) -> Result<Listing<DataSample, ByDateAndKey>, Failure> {
        let page = request("data_samples", channel, selection)?;
        let turn = self.list_turn(caller).await?;
        listing("data_samples", channel, turn, self.store().data_samples(channel, filter, page).await)
    }

    /// Functions (compute/FUNC-11).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn functions(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        filter: FunctionFilter,
        selection: &PageSelection,
    ) -> Result<Listing<Function, ByDateAndKey>, Failure> {
        let page = request("functions", channel, selection)?;
        let turn = self.list_turn(caller).await?;
        listing("functions", channel, turn, self.store().functions(channel, filter, page).await)
    }

    /// Compute plans (compute/PLAN-12).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn compute_plans(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        filter: ComputePlanFilter,
        selection: &PageSelection,
    ) -> Result<Listing<ComputePlan, ByDateAndKey>, Failure> {
        let page = request("compute_plans", channel, selection)?;
        let turn = self.list_turn(caller).await?;
        listing("compute_plans", channel, turn, self.store().compute_plans(channel, filter, page).await)
    }

    /// Compute tasks (compute/TASK-41), as encoded messages; without a filter none, for one that nothing can match.
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn compute_tasks(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        filter: Option<ComputeTaskFilter>,
        selection: &PageSelection,
    ) -> Result<Listing<Bytes, ByDateAndKey>, Failure> {
        let page = request("compute_tasks", channel, selection)?;
        let turn = self.list_turn(caller).await?;
        let Some(filter) = filter else {
            return listing("compute_tasks", channel, turn, Ok(Page { items: Vec::new(), more: false }));
        };
        listing("compute_tasks", channel, turn, self.store().compute_tasks(channel, filter, page).await)
    }

    /// Performances (compute/PERF-6).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn performances(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        filter: PerformanceFilter,
        selection: &PageSelection,
    ) -> Result<Listing<Performance, ByDateAndPerformance>, Failure> {
        let page = request("performances", channel, selection)?;
        let turn = self.list_turn(caller).await?;
        listing("performances", channel, turn, self.store().performances(channel, filter, page).await)
    }

    /// Events (core/EVT-13 … EVT-22).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn events(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        filter: EventFilter,
        sort: SortOrder,
        selection: &PageSelection,
    ) -> Result<Listing<StoredEvent, ByTimeAndPosition>, Failure> {
        let page = request("events", channel, selection)?;
        let turn = self.list_turn(caller).await?;
        listing("events", channel, turn, self.store().events(channel, filter, sort, page).await)
    }
}
