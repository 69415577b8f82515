//! Placeholder
use persistence::{Error, Result};
use tokio_postgres::Config;

pub(crate) fn parse(text: &str, _environment: impl Fn(&str) -> Option<String>) -> Result<Config> {
    text.parse().map_err(|error: tokio_postgres::Error| Error::Failed(format!("database URL: {error}")))
}
