//! What members do to tasks, and what that moves.

use super::task::parents_of;
use super::{
    BAD, Channel, DENIED, NOT_DISABLED, OK, Outcome, Registered, Status, USER_ACTION, find, found, no,
    require,
};
use crate::operation::{Kind, Number, Organization, Source, Step};

impl Channel {
    pub(super) fn move_task(&mut self, number: Number, status: Status, reason: &str) {
        let task = found(&mut self.tasks, number);
        task.status = status;
        let task = task.clone();
        self.tell("UPDATED", &task, Some(reason));
    }

    /// compute/TASK-50 … TASK-54.
    pub(super) fn task_action(
        &mut self,
        caller: Organization,
        number: Number,
        action: Option<Step>,
        log: bool,
    ) -> Outcome<String> {
        let task = find(&self.tasks, number)?;
        let Some(action) = action else {
            return no(DENIED, "compute/DEF-28");
        };
        let may = match action {
            Step::Executing | Step::Done => task.worker == caller,
            Step::Canceled | Step::Failed => task.worker == caller || task.owner == caller,
        };
        require(may, DENIED, "compute/TASK-51")?;
        let reason = if log { "because" } else { USER_ACTION };
        match (action, task.status) {
            (Step::Executing, Status::WaitingForExecutorSlot) => {
                self.move_task(number, Status::Executing, reason);
            }
            (Step::Done, Status::Executing) => {
                self.move_task(number, Status::Done, reason);
                self.wake_children(number);
            }
            (Step::Canceled, status) if !status.is_final() => {
                self.move_task(number, Status::Canceled, reason);
            }
            (Step::Failed, status) if !status.is_final() => {
                self.move_task(number, Status::Failed, reason);
                self.fail_plan_of(number);
            }
            _ => return no(BAD, "compute/TSM-1"),
        }
        Ok(OK.into())
    }

    /// compute/CASC-1, CASC-2.
    fn wake_children(&mut self, done: Number) {
        let mut ready: Vec<(usize, Number)> = Vec::new();
        for child in self.tasks.iter().filter(|task| task.status == Status::WaitingForParentTasks) {
            let place = parents_of(&child.task).iter().position(|parent| *parent == done);
            if let Some(place) = place
                && self.all_parents_are_done(child.task.task)
            {
                ready.push((place, child.task.task));
            }
        }
        ready.sort_by_key(|(place, _)| *place);
        for (_, child) in ready {
            self.move_task(child, Status::WaitingForExecutorSlot, &format!("Last parent task t{done} done"));
        }
    }

    /// compute/MODEL-4, PERF-2, FAIL-10.
    pub(super) fn require_executing_worker(
        &self,
        caller: Organization,
        number: Number,
    ) -> Outcome<&Registered> {
        let task = find(&self.tasks, number)?;
        require(task.worker == caller, DENIED, "compute/MODEL-1")?;
        require(task.status == Status::Executing, BAD, "compute/MODEL-4, not executing")?;
        Ok(task)
    }

    /// compute/TASK-70 … TASK-73, DEF-15, DEF-16.
    pub(super) fn disable_output(
        &mut self,
        caller: Organization,
        number: Number,
        output: &str,
    ) -> Outcome<String> {
        let task = find(&self.tasks, number)?;
        require(task.worker == caller, DENIED, "compute/TASK-70")?;
        require(task.status.is_final(), NOT_DISABLED, "compute/TASK-70, not final")?;
        let given = task.task.outputs.iter().find(|(name, ..)| *name == output);
        require(given.is_some(), NOT_DISABLED, "compute/TASK-70, no such output")?;
        let transient = given.is_some_and(|(_, _, transient)| *transient);
        require(transient, NOT_DISABLED, "compute/TASK-70, not transient")?;
        let models = self.models.iter().filter(|model| model.task == number && model.output == output);
        let models: Vec<Number> = models.map(|model| model.number).collect();
        require(!models.is_empty(), NOT_DISABLED, "compute/TASK-70, no asset")?;
        let children = self.tasks.iter().filter(|child| parents_of(&child.task).contains(&number));
        require(children.clone().count() > 0, NOT_DISABLED, "compute/TASK-70, no child")?;
        let all_are_over = children.clone().all(|child| child.status.is_final());
        require(all_are_over, NOT_DISABLED, "compute/TASK-70, a child is not over")?;
        let uses = |user: &&Registered| {
            let is_used = |model| {
                user.task.inputs.iter().any(|(_, source)| *source == Source::Asset(Kind::Model, model))
            };
            models.iter().any(|model| is_used(*model))
        };
        let all_are_over = self.tasks.iter().filter(uses).all(|user| user.status.is_final());
        require(all_are_over, NOT_DISABLED, "compute/DEF-16")?;
        for number in models {
            self.disable_model(number);
        }
        Ok(OK.into())
    }

    /// compute/TASK-71, TASK-72; nothing happens to one that is disabled (DEF-15).
    fn disable_model(&mut self, number: Number) {
        let model = found(&mut self.models, number);
        if let Some(address) = model.address.take() {
            let model = model.clone();
            self.addresses.remove(&address);
            self.tell("DISABLED", &model, None);
        }
    }
}
