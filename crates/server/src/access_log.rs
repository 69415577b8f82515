//! One line in the log per call (core/ID-10).
//!
//! Owns the request id and what the line says: method, caller, channel, request id, status and duration. Calls that succeed are told at debug level,
//! faults of the server at error, and all others at info: what a caller can bring about is not for operators to mend.

use std::ops::RangeInclusive;
use std::time::Instant;

use http::{HeaderMap, Request};
use tonic::Code;
use tracing::Span;
use uuid::Uuid;

use crate::{grpc_code, status};

/// Longest text that is taken from a header into the log, in bytes (core/DEF-13).
const TEXT_BYTES_MAX: usize = 64;

/// A call under way; dropping it writes its line.
pub(crate) struct AccessLine {
    method: String,
    organization: String,
    channel: String,
    request_id: String,
    begun: Instant,
    code: Option<Code>,
    is_fault: bool,
}

impl AccessLine {
    /// Begins with a request.
    pub(crate) fn begin<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        Self {
            method: printable(request.uri().path().as_bytes()),
            organization: first(headers, "mspid"),
            channel: first(headers, "channel"),
            request_id: request_id(headers),
            begun: Instant::now(),
            code: None,
            is_fault: false,
        }
    }

    /// What everything that is logged during the call stands in.
    pub(crate) fn span(&self) -> Span {
        tracing::info_span!("call", method = self.method, requestID = self.request_id)
    }

    /// The call ends with this code and text.
    pub(crate) fn end(&mut self, code: Code, text: &[u8]) {
        self.code = Some(code);
        self.is_fault = status::is_fault(text);
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        // Without a status the client has left before there was one.
        let code = self.code.unwrap_or(Code::Cancelled);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    method = self.method,
                    mspid = self.organization,
                    channel = self.channel,
                    requestID = self.request_id,
                    grpcCode = grpc_code::name(code),
                    durationMs = self.begun.elapsed().as_secs_f64() * 1000.0,
                    "call"
                )
            };
        }
        match code {
            Code::Ok => line!(debug),
            _ if self.is_fault => line!(error),
            _ => line!(info),
        }
    }
}

/// The value of `reqid` if there is exactly one, else something random.
fn request_id(headers: &HeaderMap) -> String {
    let mut values = headers.get_all("reqid").iter();
    match (values.next(), values.next()) {
        (Some(value), None) => printable(value.as_bytes()),
        _ => format!("{:08x}", Uuid::new_v4().as_fields().0),
    }
}

fn first(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| printable(value.as_bytes())).unwrap_or_default()
}

/// The text of a header as it may stand in the log: not too long, and nothing that steers a terminal.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let kept = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    kept.chars().map(|character| if steers(character) { '?' } else { character }).collect()
}

/// Whether a character is not seen, but changes how others are: it could end a line, colour it, or turn it round.
fn steers(character: char) -> bool {
    const MARKS: [RangeInclusive<char>; 4] =
        ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{feff}'..='\u{feff}'];
    character.is_control() || MARKS.iter().any(|marks| marks.contains(&character))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::Level;

    use super::*;

    fn request_id_of(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("reqid", value.parse().unwrap());
        }
        request_id(&headers)
    }

    #[test]
    fn one_request_id_is_taken_and_capped() {
        // core/ID-10, DEF-13
        assert_eq!(request_id_of(&["abc-1"]), "abc-1");
        assert_eq!(request_id_of(&[&"x".repeat(1000)]), "x".repeat(64));
        assert_eq!(request_id_of(&[""]), "");
    }

    #[test]
    fn none_or_several_give_eight_hexadecimal_digits() {
        for values in [vec![], vec!["a", "a"]] {
            let id = request_id_of(&values);
            assert!(id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
    }

    /// What is logged about a call with this status.
    fn logged(status: Option<(Code, &str)>) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&lines);
        let subscriber = tracing_subscriber::fmt().json().with_max_level(Level::TRACE);
        let subscriber = subscriber.with_writer(move || Lines(Arc::clone(&writer))).finish();
        tracing::subscriber::with_default(subscriber, || {
            let request = Request::get("/orchestrator.InfoService/QueryVersion");
            let request = request.header("mspid", "OrgA").header("channel", "north").header("reqid", "r1");
            let mut line = AccessLine::begin(&request.body(()).unwrap());
            status.into_iter().for_each(|(code, text)| line.end(code, text.as_bytes()));
        });
        let lines = lines.lock().unwrap();
        String::from_utf8(lines.clone()).unwrap()
    }

    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_call_has_one_line_as_loud_as_its_status_deserves() {
        let table = [
            (Some((Code::Ok, "")), "DEBUG", "OK"),
            (None, "INFO", "Canceled"),
            (Some((Code::NotFound, "OE0002")), "INFO", "NotFound"),
            (Some((Code::Internal, "OE0007%3A%20internal%20error")), "ERROR", "Internal"),
            (Some((Code::Internal, "failed%20to%20decode")), "INFO", "Internal"),
            (Some((Code::Unavailable, "the%20call%20has%20taken")), "INFO", "Unavailable"),
        ];
        for (status, level, code) in table {
            let line = logged(status);
            assert_eq!(line.lines().count(), 1, "{line}");
            for part in [
                format!("\"level\":\"{level}\""),
                format!("\"grpcCode\":\"{code}\""),
                "\"method\":\"/orchestrator.InfoService/QueryVersion\"".to_owned(),
                "\"mspid\":\"OrgA\"".to_owned(),
                "\"channel\":\"north\"".to_owned(),
                "\"requestID\":\"r1\"".to_owned(),
                "\"durationMs\":".to_owned(),
            ] {
                assert!(line.contains(&part), "{part} in {line}");
            }
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_log() {
        assert_eq!(printable("a\tb\u{9b}31m".as_bytes()), "a?b?31m");
        assert_eq!(printable("\u{202e}GSM\u{2028}\u{2066}\u{feff}ü".as_bytes()), "?GSM???ü");
        assert_eq!(printable(b"a\xffb"), "a\u{fffd}b");
    }
}
