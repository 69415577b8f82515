//! What an adoption found: counts, and what it could not take over.

use std::collections::BTreeMap;

use asset::ChannelName;

/// How many findings are told one by one.
const TOLD_MAX: usize = 20;

/// Things of one kind that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many there are.
    pub count: u64,
    /// The first of them, in words for the operator; at most 20.
    pub first: Vec<String>,
}

/// What was read, and what became of it.
#[derive(Clone, Debug, Default)]
pub struct AdoptionReport {
    /// The tables of the predecessor, with the number of rows that were read from each and from what it is joined with.
    pub rows: Vec<(&'static str, u64)>,
    /// The channels, with the number of events that were taken over.
    pub channels: BTreeMap<ChannelName, u64>,
    /// Events whose snapshot cannot be understood. They stay in the predecessor's table and are told to nobody, as before
    /// (core/EVT-11).
    pub left_out: Findings,
    /// Rows that cannot be taken over. One is enough to refuse the whole.
    pub refused: Findings,
    /// What the operator should know besides.
    pub notices: Vec<String>,
}

impl Findings {
    pub(super) fn add(&mut self, finding: String) {
        self.count += 1;
        if self.first.len() < TOLD_MAX {
            self.first.push(finding);
        }
    }
}

impl AdoptionReport {
    /// Why the database cannot be adopted; nothing if it can.
    pub fn refusal(&self) -> Option<String> {
        let Findings { count, first } = &self.refused;
        (*count > 0).then(|| {
            let told = first.join("; ");
            format!("{count} rows cannot be adopted, nothing was changed: {told}")
        })
    }
}
