//! Metadata: the free annotations of an asset (core/VAL-8).

use std::collections::BTreeMap;

/// Annotations by name. Empty names and empty values are allowed; nothing here is read by a rule.
pub type Metadata = BTreeMap<String, String>;
