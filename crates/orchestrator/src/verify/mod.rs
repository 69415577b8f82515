//! `orchestrator verify`: replays the event log of each channel and compares what it tells with the tables.
//!
//! Owns the command: where the store is, how the walk goes, and what is said about it. What is wrong with a log is found by `log`, what is wrong
//! with the tables by `assets`, and `difference` has the words. Rows are read and looked at in pieces, on all threads. It holds about a hundred bytes for each
//! asset of one channel at a time, and the compute plans whole. Start at [`run`].

mod assets;
mod difference;
mod log;

use std::io::Write;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use asset::{AssetKind, ChannelName};
use clap::Args;
use embedded::EmbeddedAudit;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use persistence::{Audit, Error};
use postgres::{Postgres, PostgresOptions};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use self::assets::{Assets, Comparison, Found};
use self::difference::Difference;
use self::log::Log;
use crate::telemetry;

/// The status when everything could be looked at, and not everything is as it should be.
const DIFFERENCES: u8 = 3;
/// Changed assets of one kind that are shown field by field.
const DETAILED_MAX: usize = 10_000;

#[derive(Args)]
pub(crate) struct Verify {
    /// The database, as `serve` takes it; may hold a password, so prefer the variable. Servers may go on using it.
    #[arg(long, value_name = "URL", env = "ORCHESTRATOR_DATABASE_URL", hide_env_values = true)]
    #[arg(required_unless_present = "data")]
    database_url: Option<String>,
    /// The folder of an embedded store. A server may go on using it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What was looked at, and what was found.
#[derive(Debug, Default)]
struct Summary {
    channels: u64,
    events: u64,
    assets: u64,
    differences: u64,
}

/// Verifies and reports: status 0 if everything is as it should be, 3 if not, 1 if it cannot be told.
pub(crate) async fn run(verify: Verify) -> ExitCode {
    telemetry::for_people();
    match report(verify).await {
        Ok(Summary { differences: 0, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(DIFFERENCES),
        Err(error) => telemetry::failed(&error),
    }
}

async fn report(verify: Verify) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let mut audit = open(verify).await?;
    let summary = everything(audit.as_mut(), &mut std::io::stdout()).await?;
    let Summary { channels, events, assets, differences } = summary;
    writeln!(
        std::io::stdout(),
        "{channels} channels, {events} events, {assets} assets in {:.1} s: {differences} differences",
        started.elapsed().as_secs_f64()
    )?;
    Ok(summary)
}

async fn open(verify: Verify) -> anyhow::Result<Box<dyn Audit>> {
    // A folder is only ever named on the command line, and the variable may be there for other commands.
    if let Some(directory) = verify.data {
        let audit = EmbeddedAudit::open(&directory);
        return Ok(Box::new(
            audit.with_context(|| format!("cannot read the store in {}", directory.display()))?,
        ));
    }
    let url = verify.database_url.context("neither a database nor a folder is named")?;
    let store = Postgres::connect(&url, PostgresOptions::default()).await;
    store.context("cannot use the database")?.audit().await.context("cannot use the database")
}

/// Looks at all channels, and writes a line for each and one for each difference.
async fn everything(audit: &mut dyn Audit, out: &mut dyn Write) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    for channel in audit.channels().await? {
        let mut walk = Walk {
            adopted: audit.adopted(&channel).await?,
            audit,
            channel: &channel,
            progress: progress(&channel)?,
            differences: Vec::new(),
            incomplete: 0,
        };
        let (log, assets) = walk.channel().await.with_context(|| format!("channel {channel}"))?;
        walk.progress.finish_and_clear();
        let Walk { differences, incomplete, .. } = walk;
        writeln!(out, "channel {channel}: {log}, {assets} assets: {} differences", differences.len())?;
        if incomplete > 0 {
            writeln!(
                out,
                "  of {incomplete} assets, adopted events tell something else or nothing: these are not compared"
            )?;
        }
        for difference in &differences {
            writeln!(out, "  {difference}")?;
        }
        summary.channels += 1;
        summary.events += log.events();
        summary.assets += assets;
        summary.differences += u64::try_from(differences.len())?;
    }
    Ok(summary)
}

fn progress(channel: &ChannelName) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{prefix}: {wide_bar} {human_pos}/{human_len} {msg} {per_sec}")?;
    Ok(ProgressBar::new(0).with_style(style).with_prefix(channel.to_string()))
}

/// The walk through one channel.
struct Walk<'a> {
    audit: &'a mut dyn Audit,
    channel: &'a ChannelName,
    progress: ProgressBar,
    differences: Vec<Difference>,
    /// Events up to this position need not tell everything.
    adopted: u64,
    /// Assets that could not be compared for this reason.
    incomplete: u64,
}

