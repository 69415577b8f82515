//! Reload: who gets in is read again while the server runs, certificates, authorities and channels (core/DEF-8).
//!
//! Owns when the files are read, and that all of them count or none: a bad one leaves everything as it was. What has to be in them is known to
//! `server::tls` and `configuration::channels`. Start at [`AccessFiles::load`], then read [`Reload::run`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use server::tls::{Files, Material, Tls};
use server::{Access, AccessControl, Membership};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use crate::configuration::Channels;

/// How often certificates are looked at that expire soon.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// How often the files are read, unless a setting says otherwise.
pub(crate) const RELOAD_INTERVAL: Duration = Duration::from_secs(10);
/// How long after a change the files are read once more, so that somebody who writes several of them can finish.
const SETTLE: Duration = Duration::from_secs(1);

/// The files that say who gets in.
#[derive(Clone, Debug)]
pub(crate) struct AccessFiles {
    /// Certificates and authorities; `None`: plain text.
    pub tls: Option<Files>,
    /// Who is a member where.
    pub channels: ChannelSource,
}

/// Who says who is a member where.
#[derive(Clone, Debug)]
pub(crate) enum ChannelSource {
    /// The channel file.
    File(PathBuf),
    /// Nobody: they are always the same.
    Fixed(Channels),
}

/// What was in the files at one moment.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    tls: Option<Material>,
    /// The text of the channel file, if there is one.
    channels: String,
}

impl ChannelSource {
    fn read(&self) -> anyhow::Result<String> {
        Ok(match self {
            Self::File(file) => Channels::read(file)?,
            Self::Fixed(_) => String::new(),
        })
    }

    fn channels(&self, text: &str) -> anyhow::Result<Channels> {
        Ok(match self {
            Self::File(file) => Channels::of_file(file, text)?,
            Self::Fixed(channels) => channels.clone(),
        })
    }
}

impl AccessFiles {
    /// Reads all files for the first time.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub(crate) fn load(self) -> anyhow::Result<(Access, Reload)> {
        let contents = self.read()?;
        let access = self.access(&contents)?;
        warn_of_expiries(&access);
        Ok((access, Reload { files: Arc::new(self), seen: Ok(contents) }))
    }

    /// Everything that keeps the files from being used, as far as one does not hide the other.
    pub(crate) fn problems(&self) -> Vec<anyhow::Error> {
        let channels = self.channels.read().and_then(|text| self.channels.channels(&text)).err();
        let tls = self.tls.as_ref().and_then(|files| Tls::load(files).err()).map(anyhow::Error::new);
        channels.into_iter().chain(tls).collect()
    }

    fn read(&self) -> anyhow::Result<Contents> {
        let tls = self.tls.as_ref().map(Files::read).transpose()?;
        Ok(Contents { tls, channels: self.channels.read()? })
    }

    fn access(&self, contents: &Contents) -> anyhow::Result<Access> {
        let Contents { tls, channels } = contents;
        let channels = self.channels.channels(channels)?;
        let tls = tls.as_ref().map(Tls::new).transpose()?;
        Ok(Access { membership: Membership::new(channels.members), tls })
    }
}

/// Watches the files.
pub(crate) struct Reload {
    files: Arc<AccessFiles>,
    /// What was read last, or why nothing could be read.
    seen: Result<Contents, String>,
}

impl Reload {
    /// Reads the files every `interval`, and at once on SIGHUP, and lets what is in them count whenever that has changed. Without an interval
    /// only the signal counts.
    pub(crate) async fn run(mut self, control: AccessControl, every: Option<Duration>) {
        let hangups = signal(SignalKind::hangup());
        let mut hangups =
            hangups.inspect_err(|error| tracing::warn!(%error, "SIGHUP cannot be received")).ok();
        let mut expiries = ticks(EXPIRY_INTERVAL);
        let mut looks = every.map(ticks);
        expiries.tick().await; // the first was at start
        loop {
            tokio::select! {
                () = hangup(hangups.as_mut()) => {
                    tracing::info!("asked to read certificates, authorities and channels again");
                    let found = self.read().await;
                    self.take(found, &control);
                }
                () = tick(looks.as_mut()) => self.look(&control).await,
                _now = expiries.tick() => warn_of_expiries(&control.now()),
            }
        }
    }

    /// Takes what is in the files if that is not what was seen before.
    async fn look(&mut self, control: &AccessControl) {
        if self.read().await != self.seen {
            sleep(SETTLE).await;
            let settled = self.read().await;
            self.take(settled, control);
        }
    }

    /// Lets what was read count, or says why it cannot. Either is told once, not at every look.
    fn take(&mut self, found: Result<Contents, String>, control: &AccessControl) {
        self.seen = found;
        let contents = self.seen.as_ref().map_err(Clone::clone);
        let access = contents.and_then(|contents| self.files.access(contents).map_err(|error| told(&error)));
        match access {
            Ok(access) => {
                warn_of_expiries(&access);
                control.replace(access);
                tracing::info!(
                    "certificates, authorities and channels were read again and count from now on"
                );
            }
            Err(error) => tracing::error!(error, "a file cannot be used: what was there before still counts"),
        }
    }

