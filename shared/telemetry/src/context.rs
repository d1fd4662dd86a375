//! A trace in a message, and the same in OpenTelemetry.

use std::collections::HashMap;

use consumer::TraceContext;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Makes the span that a message's trace names the parent of this one, which has not been entered yet.
pub(crate) fn continue_from(span: &Span, trace: &TraceContext) {
    let mut headers = HashMap::from([("traceparent".to_owned(), trace.traceparent().to_owned())]);
    let state = trace.tracestate().map(str::to_owned);
    headers.extend(state.map(|state| ("tracestate".to_owned(), state)));
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    // Without the layer of OpenTelemetry there is nothing to continue.
    let _ = span.set_parent(parent);
}

/// The trace that a message carries which is sent inside this span; `None` if nothing records spans.
pub(crate) fn of(span: &Span) -> Option<TraceContext> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
    let state = headers.get("tracestate").map(String::as_str);
    TraceContext::new(headers.get("traceparent")?, state)
}
