//! Lines for programs: one JSON object each, with the fields of the operations contract (section 10).
//!
//! Every line has `level`, `time` and `message`; a line of a call also has what its span says of the call: `requestID` and `method`. What
//! the line itself says wins over its spans.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

pub(super) use tracing_subscriber::fmt::format::JsonFields;

/// Writes events as lines.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(Value::Object(fields)) = serde_json::from_str(fields)
            {
                line.extend(fields);
            }
        }
        event.record(&mut Fields(&mut line));
        complete(&mut line, level_name(*event.metadata().level()));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// The line by which a server says why it ends.
pub(super) fn fatal(message: &str, error: &str) -> Value {
    let mut line = Map::new();
    line.insert("message".to_owned(), message.into());
    line.insert("error".to_owned(), error.into());
    complete(&mut line, "fatal");
    Value::Object(line)
}

fn complete(line: &mut Map<String, Value>, level: &str) {
    line.insert("level".to_owned(), level.into());
    line.insert("time".to_owned(), time(&jiff::ZonedDateTime::now()).into());
}

/// RFC 3339, in whole seconds and the zone of the machine.
fn time(now: &jiff::ZonedDateTime) -> String {
    let format = if now.offset().is_zero() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    now.strftime(format).to_string()
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while this runs.
    fn lines(run: impl FnOnce()) -> Vec<Value> {
        let output = Output::default();
        let writer = output.clone();
        let layer = tracing_subscriber::fmt::layer().fmt_fields(JsonFields::new()).event_format(JsonLines);
        let layer = layer.with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), run);
        let written = output.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_of_a_call_says_of_which() {
        let lines = lines(|| {
            let call = tracing::info_span!("call", method = "/a.B/C", requestID = "r\"1\n");
            let _entered = call.enter();
            tracing::warn!(error = "no", count = 3, share = 0.5, "trouble");
            tracing::info!(method = "/other", "its own");
        });
        assert_eq!(lines.len(), 2);
        let expected = serde_json::json!({
            "level": "warn", "message": "trouble", "error": "no", "count": 3, "share": 0.5,
            "method": "/a.B/C", "requestID": "r\"1\n", "time": lines[0]["time"],
        });
        assert_eq!(lines[0], expected);
        assert_eq!(lines[1]["method"], "/other");
    }

    #[test]
    fn times_are_whole_seconds_in_the_zone_of_the_machine() {
        let instant = jiff::Timestamp::from_millisecond(1_700_000_000_987).unwrap();
        for (zone, text) in [("UTC", "2023-11-14T22:13:20Z"), ("Asia/Kolkata", "2023-11-15T03:43:20+05:30")] {
            assert_eq!(time(&instant.in_tz(zone).unwrap()), text);
        }
        assert_eq!(fatal("m", "e")["level"], "fatal");
    }
}
