//! The span that every call runs in.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use rpc_load_balancer::Retry;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::set_default,
};
use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::LookupSpan};

use crate::support::{Cluster, client, member, members_become};

type Fields = BTreeMap<&'static str, String>;

/// Keeps the fields of the spans of calls, in the order in which the spans began.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(Id, Fields)>>>);

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.name() == "call" && metadata.target().starts_with("rpc_load_balancer") {
            let mut fields = Fields::new();
            attributes.record(&mut Reader(&mut fields));
            self.0.lock().unwrap().push((id.clone(), fields));
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        // Identifiers are used again; the latest is the one.
        if let Some((_, fields)) = spans.iter_mut().rev().find(|(span, _)| span == id) {
            record.record(&mut Reader(fields));
        }
    }
}

// On one thread, so that all tasks see the subscriber of this test alone.
#[tokio::test]
async fn a_call_tells_its_balancer_function_node_and_outcome() {
    let spans = Spans::default();
    let _subscriber = set_default(tracing_subscriber::registry().with(spans.clone()));
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let balancer = client(&app).await;
    let nobody = balancer.call::<(), _>(("demo", "node"), ());
    nobody.retry(Retry::never()).await.unwrap_err();
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    members_become(&balancer, &[&w1]).await;
    let _: String = balancer.call(("demo", "node"), ()).await.unwrap();
    balancer.cast(("demo", "node"), ()).await.unwrap();
    let absent = balancer.call::<(), _>(("demo", "absent"), ());
    absent.await.unwrap_err();
    let _ = balancer
        .multicall::<String, _>(("demo", "node"), ())
        .await
        .unwrap();

    let seen: Vec<Fields> = spans
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|(_, f)| f.clone())
        .collect();
    let expected = [
        ("demo:node", "call", None, "service_unavailable"),
        ("demo:node", "call", Some("w1@127.0.0.1"), "ok"),
        ("demo:node", "cast", Some("w1@127.0.0.1"), "ok"),
        (
            "demo:absent",
            "call",
            Some("w1@127.0.0.1"),
            "internal_server_error",
        ),
        ("demo:node", "call", Some("w1@127.0.0.1"), "ok"),
    ];
    let expected = expected.map(|(function, kind, node, outcome)| {
        let fields = [
            ("balancer", Some("my_balancer")),
            ("function", Some(function)),
            ("kind", Some(kind)),
            ("node", node),
            ("outcome", Some(outcome)),
        ];
        let set = fields
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?.to_owned())));
        set.collect::<Fields>()
    });
    assert_eq!(seen, expected);
}
