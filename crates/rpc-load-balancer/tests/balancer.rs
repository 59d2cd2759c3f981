//! Balancers of several nodes in one process.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rpc_load_balancer::{
    Algorithm, Balancer, Cause, Code, Member, Node, NodeName, Outcome, RoundRobin, Selection,
    Snapshot, Term,
    beam_node::{Epmd, EpmdServer},
};
use tokio::{sync::Semaphore, time::timeout};

/// How long anything may take that is to happen. Tests that pass do not wait for it.
const PATIENCE: Duration = Duration::from_secs(30);

const GROUP: &str = "my_balancer";

/// An EPMD of its own, so that tests do not meet each other's nodes.
struct Cluster(EpmdServer);

impl Cluster {
    fn new() -> Self {
        Self(EpmdServer::bind(0, []).unwrap())
    }

    /// A node that knows these peers, and exports `demo:node/0`, which answers its name.
    async fn node(&self, alive: &str, peers: &[&Node]) -> Node {
        let name = format!("{alive}@127.0.0.1");
        let node = Node::builder(&name)
            .cookie("secret")
            .epmd(Epmd::External)
            .epmd_port(self.0.port())
            .peers(peers.iter().map(|peer| peer.name().to_string()))
            .drain_linger(Duration::ZERO)
            .start()
            .await
            .unwrap();
        let answer = move || std::future::ready(name.clone());
        node.export("demo", "node", answer).unwrap();
        node
    }
}

async fn member(node: &Node) -> Balancer {
    Balancer::builder(GROUP).start(node).await.unwrap()
}

/// A pure client that takes turns.
async fn client(node: &Node) -> Balancer {
    Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false)
        .start(node)
        .await
        .unwrap()
}

fn names(nodes: &[&Node]) -> Vec<NodeName> {
    nodes.iter().map(|node| node.name().clone()).collect()
}

/// Waits until the balancer has exactly these members.
async fn members_become(balancer: &Balancer, nodes: &[&Node]) {
    let expected = names(nodes);
    let become_so = async {
        while balancer.members().unwrap_or_default() != expected {
            tokio::task::yield_now().await;
        }
    };
    if timeout(PATIENCE, become_so).await.is_err() {
        panic!("{:?} did not become {expected:?}", balancer.members());
    }
}

async fn answers(balancer: &Balancer, calls: u32) -> BTreeMap<String, u32> {
    let mut answers = BTreeMap::new();
    for _ in 0..calls {
        let name: String = balancer.call(("demo", "node"), ()).await.unwrap();
        *answers.entry(name).or_default() += 1;
    }
    answers
}

#[tokio::test]
async fn calls_take_turns_over_the_members_and_spare_a_pure_client() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (member1, _member2) = (member(&w1).await, member(&w2).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1, &w2]).await;

    let shares = answers(&balancer, 10).await;
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [5, 5]);
    // The workers found each other, and not the client.
    members_become(&member1, &[&w1, &w2]).await;
    assert_eq!(balancer.in_flight(), 0);
}

#[tokio::test]
async fn a_member_of_weight_zero_gets_no_calls_until_its_weight_rises() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (_member1, _member2) = (member(&w1).await, member(&w2).await);
    let balancer = Balancer::builder(GROUP)
        .algorithm(RoundRobin::new())
        .join(false)
        .weight("w1@127.0.0.1", 0)
        .start(&app)
        .await
        .unwrap();
    members_become(&balancer, &[&w1, &w2]).await;
    assert_eq!(answers(&balancer, 4).await.len(), 1);

    balancer.set_weight(w1.name(), None).unwrap();
    balancer.set_weight(w2.name(), Some(0)).unwrap();
    let moved = async {
        while balancer.select().unwrap().node() != w1.name() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, moved).await.unwrap();

    balancer.set_weight(w1.name(), Some(0)).unwrap();
    let resting = async {
        loop {
            match balancer.select() {
                Err(error) => break error,
                Ok(_) => tokio::task::yield_now().await,
            }
        }
    };
    let error = timeout(PATIENCE, resting).await.unwrap();
    assert_eq!(error.code, Code::ServiceUnavailable);
    assert_eq!(error.message, "no fit member among 2");
    let error = balancer.set_weight("w1", Some(1)).unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
}

