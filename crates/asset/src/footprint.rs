//! Footprints: about how much memory an asset takes, for whoever keeps many of them.
//!
//! Counts what an owner can make large, which is texts and lists, as allocators and collections hold them. It does not know who keeps the assets
//! or how many may be kept. A new kind of asset is one line of fields at the end; start at [`Footprint`].

use std::collections::BTreeMap;
use std::mem::size_of;

use crate::addressable::Addressable;
use crate::caller::OrganizationId;
use crate::compute_plan::ComputePlan;
use crate::compute_task::{ComputeTask, InputSource, TaskInput, TaskOutput};
use crate::data_manager::DataManager;
use crate::data_sample::DataSample;
use crate::failure_report::FailureReport;
use crate::function::{Function, FunctionInput, FunctionOutput};
use crate::key::DataManagerKey;
use crate::model::Model;
use crate::permission::{Permission, Permissions};

/// Bytes that an allocator gives at once.
const ALLOCATED_BYTES: usize = 16;

/// Something whose memory can be told.
pub trait Footprint: Sized {
    /// About how many bytes it takes beside itself.
    fn outside_bytes(&self) -> usize;

    /// About how many bytes it takes, itself and what belongs to it.
    fn footprint(&self) -> usize {
        size_of::<Self>() + self.outside_bytes()
    }
}

impl Footprint for String {
    fn outside_bytes(&self) -> usize {
        self.len().next_multiple_of(ALLOCATED_BYTES)
    }
}

impl Footprint for OrganizationId {
    fn outside_bytes(&self) -> usize {
        self.as_str().len().next_multiple_of(ALLOCATED_BYTES)
    }
}

impl<T: Footprint> Footprint for Option<T> {
    fn outside_bytes(&self) -> usize {
        self.as_ref().map_or(0, Footprint::outside_bytes)
    }
}

impl<T: Footprint> Footprint for Vec<T> {
    fn outside_bytes(&self) -> usize {
        self.iter().map(Footprint::footprint).sum()
    }
}

/// The nodes of a map are about half full.
impl<K: Footprint, V: Footprint> Footprint for BTreeMap<K, V> {
    fn outside_bytes(&self) -> usize {
        let outside = |(key, value): (&K, &V)| key.outside_bytes() + value.outside_bytes();
        2 * self.len() * size_of::<(K, V)>() + self.iter().map(outside).sum::<usize>()
    }
}

impl Footprint for InputSource {
    fn outside_bytes(&self) -> usize {
        match self {
            Self::Asset(_) => 0,
            Self::ParentOutput { output_identifier, .. } => output_identifier.outside_bytes(),
        }
    }
}

/// A type takes what these of its fields take.
macro_rules! footprint {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Footprint for $name {
            fn outside_bytes(&self) -> usize {
                0 $(+ self.$field.outside_bytes())*
            }
        }
    )*};
}

footprint! {
    DataManagerKey {}
    FunctionInput {}
    FunctionOutput {}
    Addressable { checksum, storage_address }
    Permission { authorized_ids }
    Permissions { process, download }
    TaskInput { identifier, source }
    TaskOutput { permissions }
    DataManager { name, owner, permissions, logs_permission, description, opener, metadata }
    DataSample { data_manager_keys, owner, checksum }
    Function { name, owner, permissions, description, archive, image, inputs, outputs, metadata }
    ComputePlan { name, tag, owner, metadata }
    ComputeTask { owner, worker, metadata, inputs, outputs, logs_permission }
    Model { address, permissions, owner }
    FailureReport { logs_address, owner }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_every_entry_and_every_text() {
        let none = Addressable::default();
        let some = Addressable { checksum: "0".repeat(64), storage_address: "a".repeat(100) };
        assert_eq!(some.footprint() - none.footprint(), 64 + 112);
        assert_eq!(Some(some.clone()).outside_bytes(), some.outside_bytes());
        assert_eq!(vec![none; 3].outside_bytes(), 3 * size_of::<Addressable>());
        let metadata: BTreeMap<_, _> = (0..1000).map(|number| (number.to_string(), String::new())).collect();
        assert!((64..128).contains(&(metadata.outside_bytes() / 1000)), "{}", metadata.outside_bytes());
    }
}
