//! The assets of one channel as its log tells them: the last snapshot of each.
//!
//! Of most assets only a fingerprint is kept, and where the log tells of it, so that a channel of millions fits in memory; the event is looked up
//! again when there is something to say. Compute plans are kept whole, for they fail without an event. Fingerprints are taken beforehand, so that
//! it can be done on many threads. Start at [`Assets::tell`].

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::RangeInclusive;

use asset::ChannelName;
use persistence::Audit;
use persistence::audit::first;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use proto::event::Asset;
use proto::{ComputePlan, ComputeTaskStatus, EventKind};
use sha2::{Digest, Sha256};

/// Half of a SHA-256: nobody finds two things with the same one.
type Fingerprint = u128;

/// Finds fingerprints by their lower half: they are hashes already.
#[derive(Debug, Default)]
struct Low(u64);

impl Hasher for Low {
    fn write(&mut self, bytes: &[u8]) {
        let low = bytes.first_chunk().copied().unwrap_or_default();
        self.0 = u64::from_ne_bytes(low);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The fields of an event of which one holds the asset.
const ASSETS: RangeInclusive<u32> = 7..=17;

/// The assets that the log has told of and that were not found yet.
#[derive(Debug, Default)]
pub(super) struct Assets {
    assets: HashMap<Fingerprint, (u64, Fingerprint), BuildHasherDefault<Low>>,
    plans: HashMap<String, (u64, ComputePlan)>,
}

/// What an event tells of an asset.
#[derive(Debug)]
pub(super) enum Telling {
    /// This is a compute plan now.
    Plan(ComputePlan),
    /// This is another asset now.
    Asset {
        print: Print,
        /// It is a task that failed: the key of its plan, and when.
        failed: Option<(String, Option<prost_types::Timestamp>)>,
    },
}

/// An asset that was found in a table.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) asset: Asset,
    print: Print,
}

/// The fingerprints of an asset.
#[derive(Debug)]
pub(super) struct Print {
    /// Of what tells it from all others of its channel.
    identity: Fingerprint,
    /// Of all that there is of it.
    content: Fingerprint,
}

/// An asset as the log tells it.
#[derive(Debug)]
pub(super) enum Told {
    /// The event at this position holds it.
    Event(u64),
    /// A compute plan; the event at this position was the last about it, and it may have failed since.
    Plan(u64, Box<ComputePlan>),
}

/// How an asset that was found compares with what the log tells.
#[derive(Debug)]
pub(super) enum Comparison {
    /// It is as the log tells.
    Same,
    /// It is something else than this.
    Changed(Told),
    /// The log does not tell of it.
    Untold,
}

impl Assets {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.assets.len() + self.plans.len()).unwrap_or(u64::MAX)
    }

    /// Hears of the next event.
    pub(super) fn tell(&mut self, position: u64, telling: Telling) {
        match telling {
            Telling::Plan(plan) => {
                self.plans.insert(plan.key.clone(), (position, plan));
            }
            Telling::Asset { print, failed } => {
                if let Some((plan, time)) = failed {
                    self.fail_plan(&plan, time);
                }
                self.assets.insert(print.identity, (position, print.content));
            }
        }
    }

    /// A plan fails with the first of its tasks, unless it is over; no event tells so (compute/PLAN-41).
    fn fail_plan(&mut self, key: &str, time: Option<prost_types::Timestamp>) {
        let plan = self.plans.get_mut(key).map(|(_, plan)| plan);
        if let Some(plan) = plan.filter(|plan| plan.cancelation_date.is_none() && plan.failure_date.is_none())
        {
            plan.failure_date = time;
        }
    }

    /// Compares an asset that was found with what the log tells of it, which is forgotten then.
    pub(super) fn compare(&mut self, found: &Found) -> Comparison {
        let (same, told) = match &found.asset {
            Asset::ComputePlan(plan) => match self.plans.remove(&plan.key) {
                Some((position, told)) => (told == *plan, Told::Plan(position, Box::new(told))),
                None => return Comparison::Untold,
            },
            _ => match self.assets.remove(&found.print.identity) {
                Some((position, told)) => (told == found.print.content, Told::Event(position)),
                None => return Comparison::Untold,
            },
        };
        if same { Comparison::Same } else { Comparison::Changed(told) }
    }

    /// Those that were not found, in the order of the log.
    pub(super) fn rest(self) -> Vec<Told> {
        let assets = self.assets.into_values().map(|(position, _)| Told::Event(position));
        let plans = self.plans.into_values().map(|(position, plan)| Told::Plan(position, Box::new(plan)));
        let mut rest: Vec<_> = assets.chain(plans).collect();
        rest.sort_by_key(Told::position);
        rest
    }
}

