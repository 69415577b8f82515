//! The configuration of the executable: environment variables, read once at start, and the channel file (core/OPS-2, core/CHN-7).
//!
//! Owns names, formats, defaults and the conditions between settings; it opens no socket, certificate or database, and does not know
//! what the settings are used for. Start at [`ServeConfiguration`]; `docs/configuration.md` tells the same to operators.

pub(crate) mod channels;
pub(crate) mod effective;
pub(crate) mod environment;
mod format;
#[cfg(test)]
mod fuzz;
mod go_duration;
pub(crate) mod reader;
mod settings;

pub(crate) use channels::Channels;
pub(crate) use environment::ServeConfiguration;
pub(crate) use format::{BOOLEAN, DURATION, Format};
pub(crate) use settings::PREFIX;
