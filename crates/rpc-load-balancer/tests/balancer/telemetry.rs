//! What calls and selections tell the recorder of metrics.

use std::collections::BTreeMap;

use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use rpc_load_balancer::{Balancer, Retry, RoundRobin};

use crate::support::{Cluster, GROUP, client, member, members_become, until};

/// The series by name and labels, as a number: how many values, for a histogram.
fn series(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    let series = metrics.map(|(key, _, _, value)| {
        let key = key.key();
        let mut labels: Vec<_> = key
            .labels()
            .map(|l| format!("{}={}", l.key(), l.value()))
            .collect();
        labels.sort();
        let name = key.name().trim_start_matches("rpc_load_balancer_");
        let value = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Gauge(value) => value.0 as u64,
            DebugValue::Histogram(values) => values.len() as u64,
        };
        (format!("{name} {}", labels.join(" ")), value)
    });
    series.filter(|(_, value)| *value > 0).collect()
}

// On one thread, so that all tasks see the recorder of this test alone.
#[tokio::test]
async fn calls_and_selections_are_counted_under_the_node_that_was_picked() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _installed = set_default_local_recorder(&recorder);

    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let balancer = client(&app).await;
    let nobody = balancer
        .call::<(), _>(("demo", "node"), ())
        .retry(Retry::never());
    nobody.await.unwrap_err();
    let w1 = cluster.node("w1", &[&app]).await;
    let _member = member(&w1).await;
    members_become(&balancer, &[&w1]).await;
    let _: String = balancer.call(("demo", "node"), ()).await.unwrap();
    let _: String = balancer.call(("demo", "node"), ()).await.unwrap();
    balancer
        .call::<(), _>(("Elixir.Demo", "absent"), ())
        .await
        .unwrap_err();
    balancer.cast(("demo", "node"), ()).await.unwrap();

    let of = "load_balancer=my_balancer";
    let demo = format!("function=node {of} module=:demo node=w1@127.0.0.1");
    let absent = format!("function=absent {of} module=Demo node=w1@127.0.0.1");
    let failed = "status=internal_server_error type=call";
    let picked = format!("algorithm=RoundRobin {of}");
    let expected = BTreeMap::from([
        (format!("rpc_request_start_count {demo} type=call"), 2),
        (format!("rpc_request_start_count {demo} type=cast"), 1),
        (format!("rpc_request_start_count {absent} type=call"), 1),
        (
            format!("rpc_request_stop_count {demo} status=ok type=call"),
            2,
        ),
        (
            format!("rpc_request_stop_count {demo} status=ok type=cast"),
            1,
        ),
        (format!("rpc_request_stop_count {absent} {failed}"), 1),
        (
            format!("rpc_duration_milliseconds {demo} status=ok type=call"),
            2,
        ),
        (
            format!("rpc_duration_milliseconds {demo} status=ok type=cast"),
            1,
        ),
        (format!("rpc_duration_milliseconds {absent} {failed}"), 1),
        (format!("node_selected_count {picked} node=w1@127.0.0.1"), 4),
        (format!("node_selected_empty_count {picked}"), 1),
        (format!("node_pool_size {picked}"), 1),
    ]);
    let counted: BTreeMap<_, _> = series(&snapshotter)
        .into_iter()
        .filter(|(series, _)| !series.contains("algorithm=Random"))
        .collect();
    assert_eq!(counted, expected);
}

#[tokio::test]
async fn the_name_of_an_algorithm_is_that_of_its_type() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _installed = set_default_local_recorder(&recorder);
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let balancer = Balancer::builder(GROUP).algorithm(RoundRobin::new());
    let _balancer = balancer.start(&node).await.unwrap();
    let pool = format!("node_pool_size algorithm=RoundRobin load_balancer={GROUP}");
    assert_eq!(series(&snapshotter), BTreeMap::from([(pool, 1)]));
}

#[tokio::test]
async fn a_call_counts_for_the_nodes_that_were_asked_and_not_for_those_that_gave_way() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _installed = set_default_local_recorder(&recorder);

    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let full = cluster.full_node("full", &[&app]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let (_member1, _member2) = (member(&full).await, member(&w1).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&full, &w1]).await;
    for _ in 0..4 {
        let _: String = balancer.call(("demo", "node"), ()).await.unwrap();
    }
    let _ = balancer
        .multicall::<String, _>(("demo", "node"), ())
        .await
        .unwrap();
    let series = series(&snapshotter);
    let sum = |start: &str, labels: &[&str]| -> u64 {
        let matching = series.iter().filter(|(series, _)| {
            series.starts_with(start) && labels.iter().all(|label| series.contains(label))
        });
        matching.map(|(_, count)| count).sum()
    };
    let picked = |node| sum("node_selected_count", &[node, "algorithm=RoundRobin"]);
    let (full, w1) = (picked("node=full@"), picked("node=w1@"));
    // What was refused went to the other, which is preferred from then on; the multicall went to both.
    assert_eq!(w1, 4);
    assert!((1..=2).contains(&full), "{full}");
    assert_eq!(
        sum("rpc_request_stop_count", &["status=too_many_requests"]),
        full + 1
    );
    let started = sum("rpc_request_start_count", &[]);
    assert_eq!(sum("rpc_request_stop_count", &[]), started);
}

#[tokio::test]
async fn a_call_that_is_given_up_counts_as_cancelled() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _installed = set_default_local_recorder(&recorder);

    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    w1.export("demo", "hang", async || std::future::pending::<()>().await)
        .unwrap();
    let _member = member(&w1).await;
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1]).await;
    let call = tokio::spawn(balancer.call::<(), _>(("demo", "hang"), ()).send());
    until(|| w1.serving() == 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());

    let series = series(&snapshotter);
    let cancelled = series
        .iter()
        .filter(|(name, _)| name.contains("status=cancelled"));
    let counts: Vec<u64> = cancelled.map(|(_, count)| *count).collect();
    // The counter, and the histogram.
    assert_eq!(counts, [1, 1]);
}
