//! Compute plans.

use super::{Asset, Channel, DENIED, OK, OVER, Outcome, Plan, Status, UNIMPLEMENTED, find, found, require};
use crate::operation::{Kind, Number, Organization};

impl Asset for Plan {
    const KIND: Kind = Kind::Plan;

    fn number(&self) -> Number {
        self.number
    }

    fn born(&self) -> u32 {
        self.born
    }

    /// compute/PLAN-11: a canceled plan never shows a failure date.
    fn text(&self) -> String {
        let over = match (self.canceled, self.failed) {
            (true, _) => " canceled",
            (false, true) => " failed",
            (false, false) => "",
        };
        format!("plan {} {} of {}{over}", self.number, self.name, self.owner)
    }
}

impl Channel {
    /// compute/PLAN-3.
    pub(super) fn register_plan(&mut self, caller: Organization, number: Number) -> Outcome<String> {
        self.require_free(&self.plans, number)?;
        self.require_registered(caller)?;
        let plan = Plan { number, name: 0, owner: caller, canceled: false, failed: false, born: self.now };
        self.plans.push(plan.clone());
        Ok(self.tell("CREATED", &plan, None))
    }

    pub(super) fn require_own_plan(&self, caller: Organization, number: Number) -> Outcome<&Plan> {
        let plan = find(&self.plans, number)?;
        require(plan.owner == caller, DENIED, "compute/PLAN-21")?;
        Ok(plan)
    }

    /// compute/PLAN-21 … PLAN-23.
    pub(super) fn rename_plan(
        &mut self,
        caller: Organization,
        number: Number,
        name: Number,
    ) -> Outcome<String> {
        self.require_own_plan(caller, number)?;
        let plan = found(&mut self.plans, number);
        plan.name = name;
        let plan = plan.clone();
        self.tell("UPDATED", &plan, None);
        Ok(OK.into())
    }

    /// compute/PLAN-30 … PLAN-34.
    pub(super) fn plan_action(
        &mut self,
        caller: Organization,
        number: Number,
        cancel: bool,
    ) -> Outcome<String> {
        let plan = self.require_own_plan(caller, number)?;
        require(cancel, UNIMPLEMENTED, "compute/PLAN-30")?;
        require(!plan.canceled && !plan.failed, OVER, "compute/PLAN-34")?;
        let plan = found(&mut self.plans, number);
        plan.canceled = true;
        let plan = plan.clone();
        self.tell("UPDATED", &plan, None);
        Ok(OK.into())
    }

    /// compute/PLAN-51.
    pub(super) fn is_plan_running(&self, number: Number) -> Outcome<String> {
        let plan = find(&self.plans, number)?;
        let tasks = self.tasks.iter().filter(|task| task.task.plan == number);
        let statuses: Vec<Status> = tasks.map(|task| task.status).collect();
        let broken = statuses.iter().any(|status| matches!(status, Status::Canceled | Status::Failed));
        let unfinished = statuses.iter().any(|status| *status != Status::Done);
        Ok((!plan.canceled && !plan.failed && !broken && unfinished).to_string())
    }

    /// compute/PLAN-40.
    pub(super) fn fail_plan_of(&mut self, task: Number) {
        let plan = self.task(task).task.plan;
        let plan = found(&mut self.plans, plan);
        plan.failed |= !plan.canceled;
    }
}