#[tokio::test]
async fn a_member_calls_itself_as_well() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let balancer = member(&node).await;

    assert_eq!(balancer.members().unwrap(), names(&[&node]));
    let shares = answers(&balancer, 3).await;
    assert_eq!(shares, BTreeMap::from([("only@127.0.0.1".to_owned(), 3)]));
}

#[tokio::test]
async fn a_node_that_stops_leaves_the_members_and_no_call_fails() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (_member1, member2) = (member(&w1).await, member(&w2).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1, &w2]).await;

    let (stopped, ()) = tokio::join!(w2.shutdown(), async {
        while balancer.members().unwrap().len() == 2 {
            answers(&balancer, 1).await;
        }
    });
    stopped.unwrap();
    members_become(&balancer, &[&w1]).await;
    assert_eq!(answers(&balancer, 2).await.len(), 1);

    drop((w2, member2));
    let w2 = cluster.node("w2", &[&app]).await;
    let _member2 = member(&w2).await;
    members_become(&balancer, &[&w1, &w2]).await;
    assert_eq!(answers(&balancer, 2).await.len(), 2);
}

#[tokio::test]
async fn a_node_that_dies_leaves_the_members() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let w2 = cluster.node("w2", &[&app]).await;
    let (_member1, member2) = (member(&w1).await, member(&w2).await);
    let balancer = client(&app).await;
    members_become(&balancer, &[&w1, &w2]).await;

    // The balancer holds the node as well.
    drop((w2, member2));
    members_become(&balancer, &[&w1]).await;
    assert_eq!(answers(&balancer, 2).await.len(), 1);
}

#[tokio::test]
async fn a_group_is_left_with_the_last_clone_or_when_asked() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let (first, balancer) = (member(&w1).await, client(&app).await);
    members_become(&balancer, &[&w1]).await;

    let second = first.clone();
    drop(first);
    assert_eq!(second.members().unwrap(), names(&[&w1]));
    drop(second);
    members_become(&balancer, &[]).await;

    let member = member(&w1).await;
    members_become(&balancer, &[&w1]).await;
    member.leave();
    members_become(&balancer, &[]).await;
    members_become(&member, &[]).await;
}

#[tokio::test]
async fn without_members_there_is_no_route_and_the_error_says_for_what() {
    let cluster = Cluster::new();
    let node = cluster.node("lonely", &[]).await;
    let balancer = client(&node).await;

    let called = balancer.call::<(), _>(("demo", "node"), ()).await;
    let cast = balancer.cast(("demo", "node"), ()).await;
    for error in [called.unwrap_err(), cast.unwrap_err()] {
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert_eq!(error.message, "no members");
        assert!(matches!(error.cause(), Cause::NoMembers));
        assert_eq!(error.details.balancer.as_deref(), Some(GROUP));
        let function = error.details.function.unwrap().to_string();
        assert_eq!(
            (function.as_str(), error.details.arity),
            ("demo:node", Some(0))
        );
        assert_eq!(error.details.node, None);
    }
    for error in [
        balancer.select().map(drop).unwrap_err(),
        balancer.select_nodes(2).map(drop).unwrap_err(),
        balancer.members().map(drop).unwrap_err(),
        balancer
            .wait_for_members(1, Duration::ZERO)
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(matches!(error.cause(), Cause::NoMembers));
    }
}

#[tokio::test]
async fn an_error_of_a_member_says_which_one_and_which_function() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let balancer = member(&node).await;

    let called = balancer.call::<(), _>(("demo", "absent"), (1, 2)).await;
    let error = called.unwrap_err();
    assert!(error.is_undefined());
    assert_eq!(error.details.node.as_ref(), Some(node.name()));
    assert_eq!(error.details.balancer.as_deref(), Some(GROUP));
    assert_eq!(error.details.arity, Some(2));
}

