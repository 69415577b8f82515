//! From a statement to calls: the vocabulary of the scripts.
//!
//! Owns every verb, and what it fills in unasked so that scripts say only what matters; `path=value` overrides any field of the request. It
//! sends nothing. Start at [`calls`].

use serde_json::{Value, json};

use crate::names::{Names, Signature};
use crate::words;

/// A call to be made.
pub(crate) struct Call {
    /// `Service/Method`
    pub(crate) rpc: String,
    pub(crate) request: Value,
    /// An organization other than the statement's caller.
    pub(crate) organization: Option<String>,
    /// What the verb itself expects, over what stands behind the arrow.
    pub(crate) expectation: Option<String>,
}

type Result<T> = std::result::Result<T, String>;

/// The words of a statement, from left to right.
struct Words<'a> {
    words: std::vec::IntoIter<String>,
    /// `path=value`, put into the request at the end.
    settings: Vec<(String, String)>,
    names: &'a mut Names,
}

impl<'a> Words<'a> {
    fn of(line: &str, names: &'a mut Names) -> Result<Self> {
        let line = names.expand(line)?;
        let (settings, words): (Vec<_>, Vec<_>) =
            words::split(&line).into_iter().partition(|word| words::setting(word).is_some());
        let split =
            |word: String| words::setting(&word).map(|(path, value)| (path.to_owned(), value.to_owned()));
        Ok(Self {
            words: words.into_iter(),
            settings: settings.into_iter().filter_map(split).collect(),
            names,
        })
    }

    fn next(&mut self, what: &str) -> Result<String> {
        self.words.next().ok_or_else(|| format!("{what} is missing"))
    }

    fn rest(&mut self) -> Vec<String> {
        self.words.by_ref().collect()
    }

    /// Takes the next word if it is this one.
    fn takes(&mut self, word: &str) -> bool {
        let found = self.words.as_slice().first().is_some_and(|next| next == word);
        if found {
            self.words.next();
        }
        found
    }

    /// Puts the settings into a message.
    fn complete(mut self, mut message: Value) -> Result<Value> {
        for (path, word) in std::mem::take(&mut self.settings) {
            words::put(&mut message, &path, &word, self.names)?;
        }
        match self.words.next() {
            Some(word) => Err(format!("{word} has no meaning here")),
            None => Ok(message),
        }
    }

    fn call(self, rpc: &str, message: Value) -> Result<Vec<Call>> {
        Ok(vec![Call::new(rpc, self.complete(message)?)])
    }

    /// A name, with its kind before it unless it was given to an asset.
    fn named(&mut self) -> Result<(&'static str, String)> {
        let word = self.next("a name")?;
        match KINDS.iter().find(|kind| **kind == word) {
            Some(kind) => Ok((kind, self.next("a name")?)),
            None => Ok((self.names.kind(&word)?, word)),
        }
    }
}

/// Kinds of assets as scripts call them.
const KINDS: [&str; 6] = ["plan", "function", "task", "manager", "sample", "model"];

impl Call {
    fn new(rpc: &str, request: Value) -> Self {
        Self { rpc: rpc.to_owned(), request, organization: None, expectation: None }
    }

    fn by(mut self, organization: Option<String>) -> Self {
        self.organization = organization;
        self
    }

    fn expecting(mut self, expectation: String) -> Self {
        self.expectation = Some(expectation);
        self
    }
}

