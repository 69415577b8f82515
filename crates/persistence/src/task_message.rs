//! Compute tasks as messages: the form in which stores keep what never changes of them, and in which they are sent.
//!
//! Owns the way between a task and its message, in both directions. A store keeps the encoded message without a status, and the status beside
//! it, which changes; a list sends what is kept, with the status behind it, so that nothing is taken apart and put together again for each
//! reader. Start at [`encode`] and [`decode`].

use asset::compute_task::{InputSource, TaskInput, TaskOutput};
use asset::key::Key;
use asset::{
    ComputePlanKey, ComputeTask, ComputeTaskKey, ComputeTaskStatus, FunctionKey, OrganizationId, Permission,
    Permissions, Timestamp,
};
use prost::{Message, encoding};
use proto::compute_task_input::Ref;
use uuid::Uuid;

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;

/// The number of the field `status` in the message.
const STATUS_TAG: u32 = 8;
/// A number below 128, for the tag and for its value each.
const STATUS_BYTES: usize = 2;

/// What never changes of a task: its encoded message, without the status.
pub fn encode(task: &ComputeTask) -> Vec<u8> {
    proto::ComputeTask { status: 0, ..message(task) }.encode_to_vec()
}

/// The encoded message of a whole task: what [`encode`] gave, and a status. Fields of a message may come in any order.
pub fn with_status(kept: &[u8], status: ComputeTaskStatus) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(kept.len() + STATUS_BYTES);
    encoded.extend_from_slice(kept);
    encoding::int32::encode(STATUS_TAG, &i32::from(status.number()), &mut encoded);
    encoded
}

/// What a store keeps beside the encoded message: the status, and the values that tasks are found by.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The key of the task.
    pub key: ComputeTaskKey,
    /// The function it runs.
    pub function_key: FunctionKey,
    /// The plan it belongs to.
    pub compute_plan_key: ComputePlanKey,
    /// Who runs it.
    pub worker: OrganizationId,
    /// Where it stands; the only value that the message does not have.
    pub status: ComputeTaskStatus,
    /// When it was registered.
    pub creation_date: Timestamp,
}

impl Beside {
    fn is_beside(&self, task: &ComputeTask) -> bool {
        let Self { key, function_key, compute_plan_key, worker, status: _, creation_date } = self;
        task.key == *key
            && task.function_key == *function_key
            && task.compute_plan_key == *compute_plan_key
            && task.worker == *worker
            && task.creation_date == *creation_date
    }
}

/// The task of what [`encode`] gave, and of what lies beside it.
///
/// # Errors
/// What cannot be understood, or that the two contradict each other; for the operator.
pub fn decode(kept: &[u8], beside: &Beside) -> Result<ComputeTask, String> {
    let task = task(parse(kept)?, beside.status)?;
    match beside.is_beside(&task) {
        true => Ok(task),
        false => Err("other columns of the task contradict it".to_owned()),
    }
}

/// The task of what [`with_status`] gave, for those who read a list without sending it.
///
/// # Errors
/// As [`decode`].
pub fn decode_sent(sent: &[u8]) -> Result<ComputeTask, String> {
    let message = parse(sent)?;
    let status = i16::try_from(message.status).ok().and_then(ComputeTaskStatus::from_number);
    let status = status.ok_or_else(|| format!("{} is not a status", message.status))?;
    task(message, status)
}

fn parse(encoded: &[u8]) -> Result<proto::ComputeTask, String> {
    proto::ComputeTask::decode(encoded).map_err(|error| error.to_string())
}

/// The task of a message whose status is this one.
fn task(message: proto::ComputeTask, status: ComputeTaskStatus) -> Result<ComputeTask, String> {
    let proto::ComputeTask {
        key,
        owner,
        compute_plan_key,
        rank,
        status: _,
        worker,
        creation_date,
        logs_permission,
        metadata,
        inputs,
        outputs,
        function_key,
    } = message;
    let outputs = outputs.into_iter().map(|(identifier, output)| Ok((identifier, kept_output(output)?)));
    Ok(ComputeTask {
        key: kept_key(&key)?,
        function_key: kept_key(&function_key)?,
        compute_plan_key: kept_key(&compute_plan_key)?,
        owner: OrganizationId::new(owner),
        worker: OrganizationId::new(worker),
        rank,
        status,
        metadata,
        inputs: inputs.into_iter().map(kept_input).collect::<Result<_, _>>()?,
        outputs: outputs.collect::<Result<_, String>>()?,
        logs_permission: kept_permission(logs_permission)?,
        creation_date: kept_timestamp(creation_date)?,
    })
}

