//! Events over gRPC: the encoding of an event, queries, and subscriptions (core/EVT-1 … EVT-22, SUB-1 … SUB-18).
//!
//! Events are stored as the bytes that go on the wire, and leave as such: nothing here decodes them. That is why this service is written by
//! hand, see `by_hand`. Start at [`EventService`].

use std::sync::Arc;

use asset::key::Key;
use asset::{Event, EventAsset, EventId, Refusal};
use bytes::{BufMut, Bytes};
use futures::stream::{self, Stream, TryStreamExt};
use persistence::{EventFilter, SortOrder};
use prost::Message;
use proto::event::Asset;
use service::{PageSelection, Subscription};
use tonic::body::Body;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic::{Request, Response, Status};
use tonic_prost::ProstDecoder;

use crate::by_hand::{Call, EncodedPage, Methods};
use crate::caller::Caller;
use crate::handler::{Handler, criterion, handle, without_nul};
use crate::{
    asset_kind, compute_plan, compute_task, data_manager, data_sample, failure_report, function, model,
    organization, output_asset, performance, profiling_step, status, timestamp,
};

/// Encodes an event as it is stored and sent (core/EVT-1). The same event always gives the same bytes.
pub fn encode_event(event: &Event) -> Bytes {
    let Event { id, channel, timestamp: happened, event_kind, asset, metadata } = event;
    let message = proto::Event {
        id: id.to_string(),
        asset_key: asset.key(),
        asset_kind: asset_kind::number(asset.kind()),
        event_kind: i32::from(event_kind.number()),
        channel: channel.to_string(),
        timestamp: Some(timestamp::message(*happened)),
        metadata: metadata.clone(),
        asset: Some(snapshot(asset)),
    };
    message.encode_to_vec().into()
}

/// The asset as events tell it (core/EVT-8).
pub fn snapshot(asset: &EventAsset) -> Asset {
    match asset {
        EventAsset::Organization(organization) => Asset::Organization(organization::message(organization)),
        EventAsset::DataSample(sample) => Asset::DataSample(data_sample::message(sample)),
        EventAsset::DataManager(manager) => Asset::DataManager(data_manager::message(manager)),
        EventAsset::Function(function) => Asset::Function(function::message(function)),
        EventAsset::ComputeTask(task) => Asset::ComputeTask(compute_task::message(task)),
        EventAsset::ComputePlan(plan) => Asset::ComputePlan(compute_plan::message(plan)),
        EventAsset::Model(model) => Asset::Model(model::message(model)),
        EventAsset::Performance(performance) => Asset::Performance(performance::message(performance)),
        EventAsset::FailureReport(report) => Asset::FailureReport(failure_report::message(report)),
        EventAsset::OutputAsset(output_asset) => {
            Asset::ComputeTaskOutputAsset(output_asset::message(output_asset))
        }
        EventAsset::ProfilingStep(step) => Asset::ProfilingStep(profiling_step::message(step)),
    }
}

/// `orchestrator.EventService`.
pub(crate) struct EventService;

impl Methods for EventService {
    const NAME: &'static str = proto::event_service_server::SERVICE_NAME;

    async fn carry_out(call: Call) -> http::Response<Body> {
        match call.method() {
            "QueryEvents" => call.unary(query_events).await,
            "SubscribeToEvents" => call.server_streaming(EncodedEventCodec, subscribe_to_events).await,
            _ => Call::unknown(),
        }
    }
}

async fn query_events(
    handler: Arc<Handler>,
    request: Request<proto::QueryEventsParam>,
) -> Result<Response<EncodedPage>, Status> {
    handle(
        request,
        |caller, proto::QueryEventsParam { page_token, page_size, filter: narrowed, sort }| async move {
            let selection = PageSelection { token: page_token, size: page_size };
            let listing = handler
                .service
                .events(&caller.channel, &caller.organization, filter(narrowed)?, order(sort), &selection)
                .await?;
            Ok(EncodedPage::of(listing, handler.response_bytes_max, |event| event.encoded).await)
        },
    )
    .await
}

/// Everything that is not said is no criterion; every number is one, even if no event has it (core/EVT-14 … EVT-19).
///
/// # Errors
/// OE0101 for U+0000.
fn filter(message: Option<proto::EventQueryFilter>) -> Result<EventFilter, Refusal> {
    let proto::EventQueryFilter { asset_key, asset_kind, event_kind, metadata, start, end } =
        message.unwrap_or_default();
    metadata.iter().flat_map(|(key, value)| [key, value]).try_for_each(|text| without_nul(text))?;
    Ok(EventFilter {
        asset_key: criterion(asset_key)?,
        asset_kind: Some(asset_kind).filter(|kind| *kind != 0),
        event_kind: Some(event_kind).filter(|kind| *kind != 0),
        metadata,
        start: start.map(timestamp::bound),
        end: end.map(timestamp::bound),
    })
}

/// Oldest first, unless the opposite is said (core/EVT-21).
fn order(sort: i32) -> SortOrder {
    match proto::SortOrder::try_from(sort) {
        Ok(proto::SortOrder::Descending) => SortOrder::Descending,
        _ => SortOrder::Ascending,
    }
}

async fn subscribe_to_events(
    handler: Arc<Handler>,
    request: Request<proto::SubscribeToEventsParam>,
) -> Result<Response<impl Stream<Item = Result<Bytes, Status>>>, Status> {
    handle(request, |caller, proto::SubscribeToEventsParam { start_event_id }| async move {
        let Caller { organization, channel, .. } = caller;
        let start = criterion(start_event_id)?.map(|id| EventId::look_up(&id)).transpose()?;
        let subscription = handler.service.subscribe(&channel, &organization, start).await?;
        let start = start.map(|id| id.to_string()).unwrap_or_default();
        tracing::info!(mspid = %organization, %channel, startEventId = start, "subscribed to events");
        Ok(follow(subscription))
    })
    .await
}

/// The events of a subscription, fetched only as fast as the client reads them; it never ends by itself (core/SUB-11, SUB-13).
fn follow(subscription: Subscription) -> impl Stream<Item = Result<Bytes, Status>> {
    let batches = stream::try_unfold(subscription, |mut subscription| async move {
        let events = subscription.next().await.map_err(|failure| status::of_failure(&failure))?;
        let encoded = events.into_iter().map(|event| Ok(event.encoded.clone()));
        Ok::<_, Status>(Some((stream::iter(encoded), subscription)))
    });
    batches.try_flatten()
}

/// Reads subscriptions and writes events that are encoded already.
#[derive(Clone, Copy)]
struct EncodedEventCodec;

impl Codec for EncodedEventCodec {
    type Encode = Bytes;
    type Decode = proto::SubscribeToEventsParam;
    type Encoder = Self;
    type Decoder = ProstDecoder<proto::SubscribeToEventsParam>;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::default())
    }
}

impl Encoder for EncodedEventCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, event: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(event);
        Ok(())
    }
}