impl Walk<'_> {
    /// Where the log ends, and how many assets the tables have.
    async fn channel(&mut self) -> anyhow::Result<(Log, u64)> {
        let (log, mut told) = self.replay().await?;
        let mut found = 0;
        for kind in AssetKind::ALL {
            found += self.compare(kind, &mut told).await?;
        }
        self.missing(told).await?;
        Ok((log, found))
    }

    /// The end of the log, and the assets as it tells them.
    async fn replay(&mut self) -> anyhow::Result<(Log, Assets)> {
        let head = self.audit.head(self.channel).await?;
        self.progress.set_length(head.as_ref().map_or(0, |head| head.position));
        self.progress.set_message("events");
        self.progress.set_position(0);
        let mut told = Assets::default();
        let events = self.audit.events(self.channel, 0, usize::MAX).await?;
        let mut end = Log::new(self.channel.clone()).handed_over();
        let pieces = events.map(|rows| {
            let (next, start) = oneshot::channel();
            let before = std::mem::replace(&mut end, start);
            spawn_blocking(move || Log::examine(before, rows, next))
        });
        let mut pieces = pieces.buffered(pieces_at_once());
        while let Some(piece) = pieces.next().await {
            let Piece { rows, holds, differences } = piece??;
            self.progress.inc(rows);
            self.differences.extend(differences);
            holds.into_iter().for_each(|(position, telling)| told.tell(position, telling));
        }
        drop(pieces);
        let log = end.await?;
        log.end(head.as_ref(), &mut self.differences);
        Ok((log, told))
    }

    /// Compares the table of one kind with what the log tells; the number of its rows.
    async fn compare(&mut self, kind: AssetKind, told: &mut Assets) -> anyhow::Result<u64> {
        self.progress.set_message("assets");
        self.progress.set_length(told.len());
        self.progress.set_position(0);
        let (mut count, mut changed) = (0, Vec::new());
        let assets = self.audit.assets(self.channel, kind).await?;
        let pieces = assets.map(|rows| {
            spawn_blocking(|| Piece::of(rows.read(), |asset, _| Some(Found::from(server::snapshot(&asset?)))))
        });
        let mut pieces = pieces.buffered(pieces_at_once());
        while let Some(piece) = pieces.next().await {
            let Piece { rows, holds, differences } = piece??;
            count += rows;
            self.progress.inc(rows);
            self.differences.extend(differences);
            for found in holds {
                match told.compare(&found) {
                    Comparison::Same => {}
                    Comparison::Changed(told) if told.position() <= self.adopted => self.incomplete += 1,
                    Comparison::Untold if self.adopted > 0 => self.incomplete += 1,
                    Comparison::Changed(told) if changed.len() < DETAILED_MAX => changed.push((told, found)),
                    Comparison::Changed(told) => {
                        let position = told.position();
                        self.differences.push(Difference::Changed { position, asset: found.asset.into() });
                    }
                    Comparison::Untold => {
                        self.differences.push(Difference::Additional(found.asset.into()));
                    }
                }
            }
        }
        drop(pieces);
        for (told, found) in changed {
            let position = told.position();
            let told = told.asset(self.audit, self.channel).await?;
            self.differences.extend(difference::between(position, told.as_ref(), &found.asset));
        }
        Ok(count)
    }

    /// What the log tells and no table had.
    async fn missing(&mut self, told: Assets) -> anyhow::Result<()> {
        for told in told.rest() {
            let position = told.position();
            if position <= self.adopted {
                self.incomplete += 1;
            } else if let Some(asset) = told.asset(self.audit, self.channel).await? {
                self.differences.push(Difference::Missing { position, asset: asset.into() });
            }
        }
        Ok(())
    }
}

/// Rows that were looked at together.
struct Piece<T> {
    /// How many there were.
    rows: u64,
    /// What those hold that hold anything.
    holds: Vec<T>,
    /// What is wrong with them.
    differences: Vec<Difference>,
}

impl<T> Piece<T> {
    /// Looks at rows, one after the other; a row that cannot be read is a difference, and nothing to look at.
    ///
    /// # Errors
    /// The store does not answer.
    fn of<R>(
        rows: Vec<persistence::Result<R>>,
        mut look: impl FnMut(Option<R>, &mut Vec<Difference>) -> Option<T>,
    ) -> anyhow::Result<Self> {
        let mut piece = Self { rows: 0, holds: Vec::with_capacity(rows.len()), differences: Vec::new() };
        for row in rows {
            let row = match row {
                Ok(row) => Some(row),
                Err(Error::Corrupt(problem)) => {
                    piece.differences.push(Difference::Unreadable(problem));
                    None
                }
                Err(error) => return Err(error.into()),
            };
            piece.rows += 1;
            piece.holds.extend(look(row, &mut piece.differences));
        }
        Ok(piece)
    }
}

/// How many pieces are looked at, or wait for that or to be taken: more than there are threads, none of which shall wait.
fn pieces_at_once() -> usize {
    4 * std::thread::available_parallelism().map_or(1, NonZero::get)
}
