//! Organizations: the members of a channel that have made themselves known in it (core/ORG-1 … ORG-8).
//!
//! Being listed in the channel's configuration lets an organization call; registering lets it own assets, work on tasks and be named
//! in permissions (core/CHN-3). There is no update and no removal. This is the smallest asset: read it first.

use std::sync::Arc;

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision};
use crate::facts::{Facts, Needs};
use crate::limits::STRICT_ORGANIZATION_ID_CHARACTERS_MAX;
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;
use crate::validation::{Policy, Violations};

/// An organization registered in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// The id under which it calls.
    pub id: OrganizationId,
    /// Where its backend can be reached by the others; empty if it did not say.
    pub address: String,
    /// When it registered.
    pub creation_date: Timestamp,
}

/// Makes the caller known in the channel.
#[derive(Debug)]
pub struct RegisterOrganization {
    address: String,
}

impl RegisterOrganization {
    /// Validates the request; `caller` registers itself, nobody else can (core/ORG-1).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(address: String, caller: &OrganizationId, policy: Policy) -> Result<Self, Refusal> {
        let mut violations = Violations::new("organization", policy);
        violations.request_url("address", &address);
        if policy.refuse_assets_that_stop_consumers {
            let fits = caller.as_str().chars().count() <= STRICT_ORGANIZATION_ID_CHARACTERS_MAX;
            violations.require("id", fits, "must not be longer than 64 characters");
        }
        violations.finish()?;
        Ok(Self { address })
    }
}

impl Command for RegisterOrganization {
    type Answer = Arc<Organization>;

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.organizations = true;
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        // core/ORG-3: the address of the first registration stays.
        if facts.is_registered(&call.caller) {
            let message = format!("organization with key {:?} already exists", call.caller.as_str());
            return Err(Refusal::new(Code::Conflict, message));
        }
        let organization = Arc::new(Organization {
            id: call.caller.clone(),
            address: self.address.clone(),
            creation_date: call.now,
        });
        Ok(Decision {
            changes: vec![Change::OrganizationRegistered(Arc::clone(&organization))],
            answer: organization,
        })
    }
}
