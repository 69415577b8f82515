//! Functions and what their builds move.

use super::{
    Asset, BAD, Build, BuildStep, CONFLICT, Channel, DENIED, Function, INVALID, OK, Outcome, Status,
    USER_ACTION, find, found, grant_text, no, require,
};
use crate::operation::{Grant, Kind, Number, Organization};

impl Asset for Function {
    const KIND: Kind = Kind::Function;

    fn number(&self) -> Number {
        self.number
    }

    fn born(&self) -> u32 {
        self.born
    }

    fn text(&self) -> String {
        let Self { number, name, owner, process, build, description, archive, image, born: _ } = self;
        let process = grant_text(process);
        format!(
            "function {number} {name} of {owner} for {process} {build:?} at {description} {archive} image {image:?}"
        )
    }
}

impl Channel {
    /// compute/FUNC-5.
    pub(super) fn register_function(
        &mut self,
        caller: Organization,
        number: Number,
        grant: &Grant,
        description: Number,
        archive: Number,
    ) -> Outcome<String> {
        self.require_free(&self.functions, number)?;
        let process = self.grant(grant, caller)?;
        self.claim(description)?;
        self.claim(archive)?;
        self.require_registered(caller)?;
        let (name, owner, build, image, born) = (0, caller, Build::Waiting, None, self.now);
        let function = Function { number, name, owner, process, build, description, archive, image, born };
        self.functions.push(function.clone());
        Ok(self.tell("CREATED", &function, None))
    }

    fn require_own_function(&self, caller: Organization, number: Number) -> Outcome<&Function> {
        let function = find(&self.functions, number)?;
        require(function.owner == caller, DENIED, "compute/FUNC-30")?;
        Ok(function)
    }

    /// compute/FUNC-21 … FUNC-25, DEF-6, DEF-10.
    pub(super) fn update_function(
        &mut self,
        caller: Organization,
        number: Number,
        name: Number,
        image: Option<Number>,
    ) -> Outcome<String> {
        let mut function = self.require_own_function(caller, number)?.clone();
        let image = image.or(function.image);
        require(function.build != Build::Ready || image.is_some(), INVALID, "compute/FUNC-23")?;
        if image != function.image {
            let free = image.is_none_or(|image| self.addresses.insert(image));
            require(free, CONFLICT, "compute/DEF-6")?;
            if let Some(before) = function.image {
                self.addresses.remove(&before); // compute/DEF-10
            }
        }
        function.name = name;
        function.image = image;
        *found(&mut self.functions, number) = function.clone();
        self.tell("UPDATED", &function, None);
        Ok(OK.into())
    }

    /// compute/FUNC-30, DEF-28.
    pub(super) fn function_action(
        &mut self,
        caller: Organization,
        number: Number,
        action: Option<BuildStep>,
    ) -> Outcome<String> {
        let Some(action) = action else {
            return no(BAD, "compute/DEF-28");
        };
        self.require_own_function(caller, number)?;
        self.build(number, action, USER_ACTION)
    }

    /// compute/FAIL-11.
    pub(super) fn fail_function(
        &mut self,
        caller: Organization,
        number: Number,
        reason: &str,
    ) -> Outcome<String> {
        self.require_own_function(caller, number)?;
        self.build(number, BuildStep::Failed, reason)
    }

    /// compute/FSM-2 … FSM-5, then CASC-5 … CASC-8.
    fn build(&mut self, number: Number, action: BuildStep, reason: &str) -> Outcome<String> {
        let function = found(&mut self.functions, number);
        function.build = match (function.build, action) {
            (Build::Waiting, BuildStep::Building) => Build::Building,
            (Build::Building, BuildStep::Ready) => Build::Ready,
            (Build::Building, BuildStep::Failed) => Build::Failed,
            (Build::Waiting | Build::Building, BuildStep::Canceled) => Build::Canceled,
            _ => return no(BAD, "compute/FSM-2"),
        };
        let function = function.clone();
        self.tell("UPDATED", &function, Some(reason));
        let tasks = self.tasks.iter().filter(|task| task.task.function == number);
        for task in tasks.map(Asset::number).collect::<Vec<_>>() {
            self.follow_function(task, number, action, reason);
        }
        Ok(OK.into())
    }

    fn follow_function(&mut self, task: Number, function: Number, action: BuildStep, reason: &str) {
        match (action, self.task(task).status) {
            (BuildStep::Building, Status::WaitingForBuilderSlot) => {
                self.move_task(task, Status::Building, reason);
            }
            (BuildStep::Ready, Status::Building) => {
                let next = if self.all_parents_are_done(task) {
                    Status::WaitingForExecutorSlot
                } else {
                    Status::WaitingForParentTasks
                };
                self.move_task(task, next, &format!("Function f{function} finished building"));
            }
            (BuildStep::Failed, Status::Building) => {
                self.move_task(task, Status::Failed, reason);
                self.fail_plan_of(task);
            }
            (BuildStep::Canceled, Status::Building | Status::WaitingForBuilderSlot) => {
                self.move_task(task, Status::Canceled, reason);
            }
            _ => {}
        }
    }

    /// compute/DEF-60.
    pub(super) fn profiling_step(&mut self, caller: Organization, number: Number) -> Outcome<String> {
        self.require_own_function(caller, number)?;
        self.tell_text("CREATED", Some((Kind::Function, number)), format!("step of f{number}"), None);
        Ok(OK.into())
    }
}
