//! Arguments and results.

use std::collections::BTreeMap;

use beam_node::{CallContext, Export, Node};
use beam_term::{Atom, Integer, Term};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::support::{Cluster, within};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    items: Vec<Item>,
    note: Option<String>,
    prices: BTreeMap<String, f64>,
    paid: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Item {
    Gift,
    Book { title: String, pages: i32 },
    Pair(String, i128),
}

fn order() -> Order {
    Order {
        id: u64::MAX,
        items: vec![
            Item::Gift,
            Item::Book {
                title: "Ωmega".to_owned(),
                pages: -1,
            },
            Item::Pair(String::new(), i128::MIN),
        ],
        note: None,
        prices: BTreeMap::from([("net".to_owned(), 0.25), ("gross".to_owned(), -0.0)]),
        paid: true,
    }
}

fn export_echoes(node: &Node) {
    node.export("echo", "order", async |order: Order| order)
        .unwrap();
    node.export("echo", "term", async |term: Term| term)
        .unwrap();
    node.export("echo", "bytes", async |bytes: Bytes| bytes)
        .unwrap();
    node.export("echo", "bytes", async |a: Bytes, b: Bytes| (b, a))
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn structs_come_back_as_they_were_sent_in_both_directions() {
    let (a, b) = Cluster::new().pair().await;
    for (caller, callee) in [(&a, &b), (&b, &a)] {
        export_echoes(callee);
        let back: Order = within(caller.call(callee.name(), ("echo", "order"), (order(),)))
            .await
            .unwrap();
        assert_eq!(back, order());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_of_every_shape_come_back_as_they_were_sent() {
    let (a, b) = Cluster::new().pair().await;
    export_echoes(&b);
    for text in [
        "[1, 2, 3]",
        "[]",
        "[1, 2 | 3]",
        "{}",
        "#{1 => a, 1.0 => b}",
        "'an atom'",
        "<<5:3>>",
        "123456789012345678901234567890",
        "{ok, [{error, <<\"text\">>}]}",
    ] {
        let term: Term = text.parse().unwrap();
        let back: Term = within(a.call(b.name(), ("echo", "term"), (&term,)))
            .await
            .unwrap();
        assert_eq!(back, term);
        let of_terms: Term = within(a.call(b.name(), ("echo", "term"), vec![term.clone()]))
            .await
            .unwrap();
        assert_eq!(of_terms, term);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_many_megabytes_pass_in_both_directions() {
    let (a, b) = Cluster::new().pair().await;
    export_echoes(&b);
    let large = |seed: u8| Bytes::from_iter((0..6_000_000_u32).map(|n| (n % 251) as u8 ^ seed));

    let (first, second): (Bytes, Bytes) =
        within(a.call(b.name(), ("echo", "bytes"), (large(1), large(2))))
            .await
            .unwrap();

    assert!(first == large(2) && second == large(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_functions_that_can_fail_are_results_at_the_caller() {
    let (a, b) = Cluster::new().pair().await;
    b.export("math", "half", async |n: i64| match n % 2 {
        0 => Ok(n / 2),
        _ => Err(format!("{n} is odd")),
    })
    .unwrap();
    b.export("math", "ignore", async |_: Integer| ()).unwrap();

    let even: Result<i64, String> = within(a.call(b.name(), ("math", "half"), (8,)))
        .await
        .unwrap();
    let odd: Result<i64, String> = within(a.call(b.name(), ("math", "half"), (7,)))
        .await
        .unwrap();
    let as_term: Term = within(a.call(b.name(), ("math", "half"), (8,)))
        .await
        .unwrap();
    let nothing: Term = within(a.call(b.name(), ("math", "ignore"), (8,)))
        .await
        .unwrap();

    assert_eq!((even, odd), (Ok(4), Err("7 is odd".to_owned())));
    assert_eq!(as_term, Term::tuple([Term::atom("ok"), Term::from(4)]));
    assert_eq!(nothing, Term::atom("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_told_who_called_it_and_by_which_name() {
    let (a, b) = Cluster::new().pair().await;
    b.export("who", "calls", async |context: CallContext, n: u8| {
        (
            context.caller().to_string(),
            context.function().to_string(),
            context.arity(),
            n,
        )
    })
    .unwrap();

    let told: (String, String, usize, u8) = within(a.call(b.name(), ("who", "calls"), (7,)))
        .await
        .unwrap();

    let expected = (a.name().to_string(), "who:calls".to_owned(), 1, 7);
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_one_name_differ_by_arity_and_can_be_replaced_and_taken_back() {
    let (a, b) = Cluster::new().pair().await;
    b.export("shop", "count", async || 0).unwrap();
    b.export("shop", "count", async |n: i32| n).unwrap();
    let count = async || within(a.call::<i32, _>(b.name(), ("shop", "count"), ())).await;

    assert_eq!(count().await.unwrap(), 0);
    assert!(b.export("shop", "count", async || 1).is_err());
    b.replace(Export::new("shop", "count", async || 1)).unwrap();
    assert_eq!(count().await.unwrap(), 1);
    let function = ("shop", "count").try_into().unwrap();
    assert!(b.unregister(&function, 0) && !b.unregister(&function, 0));
    assert!(count().await.unwrap_err().is_undefined());
    let other: i32 = within(a.call(b.name(), ("shop", "count"), (2,)))
        .await
        .unwrap();
    assert_eq!(other, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_tells_its_name_and_those_that_it_knows() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let kinds = |kinds: &[&'static str]| Term::list(kinds.iter().map(|kind| Term::atom(kind)));

    let name: Atom = within(a.call(b.name(), ("erlang", "node"), ()))
        .await
        .unwrap();
    let visible: Vec<Atom> = within(a.call(b.name(), ("erlang", "nodes"), ()))
        .await
        .unwrap();
    let hidden: Vec<Atom> = within(a.call(
        b.name(),
        ("erlang", "nodes"),
        (kinds(&["visible", "hidden"]),),
    ))
    .await
    .unwrap();
    let unknown = within(a.call::<Term, _>(b.name(), ("erlang", "nodes"), (kinds(&["all"]),)))
        .await
        .unwrap_err();

    assert_eq!(name, *b.name().as_atom());
    assert_eq!(
        (visible, hidden),
        (vec![], vec![a.name().as_atom().clone()])
    );
    assert_eq!(unknown.exception().unwrap().reason, Term::atom("badarg"));
}