impl Telling {
    /// What an event tells, which lies in these bytes; nothing if it leaves nothing but itself.
    pub(super) fn of(message: proto::Event, encoded: &[u8]) -> Option<Self> {
        let proto::Event { event_kind, timestamp, asset, .. } = message;
        match asset? {
            Asset::ProfilingStep(_) => None,
            Asset::ComputePlan(plan) => Some(Self::Plan(plan)),
            asset => {
                let print = Print {
                    identity: identity(&asset),
                    content: half(Sha256::new_with_prefix(snapshot(encoded)?)),
                };
                let failed = match asset {
                    Asset::ComputeTask(task)
                        if task.status() == ComputeTaskStatus::StatusFailed
                            && event_kind == i32::from(EventKind::EventAssetUpdated) =>
                    {
                        Some((task.compute_plan_key, timestamp))
                    }
                    _ => None,
                };
                Some(Self::Asset { print, failed })
            }
        }
    }
}

impl From<Asset> for Found {
    fn from(asset: Asset) -> Self {
        let mut encoded = Vec::with_capacity(asset.encoded_len());
        asset.encode(&mut encoded);
        let print = Print { identity: identity(&asset), content: half(Sha256::new_with_prefix(encoded)) };
        Self { asset, print }
    }
}

impl Told {
    /// The position of the last event about the asset.
    pub(super) fn position(&self) -> u64 {
        match self {
            Self::Event(position) | Self::Plan(position, _) => *position,
        }
    }

    /// The asset; `None` if its event cannot be read any more, which was told when the log was.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn asset(
        self,
        audit: &mut dyn Audit,
        channel: &ChannelName,
    ) -> persistence::Result<Option<Asset>> {
        match self {
            Self::Plan(_, plan) => Ok(Some(Asset::ComputePlan(*plan))),
            Self::Event(position) => {
                let event = first(audit.events(channel, position - 1, 1).await?).await?;
                Ok(event.and_then(|event| proto::Event::decode(event.encoded).ok()?.asset))
            }
        }
    }
}

/// What tells an asset from all others of its channel.
fn identity(asset: &Asset) -> Fingerprint {
    let (kind, parts) = match asset {
        Asset::Organization(organization) => ("organization", vec![&organization.id]),
        Asset::DataSample(sample) => ("data_sample", vec![&sample.key]),
        Asset::DataManager(manager) => ("data_manager", vec![&manager.key]),
        Asset::Function(function) => ("function", vec![&function.key]),
        Asset::ComputeTask(task) => ("compute_task", vec![&task.key]),
        Asset::ComputePlan(plan) => ("compute_plan", vec![&plan.key]),
        Asset::Model(model) => ("model", vec![&model.key]),
        Asset::Performance(performance) => {
            ("performance", vec![&performance.compute_task_key, &performance.compute_task_output_identifier])
        }
        Asset::FailureReport(report) => ("failure_report", vec![&report.asset_key]),
        Asset::ComputeTaskOutputAsset(output) => (
            "output_asset",
            vec![&output.compute_task_key, &output.compute_task_output_identifier, &output.asset_key],
        ),
        Asset::ProfilingStep(step) => ("profiling_step", vec![&step.asset_key, &step.step]),
    };
    let mut hasher = Sha256::new_with_prefix(kind);
    for part in parts {
        hasher.update([0]);
        hasher.update(part);
    }
    half(hasher)
}

/// The field of the asset in the bytes of an event, which are those that encoding the asset once more would give.
fn snapshot(mut encoded: &[u8]) -> Option<&[u8]> {
    loop {
        let field = encoded;
        let (tag, wire_type) = decode_key(&mut encoded).ok()?;
        skip_field(wire_type, tag, &mut encoded, DecodeContext::default()).ok()?;
        if ASSETS.contains(&tag) {
            return field.get(..field.len() - encoded.len());
        }
    }
}

fn half(hasher: Sha256) -> Fingerprint {
    let hash: [u8; 32] = hasher.finalize().into();
    let (half, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
    u128::from_be_bytes(*half)
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;

    #[test]
    fn the_asset_is_found_in_an_event_wherever_it_lies() {
        let task = proto::ComputeTask { key: "key".to_owned(), rank: 3, ..Default::default() };
        let asset = Asset::ComputeTask(task);
        let mut expected = Vec::new();
        asset.encode(&mut expected);
        let metadata = [("reason".to_owned(), "none".to_owned())].into();
        let event = proto::Event { id: "id".to_owned(), metadata, asset: Some(asset), ..Default::default() };
        assert_eq!(snapshot(&event.encode_to_vec()), Some(&*expected));
        assert_eq!(snapshot(&proto::Event::default().encode_to_vec()), None);
        assert_eq!(snapshot(&expected[..3]), None, "cut off");
    }

    #[test]
    fn every_field_that_holds_an_asset_is_known() {
        let pool = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
        let event = pool.get_message_by_name("orchestrator.Event").unwrap();
        let mut fields: Vec<u32> =
            event.oneofs().next().unwrap().fields().map(|field| field.number()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ASSETS.collect::<Vec<_>>());
    }
}
