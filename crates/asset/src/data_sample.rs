//! Data samples: pieces of an organization's data, offered through its data managers (core/DS-1 … DS-18).
//!
//! Samples are registered in batches, all or nothing; the first sample that fails, in request order, decides what the caller is told
//! (core/DS-3). That is why a sample that is not valid travels on as a refusal in its place.

use std::collections::HashSet;
use std::sync::Arc;

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision, Inquiry};
use crate::facts::{Facts, Needs};
use crate::key::{DataManagerKey, DataSampleKey, Key};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::validation::{Policy, Violations};

/// Keys of samples, in the order of core/PAG-7.
pub type DataSampleKeys = Vec<DataSampleKey>;

/// A registered data sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSample {
    /// Its key.
    pub key: DataSampleKey,
    /// The managers that offer it, in the order of linking, each once (core/DS-17).
    pub data_manager_keys: Vec<DataManagerKey>,
    /// Who registered it.
    pub owner: OrganizationId,
    /// What its data hashes to.
    pub checksum: String,
    /// When it was registered.
    pub creation_date: Timestamp,
}

/// A registration as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NewDataSample {
    /// Required, strict form.
    pub key: String,
    /// The managers that shall offer it, perhaps none.
    pub data_manager_keys: Vec<String>,
    /// Required.
    pub checksum: String,
}

/// A manager named in a list; `None` stands for the empty text, which passes validation and is then not found (core/VAL-5).
type NamedManager = Option<DataManagerKey>;

#[derive(Debug)]
struct ValidDataSample {
    key: DataSampleKey,
    data_manager_keys: Vec<NamedManager>,
    checksum: String,
}

/// Registers data samples that the caller will own.
#[derive(Debug)]
pub struct RegisterDataSamples(Vec<Result<ValidDataSample, Refusal>>);

impl RegisterDataSamples {
    /// Validates each sample; what is wrong with one is told in its turn (core/DS-1, DS-3).
    pub fn new(requests: Vec<NewDataSample>, policy: Policy) -> Self {
        Self(requests.into_iter().map(|request| validate(request, policy)).collect())
    }

    fn valid(&self) -> impl Iterator<Item = &ValidDataSample> {
        self.0.iter().filter_map(|sample| sample.as_ref().ok())
    }
}

fn validate(request: NewDataSample, policy: Policy) -> Result<ValidDataSample, Refusal> {
    let mut violations = Violations::new("datasample", policy);
    let key = violations.key("key", &request.key);
    let data_manager_keys = violations.keys("data_manager_keys", &request.data_manager_keys);
    violations.checksum("checksum", &request.checksum);
    violations.finish()?;
    Ok(ValidDataSample { key, data_manager_keys, checksum: request.checksum })
}

impl Command for RegisterDataSamples {
    type Answer = Vec<Arc<DataSample>>;

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.organizations = true;
        for sample in self.valid() {
            needs.data_samples.insert(sample.key);
            needs.data_managers.extend(sample.data_manager_keys.iter().flatten());
        }
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        let mut registered: HashSet<DataSampleKey> = HashSet::new();
        let mut samples = Vec::with_capacity(self.0.len());
        for request in &self.0 {
            let request = request.as_ref().map_err(Refusal::clone)?;
            let data_manager_keys = owned_managers(&request.data_manager_keys, &call.caller, facts)?;
            facts.data_samples.require_free(request.key)?;
            if !registered.insert(request.key) {
                return Err(Refusal::key_in_use(request.key)); // core/DS-4
            }
            samples.push(Arc::new(DataSample {
                key: request.key,
                data_manager_keys,
                owner: call.caller.clone(),
                checksum: request.checksum.clone(),
                creation_date: call.now,
            }));
        }
        if !samples.is_empty() {
            facts.require_registered_owner(&call.caller)?; // core/DS-9
        }
        Ok(Decision {
            changes: samples.iter().cloned().map(Change::DataSampleRegistered).collect(),
            answer: samples,
        })
    }
}

/// The managers named, each once and in first place (core/DS-5): all must exist and belong to the caller (core/DS-3, DS-12).
fn owned_managers(
    named: &[NamedManager],
    caller: &OrganizationId,
    facts: &Facts,
) -> Result<Vec<DataManagerKey>, Refusal> {
    let mut keys = Vec::with_capacity(named.len());
    let mut seen = HashSet::new();
    for manager in named {
        let key = manager.ok_or_else(|| Refusal::nameless(DataManagerKey::RESOURCE, ""))?;
        facts.data_managers.require(key)?.require_owner(caller)?;
        if seen.insert(key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Offers samples through more managers; never takes one away.
#[derive(Debug)]
pub struct LinkDataSamples {
    keys: Vec<Option<DataSampleKey>>,
    data_manager_keys: Vec<NamedManager>,
}

impl LinkDataSamples {
    /// Validates the request (core/DS-11).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(keys: &[String], data_manager_keys: &[String], policy: Policy) -> Result<Self, Refusal> {
        let mut violations = Violations::new("datasample", policy);
        violations.require("keys", !keys.is_empty(), "cannot be blank");
        let valid = Self {
            keys: violations.keys("keys", keys),
            data_manager_keys: violations.keys("data_manager_keys", data_manager_keys),
        };
        violations.finish()?;
        Ok(valid)
    }

    fn own_sample<'a>(
        named: Option<DataSampleKey>,
        call: &Call,
        facts: &'a Facts,
    ) -> Result<&'a Arc<DataSample>, Refusal> {
        let key = named.ok_or_else(|| Refusal::nameless(DataSampleKey::RESOURCE, ""))?;
        let sample = facts.data_samples.require(key)?;
        if sample.owner == call.caller { Ok(sample) } else { Err(Refusal::not_owner(key)) }
    }
}

impl Command for LinkDataSamples {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.data_samples.extend(self.keys.iter().flatten());
        needs.data_managers.extend(self.data_manager_keys.iter().flatten());
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        // The order of core/DS-12: managers first, then samples.
        let managers = owned_managers(&self.data_manager_keys, &call.caller, facts)?;
        let mut linked: HashSet<DataSampleKey> = HashSet::new();
        let mut changes = Vec::with_capacity(self.keys.len());
        for named in &self.keys {
            let before = Self::own_sample(*named, call, facts)?;
            // core/DS-14: an entry that repeats raises its event again; its managers are all there by then.
            let present: HashSet<&DataManagerKey> = before.data_manager_keys.iter().collect();
            let new: Vec<_> = managers.iter().filter(|key| !present.contains(key)).copied().collect();
            let data_manager_keys = [before.data_manager_keys.as_slice(), &new].concat();
            let sample = Arc::new(DataSample { data_manager_keys, ..DataSample::clone(before) });
            let added = if linked.insert(sample.key) { new } else { Vec::new() };
            changes.push(Change::DataSampleLinked { sample, added });
        }
        Ok(Decision { changes, answer: () })
    }
}

/// Looks a data sample up (core/DS-18).
#[derive(Debug)]
pub struct GetDataSample(DataSampleKey);

impl GetDataSample {
    /// # Errors
    /// OE0101 if the key is no UUID.
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(DataSampleKey::look_up(key)?))
    }
}

impl Inquiry for GetDataSample {
    type Answer = Arc<DataSample>;

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.data_samples.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        facts.data_samples.require(self.0).cloned()
    }
}
