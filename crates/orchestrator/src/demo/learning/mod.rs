//! What the organizations of the demo learn together: synthetic data, a small model, federated averaging of it, and their files.
//!
//! It knows nothing of tasks, plans or the orchestrator, and everything in it follows from a seed: the same seed gives the same bytes,
//! checksums and accuracies on every machine, because the random numbers come from a generator that is part of no platform and the
//! arithmetic is limited to operations that IEEE 754 defines to the last bit. Start at [`OrganizationData::synthesize`], then
//! [`Model::train`], [`Model::aggregate`] and [`Model::accuracy`].

mod data;
pub(crate) mod file;
mod model;
mod random;

pub(crate) use data::{DataSample, OrganizationData};
pub(crate) use model::Model;

#[cfg(test)]
mod tests;