/// The message of a compute task.
pub fn message(task: &ComputeTask) -> proto::ComputeTask {
    let ComputeTask {
        key,
        function_key,
        compute_plan_key,
        owner,
        worker,
        rank,
        status,
        metadata,
        inputs,
        outputs,
        logs_permission,
        creation_date,
    } = task;
    proto::ComputeTask {
        key: key.to_string(),
        owner: owner.to_string(),
        compute_plan_key: compute_plan_key.to_string(),
        rank: *rank,
        status: i32::from(status.number()),
        worker: worker.to_string(),
        creation_date: Some(timestamp(*creation_date)),
        logs_permission: Some(permission(logs_permission)),
        metadata: metadata.clone(),
        inputs: inputs.iter().map(input).collect(),
        outputs: outputs.iter().map(|(identifier, kept)| (identifier.clone(), output(kept))).collect(),
        function_key: function_key.to_string(),
    }
}

fn input(input: &TaskInput) -> proto::ComputeTaskInput {
    let TaskInput { identifier, source } = input;
    let source = match source {
        InputSource::Asset(key) => Ref::AssetKey(key.to_string()),
        InputSource::ParentOutput { parent_task_key, output_identifier } => {
            Ref::ParentTaskOutput(proto::ParentTaskOutputRef {
                parent_task_key: parent_task_key.to_string(),
                output_identifier: output_identifier.clone(),
            })
        }
    };
    proto::ComputeTaskInput { identifier: identifier.clone(), r#ref: Some(source) }
}

fn output(output: &TaskOutput) -> proto::ComputeTaskOutput {
    let TaskOutput { permissions: both, transient } = output;
    proto::ComputeTaskOutput { permissions: Some(permissions(both)), transient: *transient }
}

/// The message of the permissions of an asset.
pub fn permissions(permissions: &Permissions) -> proto::Permissions {
    let Permissions { process, download } = permissions;
    proto::Permissions { process: Some(permission(process)), download: Some(permission(download)) }
}

/// The message of one permission.
pub fn permission(permission: &Permission) -> proto::Permission {
    let Permission { public, authorized_ids } = permission;
    proto::Permission {
        public: *public,
        authorized_ids: authorized_ids.iter().map(OrganizationId::to_string).collect(),
    }
}

/// The message of an instant: the wire counts seconds and nanoseconds, the domain microseconds.
pub fn timestamp(instant: Timestamp) -> prost_types::Timestamp {
    let micros = instant.as_micros();
    let micros_of_second = i32::try_from(micros.rem_euclid(MICROS_PER_SECOND)).unwrap_or_default();
    prost_types::Timestamp {
        seconds: micros.div_euclid(MICROS_PER_SECOND),
        nanos: micros_of_second * NANOS_PER_MICRO,
    }
}

fn kept_key<K: Key>(text: &str) -> Result<K, String> {
    K::parse(text).ok_or_else(|| format!("{text:?} is not a key"))
}

fn kept_input(message: proto::ComputeTaskInput) -> Result<TaskInput, String> {
    let proto::ComputeTaskInput { identifier, r#ref } = message;
    let source = match r#ref {
        Some(Ref::AssetKey(key)) => {
            InputSource::Asset(Uuid::try_parse(&key).map_err(|error| error.to_string())?)
        }
        Some(Ref::ParentTaskOutput(proto::ParentTaskOutputRef { parent_task_key, output_identifier })) => {
            InputSource::ParentOutput { parent_task_key: kept_key(&parent_task_key)?, output_identifier }
        }
        None => return Err(format!("input {identifier:?} names nothing")),
    };
    Ok(TaskInput { identifier, source })
}

fn kept_output(message: proto::ComputeTaskOutput) -> Result<TaskOutput, String> {
    let proto::ComputeTaskOutput { permissions, transient } = message;
    let proto::Permissions { process, download } = permissions.ok_or("an output has no permissions")?;
    let permissions =
        Permissions { process: kept_permission(process)?, download: kept_permission(download)? };
    Ok(TaskOutput { permissions, transient })
}

fn kept_permission(message: Option<proto::Permission>) -> Result<Permission, String> {
    let proto::Permission { public, authorized_ids } = message.ok_or("a permission is missing")?;
    let authorized_ids = authorized_ids.into_iter().map(OrganizationId::new).collect();
    Ok(Permission { public, authorized_ids })
}

fn kept_timestamp(message: Option<prost_types::Timestamp>) -> Result<Timestamp, String> {
    let prost_types::Timestamp { seconds, nanos } = message.ok_or("the creation date is missing")?;
    let micros = seconds
        .checked_mul(MICROS_PER_SECOND)
        .and_then(|micros| micros.checked_add(i64::from(nanos / NANOS_PER_MICRO)))
        .ok_or("the creation date is out of range")?;
    Ok(Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(task: &ComputeTask) -> Beside {
        Beside {
            key: task.key,
            function_key: task.function_key,
            compute_plan_key: task.compute_plan_key,
            worker: task.worker.clone(),
            status: task.status,
            creation_date: task.creation_date,
        }
    }

    fn sample() -> ComputeTask {
        let permission = |ids: &[&str]| Permission {
            public: ids.is_empty(),
            authorized_ids: ids.iter().copied().map(OrganizationId::new).collect(),
        };
        let output = |transient| TaskOutput {
            permissions: Permissions { process: permission(&["b", "a"]), download: permission(&[]) },
            transient,
        };
        let key = |number: u128| Uuid::from_u128(number);
        ComputeTask {
            key: Key::from_uuid(key(1)),
            function_key: Key::from_uuid(key(2)),
            compute_plan_key: Key::from_uuid(key(3)),
            owner: OrganizationId::new("owner"),
            worker: OrganizationId::new("worker"),
            rank: 7,
            status: ComputeTaskStatus::Executing,
            metadata: [("a".to_owned(), "ä".to_owned()), (String::new(), String::new())].into(),
            inputs: vec![
                TaskInput { identifier: "data".to_owned(), source: InputSource::Asset(Uuid::max()) },
                TaskInput {
                    identifier: "model".to_owned(),
                    source: InputSource::ParentOutput {
                        parent_task_key: Key::from_uuid(key(4)),
                        output_identifier: "out".to_owned(),
                    },
                },
            ],
            outputs: [("x".to_owned(), output(true)), ("y".to_owned(), output(false))].into(),
            logs_permission: permission(&["worker"]),
            creation_date: Timestamp::from_micros(-1_000_001),
        }
    }

    #[test]
    fn what_is_kept_and_a_status_are_the_task() {
        let task = sample();
        for status in ComputeTaskStatus::ALL {
            let task = ComputeTask { status, ..task.clone() };
            let kept = encode(&task);
            assert_eq!(decode_sent(&with_status(&kept, status)).as_ref(), Ok(&task));
            assert_eq!(decode(&kept, &beside(&task)), Ok(task));
        }
    }

    #[test]
    fn what_is_sent_is_the_message() {
        let task = sample();
        let sent = with_status(&encode(&task), task.status);
        assert_eq!(sent.len(), encode(&task).len() + STATUS_BYTES);
        assert_eq!(proto::ComputeTask::decode(&*sent), Ok(message(&task)));
    }

    #[test]
    fn instants_survive() {
        for micros in [0, 1, -1, 1_700_000_000_123_456, -1_000_001] {
            let message = timestamp(Timestamp::from_micros(micros));
            assert_eq!(message.nanos % NANOS_PER_MICRO, 0, "core/TX-3");
            assert!((0..1_000_000_000).contains(&message.nanos), "{message:?}");
            assert_eq!(kept_timestamp(Some(message)), Ok(Timestamp::from_micros(micros)));
        }
    }

    #[test]
    fn what_contradicts_the_message_is_refused() {
        let changes: [fn(&mut Beside, Uuid); 5] = [
            |beside, other| beside.key = Key::from_uuid(other),
            |beside, other| beside.function_key = Key::from_uuid(other),
            |beside, other| beside.compute_plan_key = Key::from_uuid(other),
            |beside, _| beside.worker = OrganizationId::new("another"),
            |beside, _| beside.creation_date = Timestamp::from_micros(0),
        ];
        for change in changes {
            let mut beside = beside(&sample());
            change(&mut beside, Uuid::from_u128(9));
            let problem = decode(&encode(&sample()), &beside).unwrap_err();
            assert!(problem.contains("contradict"), "{problem}");
        }
    }

    #[test]
    fn what_no_task_can_be_is_refused() {
        type Damage = fn(&mut proto::ComputeTask);
        let damages: [(Damage, &str); 6] = [
            (|task| task.key.clear(), "is not a key"),
            (|task| task.creation_date = None, "creation date is missing"),
            (|task| task.creation_date.iter_mut().for_each(|date| date.seconds = i64::MAX), "out of range"),
            (|task| task.logs_permission = None, "a permission is missing"),
            (|task| task.inputs.iter_mut().for_each(|input| input.r#ref = None), "names nothing"),
            (|task| task.outputs.values_mut().for_each(|output| output.permissions = None), "no permissions"),
        ];
        for (damage, expected) in damages {
            let mut damaged = message(&sample());
            damage(&mut damaged);
            let problem = decode(&damaged.encode_to_vec(), &beside(&sample())).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        assert!(decode(&[0xff], &beside(&sample())).is_err());
        assert_eq!(decode_sent(&encode(&sample())), Err("0 is not a status".to_owned()));
    }
}
