//! Data managers and samples.

use super::{
    Asset, BAD, Channel, DENIED, INVALID, Manager, OK, Outcome, Sample, find, found, grant_text, require,
};
use crate::operation::{Grant, Kind, MALFORMED, Number, Organization};

impl Asset for Manager {
    const KIND: Kind = Kind::Manager;

    fn number(&self) -> Number {
        self.number
    }

    fn born(&self) -> u32 {
        self.born
    }

    fn text(&self) -> String {
        let Self { number, name, owner, process, logs, description, opener, born: _ } = self;
        let (process, logs) = (grant_text(process), grant_text(logs));
        format!("manager {number} {name} of {owner} for {process} logs {logs} at {description} {opener}")
    }
}

impl Asset for Sample {
    const KIND: Kind = Kind::Sample;

    fn number(&self) -> Number {
        self.number
    }

    fn born(&self) -> u32 {
        self.born
    }

    fn text(&self) -> String {
        format!("sample {} of {} in {:?}", self.number, self.owner, self.managers)
    }
}

impl Channel {
    /// core/DM-2.
    pub(super) fn register_manager(
        &mut self,
        caller: Organization,
        number: Number,
        grant: &Grant,
        logs: &Grant,
        description: Number,
        opener: Number,
    ) -> Outcome<String> {
        self.require_free(&self.managers, number)?;
        let logs = self.grant(logs, caller)?;
        let process = self.grant(grant, caller)?;
        self.claim(description)?;
        self.claim(opener)?;
        self.require_registered(caller)?;
        let (name, owner, born) = (0, caller, self.now);
        let manager = Manager { number, name, owner, process, logs, description, opener, born };
        self.managers.push(manager.clone());
        Ok(self.tell("CREATED", &manager, None))
    }

    /// core/DM-12 … DM-14.
    pub(super) fn rename_manager(
        &mut self,
        caller: Organization,
        number: Number,
        name: Number,
    ) -> Outcome<String> {
        require(find(&self.managers, number)?.owner == caller, DENIED, "core/DM-12")?;
        let manager = found(&mut self.managers, number);
        manager.name = name;
        let manager = manager.clone();
        self.tell("UPDATED", &manager, None);
        Ok(OK.into())
    }

    fn require_own_managers(&self, caller: Organization, managers: &[Number]) -> Outcome<()> {
        for manager in managers {
            require(find(&self.managers, *manager)?.owner == caller, DENIED, "core/DS-3")?;
        }
        Ok(())
    }

    /// core/DS-3 … DS-9.
    pub(super) fn register_samples(
        &mut self,
        caller: Organization,
        samples: &[(Number, Vec<Number>)],
    ) -> Outcome<String> {
        let mut answer = Vec::new();
        for (number, managers) in samples {
            require(*number != MALFORMED && !managers.contains(&MALFORMED), INVALID, "core/DS-1")?;
            self.require_own_managers(caller, managers)?;
            self.require_free(&self.samples, *number)?;
            let mut once: Vec<Number> = Vec::new();
            for manager in managers {
                if !once.contains(manager) {
                    once.push(*manager);
                }
            }
            let sample = Sample { number: *number, owner: caller, managers: once, born: self.now };
            self.samples.push(sample.clone());
            answer.push(self.tell("CREATED", &sample, None));
        }
        let owned = samples.is_empty() || self.organizations.contains(&caller);
        require(owned, BAD, "core/DS-9")?;
        Ok(answer.join("; "))
    }

    /// core/DS-11 … DS-14.
    pub(super) fn link_samples(
        &mut self,
        caller: Organization,
        samples: &[Number],
        managers: &[Number],
    ) -> Outcome<String> {
        let well_formed = !samples.contains(&MALFORMED) && !managers.contains(&MALFORMED);
        require(!samples.is_empty() && well_formed, INVALID, "core/DS-11")?;
        self.require_own_managers(caller, managers)?;
        for number in samples {
            require(find(&self.samples, *number)?.owner == caller, DENIED, "core/DS-12")?;
            let sample = found(&mut self.samples, *number);
            for manager in managers {
                if !sample.managers.contains(manager) {
                    sample.managers.push(*manager);
                }
            }
            let sample = sample.clone();
            self.tell("UPDATED", &sample, None);
        }
        Ok(OK.into())
    }

    /// core/DST-1, DST-2.
    pub(super) fn dataset(&self, number: Number) -> Outcome<String> {
        let manager = find(&self.managers, number)?.text();
        let mut samples: Vec<&Sample> =
            self.samples.iter().filter(|sample| sample.managers.contains(&number)).collect();
        samples.sort_by_key(|sample| (sample.born, sample.number));
        let samples: Vec<Number> = samples.iter().map(|sample| sample.number).collect();
        Ok(format!("{manager} with {samples:?}"))
    }
}
