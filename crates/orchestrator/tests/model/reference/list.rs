//! Reads: what there is, and lists of it, page by page.

use super::{
    Asset, BAD, Channel, Event, INVALID, Model, NOT_FOUND, Outcome, Registered, Status, USER_ACTION, find,
    require,
};
use crate::operation::{Failing, Kind, List, MALFORMED, Number, Source};

/// compute/COM-12, core/PAG-2, PAG-4: the texts of one page joined, and the pages.
fn pages(texts: &[String], page_size: u32) -> String {
    let size = if page_size == 0 { 50 } else { page_size };
    let pages: Vec<String> = texts.chunks(size as usize).map(|page| page.join("; ")).collect();
    pages.join(" || ")
}

/// core/PAG-7: by creation date, then by key.
fn in_order<'a, A: Asset + 'a>(assets: impl Iterator<Item = &'a A>) -> Vec<String> {
    let mut assets: Vec<&A> = assets.collect();
    assets.sort_by_key(|asset| (asset.born(), asset.number()));
    assets.into_iter().map(Asset::text).collect()
}

/// A criterion that is not set does not constrain.
fn holds<T: PartialEq + Copy>(criterion: Option<T>, value: T) -> bool {
    criterion.is_none_or(|criterion| criterion == value)
}

impl Channel {
    pub(super) fn get(&self, kind: Kind, number: Number) -> Outcome<String> {
        match kind {
            Kind::Manager => find(&self.managers, number).map(Asset::text),
            Kind::Sample => find(&self.samples, number).map(Asset::text),
            Kind::Function => find(&self.functions, number).map(Asset::text),
            Kind::Plan => find(&self.plans, number).map(Asset::text),
            Kind::Task => find(&self.tasks, number).map(Asset::text),
            Kind::Model => find(&self.models, number).map(Asset::text),
            Kind::ReportOfTask => self.report(Failing::Task, number),
            Kind::ReportOfFunction => self.report(Failing::Function, number),
        }
    }

    /// compute/FAIL-20.
    fn report(&self, of: Failing, number: Number) -> Outcome<String> {
        require(number != MALFORMED, INVALID, "core/VAL-16")?;
        let report = self.reports.iter().find(|report| report.of == of && report.number == number);
        require(report.is_some(), NOT_FOUND, "compute/FAIL-20")?;
        Ok(report.map(|report| report.text()).unwrap_or_default())
    }

    /// compute/TASK-60, TASK-61.
    pub(super) fn task_inputs(&self, number: Number) -> Outcome<String> {
        let Registered { task, status, .. } = find(&self.tasks, number)?;
        let defined = matches!(status, Status::WaitingForExecutorSlot | Status::Executing | Status::Failed);
        require(defined, BAD, "compute/TASK-60")?;
        let mut assets: Vec<String> = Vec::new();
        for (name, source) in &task.inputs {
            let texts = match source {
                Source::Asset(kind, number) => vec![self.get(*kind, *number)?],
                Source::Output(parent, output) => {
                    self.output_models(*parent, output).map(Asset::text).collect()
                }
            };
            assets.extend(texts.into_iter().map(|text| format!("{name}: {text}")));
        }
        Ok(assets.join("; "))
    }

    /// In order of registration.
    fn output_models(&self, task: Number, output: &str) -> impl Iterator<Item = &Model> {
        self.models.iter().filter(move |model| model.task == task && model.output == output)
    }

    /// compute/MODEL-11: by creation date, output and position.
    pub(super) fn task_models(&self, task: Number) -> Outcome<String> {
        require(task != MALFORMED, INVALID, "core/VAL-16")?;
        let mut models: Vec<&Model> = self.models.iter().filter(|model| model.task == task).collect();
        models.sort_by_key(|model| (model.born, model.output, model.position));
        Ok(models.into_iter().map(Asset::text).collect::<Vec<_>>().join("; "))
    }

    pub(super) fn list(&self, list: &List, page_size: u32) -> String {
        let texts = match list {
            List::Managers => in_order(self.managers.iter()),
            List::Samples { among } => {
                let wanted = |number| among.is_empty() || among.contains(&number);
                in_order(self.samples.iter().filter(|sample| wanted(sample.number)))
            }
            List::Functions { plan } => {
                let is_used = |function: Number| {
                    self.tasks
                        .iter()
                        .any(|task| task.task.function == function && holds(*plan, task.task.plan))
                };
                in_order(self.functions.iter().filter(|function| plan.is_none() || is_used(function.number)))
            }
            List::Plans { owner } => in_order(self.plans.iter().filter(|plan| holds(*owner, plan.owner))),
            List::Tasks { worker, done, plan, function } => in_order(self.tasks.iter().filter(|task| {
                holds(*worker, task.worker)
                    && (!done || task.status == Status::Done)
                    && holds(*plan, task.task.plan)
                    && holds(*function, task.task.function)
            })),
            List::Performances { task, output } => self.performances(*task, *output),
            List::Events { about, tasks_only, updates_only, by_user, descending } => {
                let wanted = |event: &&std::sync::Arc<Event>| {
                    (about.is_none() || event.about == *about)
                        && (!tasks_only || event.is_of_task)
                        && (!updates_only || event.what == "UPDATED")
                        && (!by_user || event.reason.as_deref() == Some(USER_ACTION))
                };
                let mut texts: Vec<String> =
                    self.events.iter().filter(wanted).map(|event| event.text()).collect();
                if *descending {
                    texts.reverse();
                }
                texts
            }
        };
        pages(&texts, page_size)
    }

    /// compute/PERF-6: by creation date, then by task backwards, then by identifier.
    fn performances(&self, task: Option<Number>, output: Option<&'static str>) -> Vec<String> {
        let wanted = self
            .performances
            .iter()
            .filter(|performance| holds(task, performance.task) && holds(output, performance.output));
        let mut wanted: Vec<_> = wanted.collect();
        wanted.sort_by_key(|performance| (performance.born, u8::MAX - performance.task, performance.output));
        wanted.into_iter().map(|performance| performance.text()).collect()
    }
}
