//! The JSON columns of the predecessor, read leniently: members may be missing, null, or have the names of the proto files.

use std::collections::BTreeMap;

use asset::{Metadata, OrganizationId, Permission, Permissions};
use serde::Deserialize;
use serde_json::Value;

/// The JSON form of a permission.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PredecessorPermission {
    public: Option<bool>,
    #[serde(rename = "authorizedIds", alias = "authorized_ids")]
    authorized_ids: Option<Vec<Option<String>>>,
}

/// The JSON form of permissions.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PredecessorPermissions {
    process: Option<PredecessorPermission>,
    download: Option<PredecessorPermission>,
}

impl From<PredecessorPermission> for Permission {
    fn from(permission: PredecessorPermission) -> Self {
        let PredecessorPermission { public, authorized_ids } = permission;
        let authorized_ids = authorized_ids.unwrap_or_default().into_iter().flatten();
        Self {
            public: public.unwrap_or_default(),
            authorized_ids: authorized_ids.map(OrganizationId::new).collect(),
        }
    }
}

impl From<PredecessorPermissions> for Permissions {
    fn from(permissions: PredecessorPermissions) -> Self {
        let PredecessorPermissions { process, download } = permissions;
        Self { process: process.unwrap_or_default().into(), download: download.unwrap_or_default().into() }
    }
}

/// Annotations: none if the value is null, as it is where a request had none (core/EVT-11).
///
/// # Errors
/// The value is no object of texts.
pub(super) fn metadata(value: Option<Value>) -> Result<Metadata, serde_json::Error> {
    let entries: Option<BTreeMap<String, Option<String>>> =
        serde_json::from_value(value.unwrap_or_default())?;
    let entries = entries.unwrap_or_default().into_iter();
    Ok(entries.map(|(name, text)| (name, text.unwrap_or_default())).collect())
}
