//! Data managers: the openers through which functions read an organization's data (core/DM-1 … DM-14).
//!
//! A data manager is registered once and can only be renamed. Its owner is the organization that works on the data; its logs
//! permission is handed on to the tasks that use it.

use std::sync::Arc;

use crate::addressable::Addressable;
use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision, Inquiry};
use crate::data_sample::DataSampleKeys;
use crate::facts::{Facts, Needs};
use crate::key::{DataManagerKey, Key};
use crate::metadata::Metadata;
use crate::permission::{NewPermissions, Permission, Permissions};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::validation::{Policy, Violations};

/// A registered data manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataManager {
    /// Its key.
    pub key: DataManagerKey,
    /// Its name.
    pub name: String,
    /// Who registered it; also the worker of every task that uses it (compute/TASK-15).
    pub owner: OrganizationId,
    /// Who may use it.
    pub permissions: Permissions,
    /// Who may read the logs of tasks that use it.
    pub logs_permission: Permission,
    /// The description file.
    pub description: Addressable,
    /// The opener file.
    pub opener: Addressable,
    /// Free annotations.
    pub metadata: Metadata,
    /// When it was registered.
    pub creation_date: Timestamp,
}

impl DataManager {
    /// # Errors
    /// OE0102 if `caller` is not the owner.
    pub fn require_owner(&self, caller: &OrganizationId) -> Result<(), Refusal> {
        if self.owner == *caller { Ok(()) } else { Err(Refusal::not_owner(self.key)) }
    }
}

/// A registration as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NewDataManager {
    /// Required, strict form.
    pub key: String,
    /// Required.
    pub name: String,
    /// Required, perhaps empty.
    pub new_permissions: Option<NewPermissions>,
    /// Required, perhaps empty.
    pub logs_permission: Option<NewPermissions>,
    /// Required.
    pub description: Option<Addressable>,
    /// Required.
    pub opener: Option<Addressable>,
    /// Free annotations.
    pub metadata: Metadata,
}

/// Registers a data manager that the caller will own.
#[derive(Debug)]
pub struct RegisterDataManager {
    key: DataManagerKey,
    name: String,
    new_permissions: NewPermissions,
    logs_permission: NewPermissions,
    description: Addressable,
    opener: Addressable,
    metadata: Metadata,
}

impl RegisterDataManager {
    /// Validates the request (core/DM-1).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(request: NewDataManager, policy: Policy) -> Result<Self, Refusal> {
        let mut violations = Violations::new("datamanager", policy);
        let valid = Self {
            key: violations.key("key", &request.key),
            name: violations.name("name", request.name),
            new_permissions: violations.permissions("new_permissions", request.new_permissions),
            logs_permission: violations.permissions("logs_permission", request.logs_permission),
            description: violations.addressable("description", request.description),
            opener: violations.addressable("opener", request.opener),
            metadata: violations.metadata(request.metadata),
        };
        violations.finish()?;
        Ok(valid)
    }

    fn addresses(&self) -> [&str; 2] {
        [&self.description.storage_address, &self.opener.storage_address]
    }
}

impl Command for RegisterDataManager {
    type Answer = Arc<DataManager>;

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.organizations = true;
        needs.data_managers.insert(self.key);
        needs.addresses.extend(self.addresses().map(str::to_owned));
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        // The order of core/DM-2.
        facts.data_managers.require_free(self.key)?;
        let logs_permission = self.logs_permission.grant(&call.caller, facts)?;
        let permission = self.new_permissions.grant(&call.caller, facts)?;
        facts.require_free_addresses(self.addresses())?;
        facts.require_registered_owner(&call.caller)?;
        let manager = Arc::new(DataManager {
            key: self.key,
            name: self.name.clone(),
            owner: call.caller.clone(),
            permissions: Permissions::both(permission),
            logs_permission,
            description: self.description.clone(),
            opener: self.opener.clone(),
            metadata: self.metadata.clone(),
            creation_date: call.now,
        });
        Ok(Decision { changes: vec![Change::DataManagerRegistered(Arc::clone(&manager))], answer: manager })
    }
}

/// Gives a data manager another name.
#[derive(Debug)]
pub struct RenameDataManager {
    key: DataManagerKey,
    name: String,
}

impl RenameDataManager {
    /// Validates the request (core/DM-11).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(key: &str, name: String, policy: Policy) -> Result<Self, Refusal> {
        let mut violations = Violations::new("datamanager", policy);
        let valid = Self { key: violations.key("key", key), name: violations.name("name", name) };
        violations.finish()?;
        Ok(valid)
    }
}

impl Command for RenameDataManager {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.data_managers.insert(self.key);
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let manager = facts.data_managers.require(self.key)?;
        manager.require_owner(&call.caller)?;
        // core/DM-13: the same name again counts as an update.
        let renamed = DataManager { name: self.name.clone(), ..DataManager::clone(manager) };
        Ok(Decision { changes: vec![Change::DataManagerRenamed(Arc::new(renamed))], answer: () })
    }
}

/// Looks a data manager up.
#[derive(Debug)]
pub struct GetDataManager(DataManagerKey);

impl GetDataManager {
    /// # Errors
    /// OE0101 if the key is no UUID (core/DM-9).
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(DataManagerKey::look_up(key)?))
    }
}

impl Inquiry for GetDataManager {
    type Answer = Arc<DataManager>;

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.data_managers.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        facts.data_managers.require(self.0).cloned()
    }
}

/// Looks up a data manager together with the keys of all its samples (core/DST-1 … DST-3).
#[derive(Debug)]
pub struct GetDataset(DataManagerKey);

impl GetDataset {
    /// # Errors
    /// OE0101 if the key is no UUID (core/DST-1).
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(DataManagerKey::look_up(key)?))
    }
}

impl Inquiry for GetDataset {
    type Answer = (Arc<DataManager>, DataSampleKeys);

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.data_managers.insert(self.0);
        needs.samples_of_managers.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        let manager = facts.data_managers.require(self.0)?;
        let samples = facts.samples_of_managers.get(&self.0).cloned().unwrap_or_default();
        Ok((Arc::clone(manager), samples))
    }
}
