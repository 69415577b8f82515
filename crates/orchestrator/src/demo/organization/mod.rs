//! One organization of the demo: its connection, its files, and what it does when an event concerns it.
//!
//! It behaves as a backend does: it joins the channel, then only ever reacts to events, and never ends by itself. It does not know the
//! plan's shape; what a task needs, it asks the orchestrator. Start at [`Organization::run`].

mod data;
mod execution;
mod function;

use std::convert::Infallible;
use std::fmt::Display;

use anyhow::Context;
use client::Client;
use proto::event::Asset;
use proto::{
    Addressable, ComputeTask, ComputeTaskStatus, ErrorType, Event, FailedAssetKind, NewFailureReport,
    RegisterOrganizationParam,
};

use super::plan::{self, Plan};
use super::storage::{Storage, address};

/// An organization and what it has.
#[derive(Clone)]
pub(super) struct Organization {
    id: String,
    index: usize,
    plan: Plan,
    client: Client,
    storage: Storage,
}

impl Organization {
    /// The organization of this index, counted from 0.
    pub(super) fn new(index: usize, plan: Plan, client: Client, storage: Storage) -> Self {
        Self { id: plan::organization_id(index), index, plan, client, storage }
    }

    /// Joins the channel, then does what events ask for.
    ///
    /// # Errors
    ///
    /// The server refuses something or is gone. A task that cannot be executed or a function that cannot be built is no error here: it
    /// is reported to the channel.
    pub(super) async fn run(self) -> anyhow::Result<Infallible> {
        let address = address(&self.id, "");
        let joined = self.client.call(RegisterOrganizationParam { address }).await;
        joined.with_context(|| format!("{} cannot join the channel", self.id))?;
        let mut events = self.client.events("");
        loop {
            let event = events.next().await;
            let event = event.with_context(|| format!("{} gets no events", self.id))?;
            let reaction = self.react(event).await;
            reaction.with_context(|| format!("{} cannot go on", self.id))?;
        }
    }

    async fn react(&self, event: Event) -> anyhow::Result<()> {
        match event.asset {
            Some(Asset::Organization(organization)) if organization.id == self.plan.owner() => {
                self.offer_data().await
            }
            Some(Asset::Function(function)) if function.owner == self.id => {
                self.advance_build(function).await
            }
            Some(Asset::ComputeTask(task)) if self.may_start(&task) => self.execute(task).await,
            _ => Ok(()),
        }
    }

    fn may_start(&self, task: &ComputeTask) -> bool {
        task.worker == self.id && task.status() == ComputeTaskStatus::StatusWaitingForExecutorSlot
    }

    /// Writes a file of this organization, and says what to register.
    fn write(&self, file: &str, value: &impl Display) -> anyhow::Result<Addressable> {
        self.storage.write(&self.id, file, value)
    }

    /// Reports that a task or a function failed, with the reason in a file of logs (compute/FAIL-1).
    async fn report(
        &self,
        (asset_type, asset_key): (FailedAssetKind, String),
        error_type: ErrorType,
        error: anyhow::Error,
    ) -> anyhow::Result<()> {
        let reason = format!("{error:#}\n");
        let logs = self.write(&format!("logs/{asset_key}.txt"), &reason)?;
        let report = NewFailureReport {
            asset_key,
            error_type: error_type.into(),
            logs_address: Some(logs),
            asset_type: asset_type.into(),
        };
        self.client.call(report).await?;
        Ok(())
    }
}
