//! The calls of each method: begun, ended with which code, how long, how many messages, and what became of their transaction.
//!
//! Every method has its counters at hand before the first call, so a call only adds to them. A call is measured from its first to its last
//! byte by a [`MeasuredCall`], whose end is counted when it is dropped.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use asset::refusal::Code as RefusalCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tonic::Code;

use super::{Histograms, Register, SECONDS};
use crate::routes::{Method, MethodKind};
use crate::{grpc_code, status};

const HEALTH_SERVICE: &str = "grpc.health.v1.Health";
const SUBSCRIBE: &str = "SubscribeToEvents";

/// What a call is refused with: the codes of core/ERR-2, and the one of a fault.
const REFUSAL_CODES: [&str; 11] = [
    RefusalCode::NotFound.as_str(),
    RefusalCode::BadRequest.as_str(),
    RefusalCode::Conflict.as_str(),
    status::FAULT,
    RefusalCode::Unimplemented.as_str(),
    RefusalCode::InvalidAsset.as_str(),
    RefusalCode::PermissionDenied.as_str(),
    RefusalCode::MissingTaskOutput.as_str(),
    RefusalCode::IncompatibleOutputKind.as_str(),
    RefusalCode::CannotDisableOutput.as_str(),
    RefusalCode::TerminatedComputePlan.as_str(),
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMethod {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMethodAndCode {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTransaction {
    method: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRefusal {
    code: &'static str,
}

/// The families of all methods.
#[derive(Clone)]
pub(super) struct CallMetrics {
    started: Family<OfMethod, Counter>,
    handled: Family<OfMethodAndCode, Counter>,
    received: Family<OfMethod, Counter>,
    sent: Family<OfMethod, Counter>,
    seconds: Histograms<OfMethod>,
    transactions: Family<OfTransaction, Counter>,
    events_sent: Counter,
    refused: [Counter; REFUSAL_CODES.len()],
}

impl CallMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        let refused: Family<OfRefusal, Counter> =
            register.add("orc_call_refused", "Calls that were refused, by the code of the refusal");
        Self {
            started: register.add("grpc_server_started", "Calls that have begun"),
            handled: register.add("grpc_server_handled", "Calls that have ended, by their code"),
            received: register.add("grpc_server_msg_received", "Messages received"),
            sent: register.add("grpc_server_msg_sent", "Messages sent"),
            seconds: register.add_histograms(
                "grpc_server_handling_seconds",
                "How long calls took, from their first to their last byte here",
                || Histogram::new(SECONDS),
            ),
            transactions: register
                .add("orc_db_transaction", "Calls with a transaction, by whether they were committed"),
            events_sent: register.add("orc_event_sent", "Events sent to subscribers"),
            refused: REFUSAL_CODES.map(|code| refused.get_or_create_owned(&OfRefusal { code })),
        }
    }

    /// The metrics of one method: counters begin with zero, but those of health only with the first call.
    pub(super) fn of(&self, method: &Method) -> Arc<MethodMetrics> {
        let metrics = MethodMetrics {
            families: self.clone(),
            labels: OfMethod {
                grpc_type: grpc_type(method.kind),
                grpc_service: method.service.clone(),
                grpc_method: method.name.clone(),
            },
            path: method.path(),
            has_transaction: has_transaction(method),
            counters: OnceLock::new(),
            seconds: OnceLock::new(),
        };
        if method.service != HEALTH_SERVICE {
            metrics.counters();
        }
        Arc::new(metrics)
    }
}

const fn grpc_type(kind: MethodKind) -> &'static str {
    match kind {
        MethodKind::Unary => "unary",
        MethodKind::ServerStream => "server_stream",
        MethodKind::BidiStream => "bidi_stream",
    }
}

/// Every answer of the application comes from storage, but the version (core/DEF-18); a stream holds no transaction.
fn has_transaction(method: &Method) -> bool {
    method.kind == MethodKind::Unary
        && method.service.starts_with("orchestrator.")
        && method.name != "QueryVersion"
}

/// The metrics of one method.
pub(super) struct MethodMetrics {
    families: CallMetrics,
    labels: OfMethod,
    path: String,
    has_transaction: bool,
    counters: OnceLock<Counters>,
    /// Shown from the first call on.
    seconds: OnceLock<Histogram>,
}

struct Counters {
    started: Counter,
    received: Counter,
    sent: Counter,
    handled: [Counter; grpc_code::NAMES.len()],
}

impl MethodMetrics {
    fn counters(&self) -> &Counters {
        self.counters.get_or_init(|| {
            let CallMetrics { started, handled, received, sent, .. } = &self.families;
            let OfMethod { grpc_type, grpc_service, grpc_method } = self.labels.clone();
            Counters {
                started: started.get_or_create_owned(&self.labels),
                received: received.get_or_create_owned(&self.labels),
                sent: sent.get_or_create_owned(&self.labels),
                handled: grpc_code::NAMES.map(|(_, grpc_code)| {
                    let (grpc_service, grpc_method) = (grpc_service.clone(), grpc_method.clone());
                    let labels = OfMethodAndCode { grpc_type, grpc_service, grpc_method, grpc_code };
                    handled.get_or_create_owned(&labels)
                }),
            }
        })
    }

    fn count_transaction(&self, outcome: &'static str) {
        let labels = OfTransaction { method: self.path.clone(), outcome };
        self.families.transactions.get_or_create(&labels).inc();
    }
}

/// A call under way; dropping it counts its end.
pub(crate) struct MeasuredCall {
    method: Arc<MethodMetrics>,
    begun: Instant,
    carried_out: bool,
    code: Option<Code>,
}

impl MeasuredCall {
    pub(super) fn begin(method: &Arc<MethodMetrics>) -> Self {
        method.counters().started.inc();
        Self { method: Arc::clone(method), begun: Instant::now(), carried_out: false, code: None }
    }

    /// The call has passed identity and goes to its service.
    pub(crate) fn pass(&mut self) {
        self.carried_out = true;
    }

    /// Where to count the messages that arrive.
    pub(crate) fn receipts(&self) -> Receipts {
        Receipts(self.method.counters().received.clone())
    }

    /// Messages have left.
    pub(crate) fn send(&self, messages: u64) {
        self.method.counters().sent.inc_by(messages);
        if self.method.labels.grpc_method == SUBSCRIBE {
            self.method.families.events_sent.inc_by(messages);
        }
    }

    /// The call ends with this code and text.
    pub(crate) fn end(&mut self, code: Code, text: &[u8]) {
        self.code = Some(code);
        let refusal = REFUSAL_CODES.iter().position(|refusal| text.starts_with(refusal.as_bytes()));
        if let Some(refusal) = refusal {
            self.method.families.refused[refusal].inc();
        }
    }

    /// A stream that its client ends has gone well; a unary call has not (operations contract, section 11).
    fn code(&self) -> Code {
        let is_unary = self.method.labels.grpc_type == grpc_type(MethodKind::Unary);
        self.code.unwrap_or(if is_unary { Code::Cancelled } else { Code::Ok })
    }
}

/// Counts the messages that arrive.
pub(crate) struct Receipts(Counter);

impl Receipts {
    /// So many more.
    pub(crate) fn add(&self, messages: u64) {
        self.0.inc_by(messages);
    }
}

impl Drop for MeasuredCall {
    fn drop(&mut self) {
        let code = self.code();
        self.method.counters().handled[grpc_code::number(code)].inc();
        let seconds = self
            .method
            .seconds
            .get_or_init(|| self.method.families.seconds.get_or_create_owned(&self.method.labels));
        seconds.observe(self.begun.elapsed().as_secs_f64());
        if self.method.has_transaction && self.carried_out {
            self.method.count_transaction(if code == Code::Ok { "commit" } else { "rollback" });
        }
    }
}
