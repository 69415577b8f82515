//! Hints: telling the other processes that a channel has new events, and hearing it from them.
//!
//! A NOTIFY inside a writing transaction would make all commits of the database wait for each other, so hints are sent afterwards, on a
//! connection of their own, together. They may get lost, and nobody relies on them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asset::ChannelName;
use persistence::Hint;
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_postgres::{AsyncMessage, Config, Connection, NoTls, Socket};
use tokio_postgres::tls::NoTlsStream;

/// The database channel on which processes tell each other.
const CHANNEL: &str = "orchestrator_events";

/// A channel is announced at most once in this time, however many batches it has.
const PAUSE: Duration = Duration::from_millis(2);

/// How long to wait before connecting again: doubled each time, up to the second.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// How many hints a slow receiver may be behind before it misses the oldest.
const BUFFER: usize = 1024;
