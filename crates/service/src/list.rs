//! Lists of assets and events, page by page (core/PAG-1 … PAG-8).

use asset::{
    ChannelName, ComputePlan, ComputeTask, DataManager, DataSample, Function, Organization, Performance,
};
use persistence::{
    ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, ComputePlanFilter, ComputeTaskFilter,
    DataSampleFilter, EventFilter, FunctionFilter, Page, PageRequest, PerformanceFilter, SortOrder,
    StoredEvent,
};

use crate::failure::Failure;
use crate::page_token::{self, Place};
use crate::service::Service;

/// Items of a page whose caller did not say (core/PAG-2).
const PAGE_SIZE_DEFAULT: u32 = 50;
/// Items of a page at most; existing clients ask for so many (core/PAG-6).
const PAGE_SIZE_MAX: u32 = 10_000;

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
}

impl<T, P: Place> Listing<T, P> {
    /// Converts the items, in order, and ends the page early before the response passes `bytes_max` (core/PAG-6); at least one item
    /// stays. Returns what was converted and the token of the next page, empty at the end of the list (core/PAG-4).
    pub fn into_response<M>(
        self,
        bytes_max: usize,
        convert: impl Fn(T) -> M,
        encoded_bytes: impl Fn(&M) -> usize,
    ) -> (Vec<M>, String) {
        let mut room = bytes_max;
        let mut more = self.page.more;
        let mut last = None;
        let mut converted = Vec::new();
        for (place, item) in self.page.items {
            let item = convert(item);
            let bytes = encoded_bytes(&item);
            if bytes > room && !converted.is_empty() {
                more = true;
                break;
            }
            room = room.saturating_sub(bytes);
            converted.push(item);
            last = Some(place);
        }
        let next = last.filter(|_| more).map(|place| page_token::write(self.list, &self.channel, &place));
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
    page: persistence::Result<Page<T, P>>,
) -> Result<Listing<T, P>, Failure> {
    let page = page.map_err(|error| Failure::of_storage(&error))?;
    Ok(Listing { list, channel: channel.clone(), page })
}

impl Service {
    /// All organizations registered in the channel (core/ORG-8).
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if storage is away; so for all lists.
    pub async fn organizations(&self, channel: &ChannelName) -> Result<Vec<Organization>, Failure> {
        self.store().organizations(channel).await.map_err(|error| Failure::of_storage(&error))
    }

    /// Data managers (core/DM-10).
    ///
    /// # Errors
    /// OE0101 for a token that is not one of this list; so for all pages.
    pub async fn data_managers(
        &self,
        channel: &ChannelName,
        selection: &PageSelection,
    ) -> Result<Listing<DataManager, ByDateAndKey>, Failure> {
        let page = request("data_managers", channel, selection)?;
        listing("data_managers", channel, self.store().data_managers(channel, page).await)
    }

    /// Data samples (core/DS-16).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn data_samples(
        &self,
        channel: &ChannelName,
        filter: DataSampleFilter,
        selection: &PageSelection,
    ) -> Result<Listing<DataSample, ByDateAndKey>, Failure> {
        let page = request("data_samples", channel, selection)?;
        listing("data_samples", channel, self.store().data_samples(channel, filter, page).await)
    }

    /// Functions (compute/FUNC-11).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn functions(
        &self,
        channel: &ChannelName,
        filter: FunctionFilter,
        selection: &PageSelection,
    ) -> Result<Listing<Function, ByDateAndKey>, Failure> {
        let page = request("functions", channel, selection)?;
        listing("functions", channel, self.store().functions(channel, filter, page).await)
    }

    /// Compute plans (compute/PLAN-12).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn compute_plans(
        &self,
        channel: &ChannelName,
        filter: ComputePlanFilter,
        selection: &PageSelection,
    ) -> Result<Listing<ComputePlan, ByDateAndKey>, Failure> {
        let page = request("compute_plans", channel, selection)?;
        listing("compute_plans", channel, self.store().compute_plans(channel, filter, page).await)
    }

    /// Compute tasks (compute/TASK-41); without a filter none, for one that nothing can match.
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn compute_tasks(
        &self,
        channel: &ChannelName,
        filter: Option<ComputeTaskFilter>,
        selection: &PageSelection,
    ) -> Result<Listing<ComputeTask, ByDateAndKey>, Failure> {
        let page = request("compute_tasks", channel, selection)?;
        let Some(filter) = filter else {
            return listing("compute_tasks", channel, Ok(Page { items: Vec::new(), more: false }));
        };
        listing("compute_tasks", channel, self.store().compute_tasks(channel, filter, page).await)
    }

    /// Performances (compute/PERF-6).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn performances(
        &self,
        channel: &ChannelName,
        filter: PerformanceFilter,
        selection: &PageSelection,
    ) -> Result<Listing<Performance, ByDateAndPerformance>, Failure> {
        let page = request("performances", channel, selection)?;
        listing("performances", channel, self.store().performances(channel, filter, page).await)
    }

    /// Events (core/EVT-13 … EVT-22).
    ///
    /// # Errors
    /// As [`Service::data_managers`].
    pub async fn events(
        &self,
        channel: &ChannelName,
        filter: EventFilter,
        sort: SortOrder,
        selection: &PageSelection,
    ) -> Result<Listing<StoredEvent, ByTimeAndPosition>, Failure> {
        let page = request("events", channel, selection)?;
        listing("events", channel, self.store().events(channel, filter, sort, page).await)
    }
}
