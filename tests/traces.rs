//! Spans of a run as a collector of OpenTelemetry receives them, over OTLP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use system_tests::{Coordinator, Ended, TestRun, Worker, assert_same, fail_at, pace, scratch};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// What was received: each span with the service that it is of.
type Received = Arc<Mutex<Vec<(String, Span)>>>;

/// A collector. One that hangs takes connections and answers nothing.
#[derive(Clone)]
struct Collector {
    received: Received,
    hangs: bool,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.hangs {
            pending::<()>().await;
        }
        for of_process in request.into_inner().resource_spans {
            let resource = of_process.resource.unwrap();
            let service = resource.attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
            let service = text(service.value.as_ref().unwrap().value.as_ref());
            let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.received.lock().unwrap().extend(spans.map(|span| (service.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Starts a collector. It ends with the runtime.
fn collector(hangs: bool) -> (Runtime, String, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let received = Received::default();
    let service = TraceServiceServer::new(Collector { received: Arc::clone(&received), hangs });
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(async move {
        let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
        Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    (runtime, url, received)
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let value = |value: Option<&opentelemetry_proto::tonic::common::v1::AnyValue>| text(value.unwrap().value.as_ref());
    span.attributes.iter().map(|attribute| (attribute.key.as_str(), value(attribute.value.as_ref()))).collect()
}

/// Of two workers. The second one is killed in its second epoch, and comes back.
fn disturbed(directory: &std::path::Path, flags: &[&str]) -> Ended {
    let flags = TestRun::small().local(2).epochs(2).with(flags);
    Coordinator::start_failing(directory, &flags, &[fail_at(1, (1, 3), "kill"), pace(5)]).wait().well()
}

#[test]
fn a_collector_gets_the_spans_of_a_run_and_its_workers() {
    let directory = scratch();
    let (runtime, url, received) = collector(false);
    let ended = disturbed(&directory.path().join("traced"), &["--otlp-endpoint", &url]);
    drop(runtime);
    let received = std::mem::take(&mut *received.lock().unwrap());
    let of = |service: &str, name: &str| -> Vec<&Span> {
        received.iter().filter(|(of, span)| of == service && span.name == name).map(|(_, span)| span).collect()
    };
    let of_run = |name: &str| of("coxswain-coordinator", name);
    let of_workers = |name: &str| of("coxswain-worker", name);
    let traces: BTreeSet<&[u8]> = received.iter().map(|(_, span)| &span.trace_id[..]).collect();
    assert_eq!(traces.len(), 1, "a run is one trace");

    let [run] = of_run("run")[..] else { panic!("{:?}", of_run("run")) };
    assert!(run.parent_span_id.is_empty());
    let generations: BTreeMap<String, &Span> =
        of_run("generation").into_iter().map(|span| (attributes(span)["generation"].clone(), span)).collect();
    assert_eq!(generations.len(), of_run("generation").len(), "one a generation");
    let recorded = ended.log.matches("generation{generation=").count();
    assert!(generations.len() >= 2 && recorded > 0, "{generations:?}\n{}", ended.log);
    for span in generations.values() {
        assert_eq!(span.parent_span_id, run.span_id);
        assert!(span.start_time_unix_nano >= run.start_time_unix_nano, "{span:?}");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
    }

    let [recovery] = of_run("recovery")[..] else { panic!("{:?}", of_run("recovery")) };
    let known = attributes(recovery);
    let summary = ended.summary();
    assert_eq!(known["resumed_ms"], summary["recoveries"][0]["resumed_ms"].to_string());
    assert_eq!(known["generation"], summary["recoveries"][0]["generation"].to_string());
    assert_eq!((known["epoch"].as_str(), recovery.parent_span_id == run.span_id), ("1", true), "{known:?}");
    assert!(known["kind"].contains("local-1") && generations.contains_key(&known["generation"]), "{known:?}");

    let epochs: Vec<String> = of_run("epoch").into_iter().map(|span| attributes(span)["epoch"].clone()).collect();
    assert_eq!(epochs, ["0", "1"]);
    let checkpoints = of_run("checkpoint");
    assert!(checkpoints.iter().any(|span| attributes(span).get("epoch").is_some_and(|epoch| epoch == "2")));
    let parents: Vec<&[u8]> = generations.values().map(|span| &span.span_id[..]).collect();
    assert!(checkpoints.iter().all(|span| {
        let known = attributes(span);
        known.contains_key("step") && known["run"] == attributes(run)["run"] && span.parent_span_id.len() == 8
    }));

    // Workers know the parent without being told.
    let members = of_workers("member");
    assert!(members.iter().all(|span| parents.contains(&&span.parent_span_id[..])), "{members:?}");
    let ranks: BTreeSet<String> = members.iter().map(|span| attributes(span)["rank"].clone()).collect();
    assert!(ranks.contains("0"), "{ranks:?}");
    let training = of_workers("train");
    // Of the worker that was killed, what it was a member of is lost. What it had done before is there.
    let of_survivor = |span: &&&Span| attributes(span)["generation"] == known["generation"];
    let survived: Vec<&&Span> = training.iter().filter(of_survivor).collect();
    let has_member = |span: &&&Span| members.iter().any(|member| member.span_id == span.parent_span_id);
    assert!(!survived.is_empty() && survived.iter().all(has_member), "{training:?}");
    for key in ["run", "generation", "rank", "epoch", "step"] {
        assert!(!training.is_empty() && training.iter().all(|span| attributes(span).contains_key(key)), "{key}");
    }
    assert_same(&ended, &disturbed(&directory.path().join("untraced"), &[]));
}

#[test]
fn a_collector_that_hangs_or_is_away_costs_nothing() {
    /// How long an answer of a collector is waited for. Whoever waits with it takes as long.
    const TIMEOUT: Duration = Duration::from_mins(10);
    let directory = scratch();
    let timeout = TIMEOUT.as_millis().to_string();
    let run = |name: &str, flags: &[&str]| {
        let flags = TestRun::small().local(1).epochs(1).with(flags);
        let variables = [("OTEL_EXPORTER_OTLP_TIMEOUT", timeout.as_str())];
        let began = Instant::now();
        let ended = Coordinator::start_within(&variables, &directory.path().join(name), &flags).wait().well();
        (began.elapsed(), ended)
    };
    let (_, expected) = run("usual", &[]);
    let (_runtime, url, _) = collector(true);
    let (hanging, ended) = run("hanging", &["--otlp-endpoint", &url]);
    assert!(hanging < TIMEOUT / 2, "{hanging:?}");
    assert_same(&ended, &expected);
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (without, ended) = run("away", &["--otlp-endpoint", &format!("http://{away}")]);
    assert!(without < TIMEOUT / 2, "{without:?}");
    assert_same(&ended, &expected);
    assert!(ended.log.matches("did not take").count() <= 2, "once a process\n{}", ended.log);
}

#[test]
fn a_line_of_a_log_says_where_in_the_run_it_is_of() {
    let directory = scratch();
    let run = TestRun::small().workers(1).epochs(1).start(&directory.path().join("run"));
    let worker = Worker::start(&run, "w", &["--log-format", "json"]);
    let _ended = run.wait().well();
    let (_, log) = worker.wait();
    let lines: Vec<Json> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let place = |words: &str| -> BTreeMap<String, Json> {
        let said = |line: &&Json| line["fields"]["message"].as_str().is_some_and(|said| said.contains(words));
        let line = lines.iter().find(said).unwrap_or_else(|| panic!("{words}: {log}"));
        let spans = line["spans"].as_array().into_iter().flatten().filter_map(Json::as_object);
        spans.flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let forming = place("forming a generation of 1");
    assert!(forming["run"].is_string() && forming["rank"] == 0 && forming["generation"] == 1, "{forming:?}");
    let dismissed = place("dismissed");
    assert_eq!((&dismissed["run"], &dismissed["generation"]), (&forming["run"], &forming["generation"]));
    assert!(dismissed["epoch"].is_u64() && dismissed["step"].is_u64(), "{dismissed:?}");
}
