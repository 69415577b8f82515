//! What comes out of tasks: models, performances, failure reports.

use super::{
    Asset, BAD, CONFLICT, Channel, INVALID, Model, NO_OUTPUT, OTHER_KIND, Outcome, Performance, Registered,
    Report, Status, find, grant_text, no, require,
};
use crate::operation::{Failing, Kind, MALFORMED, NewModel, Number, Organization};
use crate::shape::{self, Content};

impl Asset for Model {
    const KIND: Kind = Kind::Model;

    fn number(&self) -> Number {
        self.number
    }

    fn born(&self) -> u32 {
        self.born
    }

    fn text(&self) -> String {
        let Self { number, owner, task, process, address, .. } = self;
        format!("model {number} of {owner} from t{task} for {} at {address:?}", grant_text(process))
    }
}

impl Performance {
    pub(super) fn text(&self) -> String {
        format!("performance t{} {} {}", self.task, self.output, f32::from(self.halves) / 2.0)
    }
}

impl Report {
    pub(super) fn text(&self) -> String {
        let Self { of, number, owner, logs } = self;
        format!("report {of:?} {number} of {owner} at {logs:?}")
    }
}

impl Channel {
    /// The output of a task, and whether it may have many assets: compute/MODEL-4, PERF-2.
    fn output_of(task: &Registered, output: &str, content: Content) -> Outcome<bool> {
        let is_given = task.task.outputs.iter().any(|(name, ..)| *name == output);
        let declared = shape::output(task.task.function, output).filter(|_| is_given);
        let Some((_, declared, multiple)) = declared else {
            return no(NO_OUTPUT, "compute/MODEL-4, no such output");
        };
        require(declared == content, OTHER_KIND, "compute/MODEL-4, another kind")?;
        Ok(multiple)
    }

    fn tell_output(&mut self, task: Number, output: &str, position: usize, asset: &str) {
        let text = format!("output t{task} {output} {position} {asset}");
        self.tell_text("CREATED", Some((Kind::Task, task)), text, None);
    }

    /// compute/MODEL-2 … MODEL-8.
    pub(super) fn register_models(&mut self, caller: Organization, models: &[NewModel]) -> Outcome<String> {
        let Some(first) = models.first() else {
            return no(BAD, "compute/MODEL-2");
        };
        require(first.task != MALFORMED, INVALID, "compute/MODEL-3")?;
        find(&self.tasks, first.task)?;
        let mut answer = Vec::new();
        for (place, NewModel { model: number, task, output, address }) in models.iter().enumerate() {
            require(*task == first.task, BAD, "compute/MODEL-5")?;
            require(*number != MALFORMED, INVALID, "compute/MODEL-4, its key")?;
            let task = self.require_executing_worker(caller, *task)?;
            let multiple = Self::output_of(task, output, Content::Model)?;
            let process =
                task.task.outputs.iter().find(|(name, ..)| name == output).map(|(_, grant, _)| grant.clone());
            let before = self
                .models
                .iter()
                .filter(|model| model.task == first.task && model.output == *output)
                .count();
            require(multiple || before == 0, CONFLICT, "compute/MODEL-4, not multiple")?;
            let before_it = &models[..place];
            let has_twin = before_it.iter().any(|other| other.model == *number);
            require(!has_twin, CONFLICT, "compute/DEF-21, the same key")?;
            self.require_free(&self.models, *number)?;
            let has_twin = before_it.iter().any(|other| other.address == *address);
            require(!has_twin, CONFLICT, "compute/DEF-21, the same address")?;
            self.claim(*address)?;
            let model = Model {
                number: *number,
                owner: caller,
                task: first.task,
                output,
                position: before + 1,
                address: Some(*address),
                process: process.unwrap_or_default(),
                born: self.now,
            };
            self.models.push(model.clone());
            answer.push(self.tell("CREATED", &model, None));
            self.tell_output(first.task, output, before + 1, &format!("m{number}"));
        }
        Ok(answer.join("; "))
    }

    /// compute/PERF-2 … PERF-5.
    pub(super) fn register_performance(
        &mut self,
        caller: Organization,
        task: Number,
        output: &'static str,
        halves: Number,
    ) -> Outcome<String> {
        Self::output_of(self.require_executing_worker(caller, task)?, output, Content::Performance)?;
        let is_new = !self.performances.iter().any(|other| other.task == task && other.output == output);
        require(is_new, CONFLICT, "compute/PERF-2")?;
        let performance = Performance { task, output, halves, born: self.now };
        self.performances.push(performance.clone());
        let answer = self.tell_text("CREATED", None, performance.text(), None);
        self.tell_output(task, output, 1, &format!("t{task}|{output}"));
        Ok(answer)
    }

    /// compute/FAIL-10 … FAIL-13.
    pub(super) fn report_failure(
        &mut self,
        caller: Organization,
        of: Failing,
        number: Number,
        logs: Option<Number>,
    ) -> Outcome<String> {
        const REASON: &str = "failure report registered";
        let kind = match of {
            Failing::Task => {
                self.require_executing_worker(caller, number)?;
                self.move_task(number, Status::Failed, REASON);
                self.fail_plan_of(number);
                Kind::Task
            }
            Failing::Function => {
                self.fail_function(caller, number, REASON)?;
                Kind::Function
            }
        };
        logs.map_or(Ok(()), |logs| self.claim(logs))?;
        let report = Report { of, number, owner: caller, logs };
        self.reports.push(report.clone());
        Ok(self.tell_text("CREATED", Some((kind, number)), report.text(), None))
    }
}