/// The calls of a statement of this caller.
pub(crate) fn calls(
    text: &str,
    block: &[(usize, String)],
    caller: &str,
    names: &mut Names,
) -> Result<Vec<Call>> {
    let mut words = Words::of(text, names)?;
    let verb = words.next("a verb")?;
    match verb.as_str() {
        "organization" => words.call("OrganizationService/RegisterOrganization", json!({})),
        "organizations" => words.call("OrganizationService/GetAllOrganizations", json!({})),
        "version" => words.call("InfoService/QueryVersion", json!({})),
        "manager" => manager(words),
        "sample" => sample(words).map(|sample| samples(vec![sample])),
        "samples" => batch(words, block, sample).map(samples),
        "link" => link(words),
        "dataset" => keyed(words, "DatasetService/GetDataset", "key"),
        "function" => function(words),
        "plan" => plan(words),
        "running" => keyed(words, "ComputePlanService/IsPlanRunning", "key"),
        "rename" => rename(words),
        "set" => set(words),
        "build" => build(words),
        "start" | "run" => run(words, &verb),
        "task" => task(words, caller).map(|task| vec![tasks(vec![task])]),
        "tasks" => batch(words, block, |words| task(words, caller)).map(|items| vec![tasks(items)]),
        "status" => status(words),
        "inputs" => keyed(words, "ComputeTaskService/GetTaskInputAssets", "compute_task_key"),
        "disable" => disable(words),
        "model" => model(words).map(|model| vec![models(vec![model])]),
        "models" => batch(words, block, model).map(|items| vec![models(items)]),
        "models-of" => keyed(words, "ModelService/GetComputeTaskOutputModels", "compute_task_key"),
        "performance" => performance(words),
        "report" => report(words),
        "report-of" => keyed(words, "FailureReportService/GetFailureReport", "asset_key"),
        "profile" => profile(words),
        "get" => get(words),
        "list" => list(words),
        "call" => {
            let rpc = words.next("Service/Method")?;
            let word = words.next("a message")?;
            let message = words::value(&word, words.names)?;
            words.call(&rpc, message)
        }
        _ => Err(format!("{verb} is no verb")),
    }
}