#[tokio::test]
async fn a_member_is_busy_until_the_call_ends_or_is_dropped() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let (started, finish) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler = {
        let (started, finish) = (Arc::clone(&started), Arc::clone(&finish));
        move || {
            started.add_permits(1);
            let finish = Arc::clone(&finish);
            async move { finish.acquire().await.unwrap().forget() }
        }
    };
    node.export("demo", "wait", handler).unwrap();
    let balancer = member(&node).await;

    let call = balancer.call::<(), _>(("demo", "wait"), ());
    assert_eq!(balancer.in_flight(), 0);
    let call = tokio::spawn(call.send());
    started.acquire().await.unwrap().forget();
    assert_eq!(balancer.in_flight(), 1);
    finish.add_permits(1);
    call.await.unwrap().unwrap();
    assert_eq!(balancer.in_flight(), 0);

    let abandoned = tokio::spawn(balancer.call::<(), _>(("demo", "wait"), ()).send());
    started.acquire().await.unwrap().forget();
    assert_eq!(balancer.in_flight(), 1);
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    assert_eq!(balancer.in_flight(), 0);
}

/// Selects nobody, and calls the own node.
struct Direct;

impl Algorithm for Direct {
    type Table = ();
    type State = ();

    fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        None
    }

    fn is_local(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_local_algorithm_calls_the_own_node_without_any_member() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let balancer = Balancer::builder(GROUP).algorithm(Direct).join(false);
    let balancer = balancer.start(&node).await.unwrap();

    let name: String = balancer.call(("demo", "node"), ()).await.unwrap();
    assert_eq!(name, "only@127.0.0.1");
    balancer.cast(("demo", "node"), ()).await.unwrap();
}

/// Takes the key for the index of the member.
struct Indexed;

impl Algorithm for Indexed {
    type Table = ();
    type State = ();

    fn choose(&self, _: &Snapshot<Self>, selection: &Selection<'_>) -> Option<usize> {
        usize::try_from(selection.key()?.as_i64()?).ok()
    }
}

#[tokio::test]
async fn the_key_reaches_the_algorithm() {
    let cluster = Cluster::new();
    let app = cluster.node("app", &[]).await;
    let w1 = cluster.node("w1", &[&app]).await;
    let (_member, balancer) = (
        member(&w1).await,
        Balancer::builder(GROUP).algorithm(Indexed),
    );
    let balancer = balancer.start(&app).await.unwrap();
    members_become(&balancer, &[&app, &w1]).await;

    for (key, node) in [(0, &app), (1, &w1)] {
        let call = balancer.call(("demo", "node"), ()).key(key);
        let name: String = call.await.unwrap();
        assert_eq!(name, node.name().as_str());
        let lease = balancer.select_with_key(&Term::from(key)).unwrap();
        assert_eq!(lease.node(), node.name());
    }
    let unfit = balancer
        .call::<(), _>(("demo", "node"), ())
        .await
        .unwrap_err();
    assert_eq!(unfit.code, Code::ServiceUnavailable);
    assert_eq!(unfit.message, "no fit member among 2");
}

/// Notes whether calls succeeded.
struct Listener(Arc<Mutex<Vec<bool>>>);

impl Algorithm for Listener {
    type Table = ();
    type State = ();

    fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        Some(0)
    }

    fn on_outcome(&self, _: &Member<Self>, outcome: &Outcome) {
        self.0.lock().unwrap().push(outcome.succeeded);
    }
}

#[tokio::test]
async fn the_algorithm_learns_what_became_of_calls_unless_the_caller_is_at_fault() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let balancer = Balancer::builder(GROUP).algorithm(Listener(Arc::clone(&heard)));
    let balancer = balancer.start(&node).await.unwrap();

    let good: Result<String, _> = balancer.call(("demo", "node"), ()).await;
    let absent: Result<(), _> = balancer.call(("demo", "absent"), ()).await;
    let not_a_term: Result<(), _> = balancer.call(("demo", "node"), (f64::NAN,)).await;
    assert!(good.is_ok());
    assert!(absent.is_err());
    assert_eq!(not_a_term.unwrap_err().code, Code::BadRequest);
    assert_eq!(*heard.lock().unwrap(), [true, false]);
}

#[tokio::test]
async fn a_name_that_is_no_atom_is_refused_with_the_key() {
    let cluster = Cluster::new();
    let node = cluster.node("only", &[]).await;
    let error = Balancer::builder("x".repeat(256))
        .start(&node)
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert!(error.message.starts_with("name: "), "{error}");
}
