//! Permissions between the wire and the domain.

use asset::OrganizationId;
use asset::permission::NewPermissions;
pub(crate) use persistence::task_message::{permission as message, permissions as message_of_both};

/// The permissions that a message asks for.
pub(crate) fn requested(message: proto::NewPermissions) -> NewPermissions {
    let proto::NewPermissions { public, authorized_ids } = message;
    NewPermissions { public, authorized_ids: authorized_ids.into_iter().map(OrganizationId::new).collect() }
}
