//! Permissions between the wire and the domain.

use asset::permission::NewPermissions;
use asset::{OrganizationId, Permission, Permissions};

/// The message of the permissions of an asset.
pub(crate) fn message_of_both(permissions: &Permissions) -> proto::Permissions {
    let Permissions { process, download } = permissions;
    proto::Permissions { process: Some(message(process)), download: Some(message(download)) }
}

/// The message of one permission.
pub(crate) fn message(permission: &Permission) -> proto::Permission {
    let Permission { public, authorized_ids } = permission;
    proto::Permission {
        public: *public,
        authorized_ids: authorized_ids.iter().map(OrganizationId::to_string).collect(),
    }
}

/// The permissions that a message asks for.
pub(crate) fn requested(message: proto::NewPermissions) -> NewPermissions {
    let proto::NewPermissions { public, authorized_ids } = message;
    NewPermissions { public, authorized_ids: authorized_ids.into_iter().map(OrganizationId::new).collect() }
}
