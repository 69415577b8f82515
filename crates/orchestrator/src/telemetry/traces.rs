//! Traces over OTLP, if the standard `OTEL_*` variables name a collector: the way of a call through the server, as one of its caller's spans.
//!
//! Owns where spans go and how a caller's context is found in its headers. Which spans there are is said where the work is done, under the
//! target [`service::SPANS`]; while nobody collects them they cost nothing. Start at [`Traces::from_environment`].

use std::env;
use std::time::Duration;

use anyhow::{Context, ensure};
use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What the server is called where spans are looked at, unless `OTEL_SERVICE_NAME` says otherwise.
const SERVICE_NAME: &str = "orchestrator";

/// How long the last spans may take: the process has to end, whatever the collector does (core/OPS-4).
const LAST_WORD: Duration = Duration::from_secs(1);

/// Sends spans to a collector.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// As the environment wants it; nothing unless it names a collector. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// The endpoint or the protocol cannot be used.
    pub(crate) fn from_environment() -> anyhow::Result<Option<Self>> {
        if !is_wanted(&|name| env::var(name).ok().filter(|value| !value.is_empty())) {
            return Ok(None);
        }
        let protocol = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let protocol = protocol.iter().find_map(|name| env::var(name).ok()).unwrap_or_default();
        ensure!(["", "grpc"].contains(&&*protocol), "traces are sent by grpc only, not by {protocol}");
        let exporter = SpanExporter::builder().with_tonic().build().context("cannot send traces")?;
        let mut resource = Resource::builder();
        if env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(SERVICE_NAME);
        }
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter);
        Ok(Some(Self(provider.with_resource(resource.build()).build())))
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer(SERVICE_NAME)
    }

    /// Sends what is left.
    pub(crate) async fn end(self) {
        // It waits for the collector.
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST_WORD)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Whether these variables ask for traces.
fn is_wanted(variable: &dyn Fn(&str) -> Option<String>) -> bool {
    let is_disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let goes_elsewhere = variable("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter != "otlp");
    let endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    !is_disabled && !goes_elsewhere && endpoints.iter().any(|name| variable(name).is_some())
}

/// Makes a span that of a call whose headers may say of which trace it is a part (W3C Trace Context).
pub(crate) fn adopt(span: &Span, headers: &HeaderMap) {
    let context = TraceContextPropagator::new().extract(&Headers(headers));
    // Without a collector there is nothing to adopt.
    let _nobody_collects = span.set_parent(context);
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_sent_only_where_a_collector_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
        for (variables, wanted) in [
            (vec![], false),
            (vec![endpoint], true),
            (vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4317")], true),
            (vec![endpoint, ("OTEL_TRACES_EXPORTER", "otlp")], true),
            (vec![endpoint, ("OTEL_TRACES_EXPORTER", "none")], false),
            (vec![endpoint, ("OTEL_SDK_DISABLED", "true")], false),
            (vec![("OTEL_SERVICE_NAME", "orchestrator")], false),
        ] {
            let find = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(is_wanted(&find), wanted, "{variables:?}");
        }
    }
}
