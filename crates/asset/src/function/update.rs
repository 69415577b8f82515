//! Renaming a function and giving it its image (compute/FUNC-20 … FUNC-25).
//!
//! Both go together: a name is always asked for, an image only if there is one. Neither moves the build or a task.

use std::sync::Arc;

use crate::addressable::Addressable;
use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision};
use crate::facts::{Facts, Needs};
use crate::function::{Function, FunctionStatus};
use crate::key::FunctionKey;
use crate::limits::{ADDRESS_CHARACTERS_MAX, CHECKSUM_DIGITS};
use crate::refusal::Refusal;
use crate::validation::{Policy, Violations};

/// Gives a function another name and perhaps its image.
#[derive(Debug)]
pub struct UpdateFunction {
    key: FunctionKey,
    name: String,
    image: Option<Addressable>,
}

impl UpdateFunction {
    /// Validates the request (compute/FUNC-20). An image without a checksum counts as none (compute/FUNC-22); one with a
    /// checksum needs an address, but neither has to be hexadecimal or a URL (compute/DEF-8, DEF-9).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(key: &str, name: String, image: Option<Addressable>, policy: Policy) -> Result<Self, Refusal> {
        let image = image.filter(|image| !image.checksum.is_empty());
        let mut violations = Violations::new("function", policy);
        let key = violations.key("key", key);
        let name = violations.name("name", name);
        if let Some(image) = &image {
            let (checksum, address) = (&image.checksum, &image.storage_address);
            violations.require("image.checksum", checksum.chars().count() <= CHECKSUM_DIGITS, "is too long");
            violations.require("image.storage_address", !address.is_empty(), "cannot be blank");
            violations.require(
                "image.storage_address",
                address.chars().count() <= ADDRESS_CHARACTERS_MAX,
                "is too long",
            );
            violations.without_nul("image.checksum", checksum);
            violations.without_nul("image.storage_address", address);
        }
        violations.finish()?;
        Ok(Self { key, name, image })
    }

    /// A new image's address must be free; setting one's own again is fine (compute/DEF-6).
    fn require_free_image_address(&self, address_before: Option<&str>, facts: &Facts) -> Result<(), Refusal> {
        let address = self.image.as_ref().map(|image| image.storage_address.as_str());
        facts.require_free_addresses(address.filter(|address| Some(*address) != address_before))
    }
}

impl Command for UpdateFunction {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.functions.insert(self.key);
        needs.addresses.extend(self.image.iter().map(|image| image.storage_address.clone()));
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let before = facts.functions.require(self.key)?;
        before.require_owner(&call.caller)?;
        let image = self.image.clone().or_else(|| before.image.clone());
        if before.status == FunctionStatus::Ready && image.is_none() {
            return Err(Refusal::invalid("function is not valid: a ready function must have an image")); // compute/FUNC-23
        }
        let image_address_before = before.image.as_ref().map(|image| image.storage_address.clone());
        self.require_free_image_address(image_address_before.as_deref(), facts)?;
        let function = Arc::new(Function { name: self.name.clone(), image, ..Function::clone(before) });
        Ok(Decision { changes: vec![Change::FunctionUpdated { function, image_address_before }], answer: () })
    }
}