    async fn read(&self) -> Result<Contents, String> {
        let files = Arc::clone(&self.files);
        let read = tokio::task::spawn_blocking(move || files.read()).await;
        let read = read.context("the files could not be read").and_then(|read| read);
        read.map_err(|error| told(&error))
    }
}

/// An error with all its reasons.
fn told(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

fn warn_of_expiries(access: &Access) {
    let now = SystemTime::now();
    access.expiries().iter().for_each(|expiry| expiry.warn(now));
}

/// Ticks that do not come in a rush after a pause.
fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits for the next tick; for ever, if there are none.
async fn tick(ticks: Option<&mut Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Waits for the operator's signal to read the files again; for ever, if signals cannot be received.
async fn hangup(signals: Option<&mut Signal>) {
    let received = match signals {
        Some(signals) => signals.recv().await,
        None => None,
    };
    if received.is_none() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use embedded::Embedded;
    use server::{Server, ServerOptions};
    use service::Service;

    use super::*;
    use crate::certs::Layout;

    /// A volume as Kubernetes mounts it: files are links into a link to a folder, which is swapped for another one.
    struct Volume(tempfile::TempDir);

    impl Volume {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        fn file(&self) -> PathBuf {
            self.path().join("config.yaml")
        }

        /// Replaces all contents at once.
        fn swap(&self, version: &str, text: &str) {
            let folder = self.path().join(format!("..{version}"));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("config.yaml"), text).unwrap();
            symlink(folder.file_name().unwrap(), self.path().join("..data_tmp")).unwrap();
            fs::rename(self.path().join("..data_tmp"), self.path().join("..data")).unwrap();
            let _there_already = symlink("..data/config.yaml", self.file());
        }
    }

    /// Who decides, and what the access was at first.
    fn start(files: AccessFiles) -> (Reload, AccessControl, Arc<Access>) {
        let (access, reload) = files.load().unwrap();
        let store = Arc::new(Embedded::in_memory().unwrap());
        let service = Service::new(store, service::Options::new(Arc::new(server::encode_event)));
        let control = Server::new(service, ServerOptions::new(access)).access_control();
        let first = control.now();
        (reload, control, first)
    }

    fn admits(access: &Access, organization: &str) -> bool {
        access.membership.admits(&asset::OrganizationId::new(organization), &asset::ChannelName::new("a"))
    }

    #[tokio::test]
    async fn a_swapped_volume_counts_and_a_bad_one_does_not() {
        // core/DEF-8, CHN-7
        let volume = Volume::new();
        volume.swap("one", "channels: {a: [x]}");
        let (mut reload, control, first) =
            start(AccessFiles { tls: None, channels: ChannelSource::File(volume.file()) });
        reload.look(&control).await;
        assert!(Arc::ptr_eq(&control.now(), &first), "nothing has changed");

        volume.swap("two", "channels: {a: [y]}");
        reload.look(&control).await;
        assert!(!admits(&control.now(), "x") && admits(&control.now(), "y"));

        for bad in ["channels: [", "\u{0}"] {
            let second = control.now();
            volume.swap(&format!("bad{}", bad.len()), bad);
            reload.look(&control).await;
            assert!(Arc::ptr_eq(&control.now(), &second), "what was there before still counts");
        }
        fs::remove_file(volume.file()).unwrap();
        reload.look(&control).await;
        assert!(admits(&control.now(), "y"));

        volume.swap("three", "channels: {a: [z]}");
        reload.look(&control).await;
        assert!(admits(&control.now(), "z"));
    }

    #[tokio::test]
    async fn certificates_and_channels_count_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let layout = Layout::new(&folder.path().join(name)).unwrap();
            layout.make(&BTreeSet::from(["x"]), &["localhost".to_owned()]).unwrap();
            layout.files()
        };
        let (files, others) = (made("certificates"), made("others"));
        let Files { certificate, key, .. } = files.clone();
        let channels = folder.path().join("channels.yaml");
        fs::write(&channels, "channels: {a: [x]}").unwrap();
        let (mut reload, control, first) =
            start(AccessFiles { tls: Some(files), channels: ChannelSource::File(channels.clone()) });

        // A new certificate without its key, as in the middle of a renewal, holds up the channels, too.
        fs::copy(&others.certificate, certificate).unwrap();
        fs::write(&channels, "channels: {a: [x, y]}").unwrap();
        reload.look(&control).await;
        assert!(Arc::ptr_eq(&control.now(), &first));

        fs::copy(&others.key, key).unwrap();
        reload.look(&control).await;
        assert!(admits(&control.now(), "y"));
    }
}
