//! Membership: which organizations may call in which channel (core/CHN-2, CHN-3, CHN-7).
//!
//! It comes from the operator's configuration, and is replaced as a whole. It has nothing to do with registration, which is stored.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use asset::{ChannelName, OrganizationId};

/// The channels, each with its organizations.
#[derive(Clone, Debug, Default)]
pub struct Membership(HashMap<ChannelName, HashSet<OrganizationId>>);

impl Membership {
    /// Takes the ids of the organizations by channel name. An empty map means that nobody may call (core/CHN-7).
    pub fn new(channels: BTreeMap<String, BTreeSet<String>>) -> Self {
        let members = |ids: BTreeSet<String>| ids.into_iter().map(OrganizationId::new).collect();
        Self(channels.into_iter().map(|(name, ids)| (ChannelName::new(&name), members(ids))).collect())
    }

    /// Every channel with each of its members, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ChannelName, &OrganizationId)> {
        self.0.iter().flat_map(|(channel, members)| members.iter().map(move |member| (channel, member)))
    }

    /// Whether the organization may call in the channel; no for every channel that does not exist.
    pub fn admits(&self, organization: &OrganizationId, channel: &ChannelName) -> bool {
        self.0.get(channel).is_some_and(|members| members.contains(organization))
    }
}
