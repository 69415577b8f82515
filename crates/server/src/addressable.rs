//! Addresses of files between the wire and the domain.

use asset::Addressable;

/// The message of an address.
pub(crate) fn message(addressable: &Addressable) -> proto::Addressable {
    let Addressable { checksum, storage_address } = addressable;
    proto::Addressable { checksum: checksum.clone(), storage_address: storage_address.clone() }
}

/// The address of a message.
pub(crate) fn requested(message: proto::Addressable) -> Addressable {
    let proto::Addressable { checksum, storage_address } = message;
    Addressable { checksum, storage_address }
}
