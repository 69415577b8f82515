//! The workloads: what is prepared, what is measured, and how it is told, each in a file of its own.
//!
//! None of them knows the others, except that [`mixed`] also reads as [`reads`] does. Start at [`Workload::run`], and at
//! [`lifecycle`] for an example.

mod cascade;
mod fan_out;
mod lifecycle;
mod mixed;
mod paging;
mod reads;
mod register;
mod replay;

use super::report::Row;
use super::session::Session;
use super::settings::Workload;

impl Workload {
    /// Prepares and measures everything that the settings ask of this workload.
    ///
    /// # Errors
    /// The server is gone, or refuses what has to be prepared.
    pub(super) async fn run(self, session: &Session) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::Register => register::run(session).await,
            Self::Lifecycle => lifecycle::run(session).await,
            Self::Cascade => cascade::run(session).await,
            Self::FanOut => fan_out::run(session).await,
            Self::Replay => replay::run(session).await,
            Self::Paging => paging::run(session).await,
            Self::Reads => reads::run(session).await,
            Self::Mixed => mixed::run(session).await,
            Self::All => anyhow::bail!("a tour has no measurements of its own"),
        }
    }
}
