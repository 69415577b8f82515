//! Functions: built by the organization that registered them, one step for each event.
//!
//! There is nothing to compile here: the archive names an [`Operation`], and the image names it again. Start at
//! [`Organization::advance_build`].

use anyhow::Context;
use proto::{
    Addressable, ApplyFunctionActionParam, ErrorType, FailedAssetKind, Function, FunctionAction,
    FunctionStatus, UpdateFunctionParam,
};

use super::Organization;
use crate::demo::operation::Operation;

impl Organization {
    /// Takes the build of a function one step further. Each step raises the event that asks for the next one.
    pub(super) async fn advance_build(&self, function: Function) -> anyhow::Result<()> {
        let has_image = function.image.as_ref().is_some_and(|image| !image.checksum.is_empty());
        match function.status() {
            FunctionStatus::Waiting => self.apply_to_function(function.key, FunctionAction::Building).await,
            FunctionStatus::Building if !has_image => self.build(function).await,
            FunctionStatus::Building => self.apply_to_function(function.key, FunctionAction::Ready).await,
            FunctionStatus::Unknown
            | FunctionStatus::Ready
            | FunctionStatus::Canceled
            | FunctionStatus::Failed => Ok(()),
        }
    }

    async fn build(&self, function: Function) -> anyhow::Result<()> {
        match self.make_image(&function) {
            Ok(image) => {
                let Function { key, name, .. } = function;
                let image = Some(image);
                self.client.call(UpdateFunctionParam { key, name, image }).await?;
                Ok(())
            }
            Err(error) => {
                let failed = (FailedAssetKind::FailedAssetFunction, function.key);
                self.report(failed, ErrorType::Build, error).await
            }
        }
    }

    fn make_image(&self, function: &Function) -> anyhow::Result<Addressable> {
        let archive = function.archive.as_ref().context("the function has no archive")?;
        let operation: Operation = self.storage.read(archive)?;
        self.write(&format!("images/{}.txt", operation.name()), &operation)
    }

    async fn apply_to_function(&self, function_key: String, action: FunctionAction) -> anyhow::Result<()> {
        let action = action.into();
        self.client.call(ApplyFunctionActionParam { function_key, action }).await?;
        Ok(())
    }
}
