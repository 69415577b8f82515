//! Permissions: who may process and who may download an asset, and how permissions combine (core/PERM-1 … PERM-6).
//!
//! Pure set algebra; which organizations are registered is passed in as [`Facts`]. Start at [`NewPermissions::grant`].

use serde::{Deserialize, Serialize};

use crate::caller::OrganizationId;
use crate::facts::Facts;
use crate::refusal::Refusal;

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPermissions {
    /// Everybody in the channel may.
    pub public: bool,
    /// Who may besides the owner.
    pub authorized_ids: Vec<OrganizationId>,
}

/// A stored permission for one action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Everybody in the channel may.
    pub public: bool,
    /// Who may, in the order given, duplicates kept (core/PERM-1).
    pub authorized_ids: Vec<OrganizationId>,
}

/// The permissions of an asset, one for each action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// Who may use the asset in a computation.
    pub process: Permission,
    /// Who may fetch the asset itself.
    pub download: Permission,
}

impl NewPermissions {
    /// Turns the request into a stored permission of `owner` (core/PERM-1).
    ///
    /// # Errors
    /// OE0003 if a non-public list names an organization that is not registered in the channel (core/PERM-3).
    pub fn grant(&self, owner: &OrganizationId, facts: &Facts) -> Result<Permission, Refusal> {
        if !self.public && self.authorized_ids.iter().any(|id| !facts.is_registered(id)) {
            return Err(Refusal::bad_request("invalid permission input values"));
        }
        let mut authorized_ids = self.authorized_ids.clone();
        if !authorized_ids.contains(owner) {
            authorized_ids.push(owner.clone());
        }
        Ok(Permission { public: self.public, authorized_ids })
    }
}

impl Permission {
    /// Only `owner` may.
    pub fn private(owner: &OrganizationId) -> Self {
        Self { public: false, authorized_ids: vec![owner.clone()] }
    }

    /// Whether `organization` may (core/PERM-4).
    pub fn allows(&self, organization: &OrganizationId) -> bool {
        self.public || self.authorized_ids.contains(organization)
    }

    /// Who may under both (core/PERM-5).
    pub fn intersection(&self, other: &Self) -> Self {
        let authorized_ids = match (self.public, other.public) {
            (false, true) => self.authorized_ids.clone(),
            (true, false) => other.authorized_ids.clone(),
            _ => self.authorized_ids.iter().filter(|id| other.authorized_ids.contains(id)).cloned().collect(),
        };
        Self { public: self.public && other.public, authorized_ids }
    }

    /// Who may under either: the first's order, then what the second adds; nobody is listed once it is public (core/PERM-6).
    pub fn union(&self, other: &Self) -> Self {
        if self.public || other.public {
            return Self { public: true, authorized_ids: Vec::new() };
        }
        let mut authorized_ids: Vec<OrganizationId> = Vec::new();
        for id in self.authorized_ids.iter().chain(&other.authorized_ids) {
            if !authorized_ids.contains(id) {
                authorized_ids.push(id.clone());
            }
        }
        Self { public: false, authorized_ids }
    }
}

impl Permissions {
    /// The same permission for both actions: there is no way to set them apart (core/PERM-2).
    pub fn both(permission: Permission) -> Self {
        Self { process: permission.clone(), download: permission }
    }
}