/// The items of a batch: one a line of the block.
fn batch(
    words: Words<'_>,
    block: &[(usize, String)],
    item: impl Fn(Words<'_>) -> Result<Value>,
) -> Result<Vec<Value>> {
    let Words { words, settings, names } = words;
    if words.len() > 0 || !settings.is_empty() {
        return Err("a batch takes lines below it, and nothing behind it".to_owned());
    }
    let mut items = Vec::new();
    for (line, text) in block {
        let words = Words::of(text, names)?;
        items.push(item(words).map_err(|why| format!("line {line}: {why}"))?);
    }
    Ok(items)
}

/// A request that names one asset.
fn keyed(mut words: Words<'_>, rpc: &str, field: &str) -> Result<Vec<Call>> {
    let mut message = json!({});
    if let Some(name) = words.words.next() {
        message[field] = words.names.key(&name).into();
    }
    words.call(rpc, message)
}

fn public() -> Value {
    json!({ "public": true })
}

/// `public`, `private`, `private(Alder, Birch)`
fn permission(word: &str) -> Option<Value> {
    let (kind, ids) = match word.split_once('(') {
        Some((kind, ids)) => (kind, ids.trim_end_matches(')')),
        None => (word, ""),
    };
    let ids: Vec<&str> = ids.split(", ").filter(|id| !id.is_empty()).collect();
    ["public", "private"]
        .contains(&kind)
        .then(|| json!({ "public": kind == "public", "authorized_ids": ids }))
}

/// `manager g [public | private(…)] [logs public | private(…)]`
fn manager(mut words: Words<'_>) -> Result<Vec<Call>> {
    let name = words.next("the name")?;
    let mut message = json!({
        "key": words.names.new_key(&name, "manager"),
        "name": name,
        "new_permissions": public(),
        "logs_permission": public(),
        "description": words.names.file(),
        "opener": words.names.file(),
    });
    while let Some(word) = words.words.next() {
        let (field, word) = if word == "logs" {
            ("logs_permission", words.next("the permission")?)
        } else {
            ("new_permissions", word)
        };
        message[field] = permission(&word).ok_or_else(|| format!("{word} is no permission"))?;
    }
    words.call("DataManagerService/RegisterDataManager", message)
}

/// `sample x [manager…]`
fn sample(mut words: Words<'_>) -> Result<Value> {
    let name = words.next("the name")?;
    let managers: Vec<String> = words.rest().iter().map(|manager| words.names.key(manager)).collect();
    let message = json!({
        "key": words.names.new_key(&name, "sample"),
        "data_manager_keys": managers,
        "checksum": words.names.checksum(&name),
    });
    words.complete(message)
}

fn samples(samples: Vec<Value>) -> Vec<Call> {
    let message = json!({ "samples": Value::Array(samples) });
    vec![Call::new("DataSampleService/RegisterDataSamples", message)]
}

/// `link x y to g h`
fn link(mut words: Words<'_>) -> Result<Vec<Call>> {
    let rest = words.rest();
    let mut sides = rest.split(|word| word == "to").map(|side| {
        let keys = side.iter().map(|name| words.names.key(name));
        keys.collect::<Vec<_>>()
    });
    let (keys, managers) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
    let message = json!({ "keys": keys, "data_manager_keys": managers });
    words.call("DataSampleService/UpdateDataSamples", message)
}

/// `function F [like G] [in id: KIND [multiple] [optional]]… [out id: KIND [multiple]]… [public | private(…)]`
fn function(mut words: Words<'_>) -> Result<Vec<Call>> {
    let name = words.next("the name")?;
    let mut signature = if words.takes("like") {
        let other = words.next("the other function")?;
        let known = words.names.signatures.get(&other).cloned();
        known.ok_or_else(|| format!("{other} is no function"))?
    } else {
        Signature::default()
    };
    let mut permissions = public();
    while let Some(word) = words.words.next() {
        match word.as_str() {
            "in" | "out" => declare(&mut words, &mut signature, word == "in")?,
            _ => permissions = permission(&word).ok_or_else(|| format!("{word} has no meaning here"))?,
        }
    }
    let message = json!({
        "key": words.names.new_key(&name, "function"),
        "name": name,
        "description": words.names.file(),
        "archive": words.names.file(),
        "new_permissions": permissions,
        "inputs": &signature.inputs,
        "outputs": &signature.outputs,
    });
    words.names.signatures.insert(name, signature);
    words.call("FunctionService/RegisterFunction", message)
}

fn declare(words: &mut Words<'_>, signature: &mut Signature, is_input: bool) -> Result<()> {
    let identifier = words.next("the identifier")?;
    let identifier = words::text(identifier.strip_suffix(':').unwrap_or(&identifier), words.names)?;
    let kind = words.next("the kind")?;
    let mut declaration = json!({ "kind": format!("ASSET_{kind}") });
    for flag in ["multiple", "optional"] {
        if words.takes(flag) {
            declaration[flag] = true.into();
        }
    }
    if is_input {
        signature.input_order.push((identifier.clone(), kind));
        signature.inputs.insert(identifier, declaration);
    } else {
        signature.outputs.insert(identifier, declaration);
    }
    Ok(())
}

fn plan(mut words: Words<'_>) -> Result<Vec<Call>> {
    let name = words.next("the name")?;
    let message = json!({ "key": words.names.new_key(&name, "plan"), "name": name });
    words.call("ComputePlanService/RegisterPlan", message)
}

/// `rename P "new name"`
fn rename(mut words: Words<'_>) -> Result<Vec<Call>> {
    let (kind, name) = words.named()?;
    let new = words.next("the new name")?;
    let message = json!({ "key": words.names.key(&name), "name": words::text(&new, words.names)? });
    let rpc = match kind {
        "manager" => "DataManagerService/UpdateDataManager",
        "plan" => "ComputePlanService/UpdatePlan",
        "function" => "FunctionService/UpdateFunction",
        _ => return Err(format!("a {kind} has no name")),
    };
    words.call(rpc, message)
}

/// `set t DONE`, `set F BUILDING`, `set P CANCELED`; a number is sent as it is.
fn set(mut words: Words<'_>) -> Result<Vec<Call>> {
    let (kind, name) = words.named()?;
    let action = words.next("the action")?;
    let (rpc, field, prefix) = match kind {
        "task" => ("ComputeTaskService/ApplyTaskAction", "compute_task_key", "TASK_ACTION_"),
        "function" => ("FunctionService/ApplyFunctionAction", "function_key", "FUNCTION_ACTION_"),
        "plan" => ("ComputePlanService/ApplyPlanAction", "key", "PLAN_ACTION_"),
        _ => return Err(format!("a {kind} has no actions")),
    };
    let action = match words::value(&action, words.names)? {
        Value::String(action) => format!("{prefix}{action}").into(),
        number => number,
    };
    let mut message = json!({ "action": action });
    message[field] = words.names.key(&name).into();
    words.call(rpc, message)
}

fn action(name: &str, action: &str, names: &mut Names) -> Result<Call> {
    let mut calls = set(Words::of(&format!("{name} {action}"), names)?)?;
    calls.pop().ok_or_else(|| "no call".to_owned())
}

/// `build F`: BUILDING, then READY.
fn build(mut words: Words<'_>) -> Result<Vec<Call>> {
    let name = words.next("the function")?;
    ["BUILDING", "READY"].into_iter().map(|step| action(&name, step, words.names)).collect()
}

/// `start t…`: EXECUTING by its worker. `run t…`: EXECUTING, then DONE.
fn run(mut words: Words<'_>, verb: &str) -> Result<Vec<Call>> {
    let steps: &[&str] = if verb == "run" { &["EXECUTING", "DONE"] } else { &["EXECUTING"] };
    let mut calls = Vec::new();
    for name in words.rest() {
        let worker = words.names.workers.get(&name).cloned();
        for step in steps {
            calls.push(action(&name, step, words.names)?.by(worker.clone()));
        }
    }
    Ok(calls)
}

/// `task t F P [worker W] [out id [public | private(…)] [transient]]… [without id]… [<- input, …]`
///
/// Unless said otherwise the caller is the worker, or nobody is named if there is a data manager; outputs are public and not transient.
fn task(mut words: Words<'_>, caller: &str) -> Result<Value> {
    let (name, function, plan) =
        (words.next("the name")?, words.next("the function")?, words.next("the plan")?);
    let signature = words.names.signatures.get(&function).cloned().unwrap_or_default();
    let has_manager = signature.input_order.iter().any(|(_, kind)| kind == "DATA_MANAGER");
    let mut worker = if has_manager { String::new() } else { caller.to_owned() };
    let mut outputs = json!({});
    for identifier in signature.outputs.keys() {
        outputs[identifier] = json!({ "permissions": public() });
    }
    let mut inputs = Vec::new();
    while let Some(word) = words.words.next() {
        match word.as_str() {
            "worker" => worker = words.next("the worker")?.replace("none", ""),
            "out" => output(&mut words, &mut outputs)?,
            "without" => {
                let identifier = words.next("the output")?;
                outputs.as_object_mut().and_then(|outputs| outputs.remove(&identifier));
            }
            "<-" => inputs = task_inputs(&words.rest().join(" "), &signature, words.names)?,
            _ => return Err(format!("{word} has no meaning here")),
        }
    }
    let message = json!({
        "key": words.names.new_key(&name, "task"),
        "function_key": words.names.key(&function),
        "compute_plan_key": words.names.key(&plan),
        "worker": worker,
        "inputs": inputs,
        "outputs": outputs,
    });
    words.complete(message)
}

fn output(words: &mut Words<'_>, outputs: &mut Value) -> Result<()> {
    let identifier = words.next("the output")?;
    let mut output = json!({ "permissions": public() });
    if let Some(permissions) = words.words.as_slice().first().and_then(|word| permission(word)) {
        words.words.next();
        output["permissions"] = permissions;
    }
    if words.takes("transient") {
        output["transient"] = true.into();
    }
    outputs[identifier] = output;
    Ok(())
}

/// Inputs between commas: `[identifier] Y.flour` or `[identifier] #m`; without identifier it is the function's first input.
fn task_inputs(text: &str, signature: &Signature, names: &mut Names) -> Result<Vec<Value>> {
    let mut inputs = Vec::new();
    for input in text.split(", ") {
        let (identifier, reference) = match input.split_once(' ') {
            Some((identifier, reference)) => (identifier.to_owned(), reference),
            None => {
                let first = signature.input_order.first();
                let first = first.ok_or_else(|| format!("{input}: the function has no inputs"))?;
                (first.0.clone(), input)
            }
        };
        inputs.push(match (reference.strip_prefix('#'), reference.split_once('.')) {
            (Some(asset), _) => json!({ "identifier": identifier, "asset_key": names.key(asset) }),
            (None, Some((parent, output))) => json!({
                "identifier": identifier,
                "parent_task_output": { "parent_task_key": names.key(parent), "output_identifier": output },
            }),
            (None, None) => return Err(format!("{reference} is neither task.output nor #asset")),
        });
    }
    Ok(inputs)
}

fn tasks(tasks: Vec<Value>) -> Call {
    Call::new("ComputeTaskService/RegisterTasks", json!({ "tasks": Value::Array(tasks) }))
}

/// `status t… DONE`: of tasks and functions.
fn status(mut words: Words<'_>) -> Result<Vec<Call>> {
    let mut named = words.rest();
    let status = named.pop().ok_or("the status is missing")?;
    let mut calls = Vec::new();
    for name in named {
        let rpc = match words.names.kind(&name)? {
            "function" => "FunctionService/GetFunction",
            _ => "ComputeTaskService/GetTask",
        };
        let request = json!({ "key": words.names.key(&name) });
        calls.push(Call::new(rpc, request).expecting(format!("key={name} status={status}")));
    }
    Ok(calls)
}

/// `z.fine` as task and output.
fn task_output(words: &mut Words<'_>) -> Result<(String, String)> {
    let word = words.next("task.output")?;
    let (task, output) = word.split_once('.').ok_or_else(|| format!("{word} is not task.output"))?;
    Ok((words.names.key(task), output.to_owned()))
}

fn disable(mut words: Words<'_>) -> Result<Vec<Call>> {
    let (task, output) = task_output(&mut words)?;
    let message = json!({ "compute_task_key": task, "identifier": output });
    words.call("ComputeTaskService/DisableOutput", message)
}

/// `model m z.fine`
fn model(mut words: Words<'_>) -> Result<Value> {
    let name = words.next("the name")?;
    let (task, output) = task_output(&mut words)?;
    let message = json!({
        "key": words.names.new_key(&name, "model"),
        "compute_task_key": task,
        "compute_task_output_identifier": output,
        "address": words.names.file(),
    });
    words.complete(message)
}

fn models(models: Vec<Value>) -> Call {
    Call::new("ModelService/RegisterModels", json!({ "models": Value::Array(models) }))
}

/// `performance s.tare 0.5`
fn performance(mut words: Words<'_>) -> Result<Vec<Call>> {
    let (task, output) = task_output(&mut words)?;
    let value = words.next("the value")?;
    let message = json!({
        "compute_task_key": task,
        "compute_task_output_identifier": output,
        "performance_value": words::value(&value, words.names)?,
    });
    words.call("PerformanceService/RegisterPerformance", message)
}

/// `report t EXECUTION`, with logs unless it is INTERNAL.
fn report(mut words: Words<'_>) -> Result<Vec<Call>> {
    let (kind, name) = words.named()?;
    let error = words.next("the error type")?;
    let asset_type = if kind == "function" { "FUNCTION" } else { "COMPUTE_TASK" };
    let mut message = json!({
        "asset_key": words.names.key(&name),
        "asset_type": format!("FAILED_ASSET_{asset_type}"),
        "error_type": format!("ERROR_TYPE_{error}"),
    });
    if error != "INTERNAL" {
        message["logs_address"] = words.names.file();
    }
    words.call("FailureReportService/RegisterFailureReport", message)
}

/// `profile F "step" 17`
fn profile(mut words: Words<'_>) -> Result<Vec<Call>> {
    let (name, step, duration) =
        (words.next("the function")?, words.next("the step")?, words.next("the duration")?);
    let message = json!({
        "asset_key": words.names.key(&name),
        "step": words::text(&step, words.names)?,
        "duration": words::value(&duration, words.names)?,
    });
    words.call("ProfilingService/RegisterProfilingStep", message)
}

/// `get P`, `get plan key=abc`
fn get(mut words: Words<'_>) -> Result<Vec<Call>> {
    let (kind, key) = match words.words.as_slice() {
        [kind] if KINDS.contains(&kind.as_str()) => {
            let kind = words.next("the kind")?;
            (kind, Value::Null)
        }
        _ => {
            let (kind, name) = words.named()?;
            (kind.to_owned(), words.names.key(&name).into())
        }
    };
    let rpc = match kind.as_str() {
        "plan" => "ComputePlanService/GetPlan",
        "function" => "FunctionService/GetFunction",
        "task" => "ComputeTaskService/GetTask",
        "manager" => "DataManagerService/GetDataManager",
        "sample" => "DataSampleService/GetDataSample",
        _ => "ModelService/GetModel",
    };
    words.call(rpc, json!({ "key": key }))
}

/// `list plans [size=3] [token=…] [sort=…] [filter field=value]…`
fn list(mut words: Words<'_>) -> Result<Vec<Call>> {
    let what = words.next("what to list")?;
    let rpc = match what.as_str() {
        "plans" => "ComputePlanService/QueryPlans",
        "functions" => "FunctionService/QueryFunctions",
        "tasks" => "ComputeTaskService/QueryTasks",
        "managers" => "DataManagerService/QueryDataManagers",
        "samples" => "DataSampleService/QueryDataSamples",
        "performances" => "PerformanceService/QueryPerformances",
        "events" => "EventService/QueryEvents",
        _ => return Err(format!("{what} cannot be listed")),
    };
    for (path, _) in &mut words.settings {
        *path = match path.as_str() {
            "size" => "page_size".to_owned(),
            "token" => "page_token".to_owned(),
            "sort" => "sort".to_owned(),
            "plan" => "filter.compute_plan_key".to_owned(),
            criterion => format!("filter.{criterion}"),
        };
    }
    words.call(rpc, json!({}))
}
