//! Links on which nothing comes.

use tokio::{net::TcpListener, time::Instant};

use super::*;

/// The peer of a link says nothing from now on.
pub(super) fn suspect(state: &NodeState, slot: &Slot, link: &Link) {
    suspect_again(state, slot, link, Instant::now());
}

/// The peer of a link says nothing from now on, and has answered nothing since then.
fn suspect_again(state: &NodeState, slot: &Slot, link: &Link, unanswered_since: Instant) {
    let silent = Silent {
        since: Instant::now(),
        unanswered_since,
    };
    state.suspect(slot, link, silent);
}

/// A peer, and what a handshake with it comes to.
fn known(state: &Arc<NodeState>) -> (Arc<Slot>, Established) {
    let peer = "p@127.0.0.1".parse().unwrap();
    (state.slot(&peer), handshake(state, &peer))
}

fn end(state: &NodeState, slot: &Slot, link: &Link) {
    link.close(DownReason::Closed);
    state.withdraw(slot, link);
}

fn is_idle(state: &NodeState, link: &Link) -> bool {
    let is_in_use = state.links_in_use().contains(&link.id);
    assert_eq!(state.is_in_use(link), is_in_use);
    state.is_idle(link, || is_in_use)
}

#[tokio::test(start_paused = true)]
async fn a_link_on_which_nothing_comes_is_kept_for_what_is_under_way_there() {
    let (node, state) = node().await;
    let (slot, established) = known(&state);
    let peer = slot.name();
    export_wait(&node);
    for under_way in [None, Some(monitor(peer)), Some(call(peer))] {
        let link = establish(&state, &slot, &established);
        assert!(!is_idle(&state, &link));
        suspect(&state, &slot, &link);
        assert!(is_idle(&state, &link));
        state.recover(&slot, &link);
        assert!(!is_idle(&state, &link));

        let nothing_is = under_way.is_none();
        if let Some(message) = under_way {
            dispatch(&Server::new(Arc::clone(&state)), &link, message);
        }
        suspect(&state, &slot, &link);
        assert_eq!(is_idle(&state, &link), nothing_is);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(is_idle(&state, &link), nothing_is);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(is_idle(&state, &link));
        end(&state, &slot, &link);
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_on_which_nothing_comes_is_kept_for_answers_that_somebody_waits_for() {
    let (node, state) = node().await;
    let (slot, established) = known(&state);
    node.export("m", "done", async || {}).unwrap();
    for deadline_ms in [None, Some(10_000)] {
        let link = establish(&state, &slot, &established);
        let message = call_within(slot.name(), "done", deadline_ms);
        dispatch(&Server::new(Arc::clone(&state)), &link, message);
        while link.serving() > 0 {
            tokio::task::yield_now().await;
        }

        suspect(&state, &slot, &link);
        assert!(!is_idle(&state, &link));
        tokio::time::advance(Duration::from_secs(10)).await;
        let waits_for_ever = deadline_ms.is_none();
        assert_eq!(is_idle(&state, &link), !waits_for_ever);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(is_idle(&state, &link));

        // That it speaks does not say that they have arrived; that it answers a probe does.
        state.recover(&slot, &link);
        suspect(&state, &slot, &link);
        assert_eq!(is_idle(&state, &link), !waits_for_ever);
        link.serving.probe_answers();
        link.serving.confirm_answers();
        assert!(is_idle(&state, &link));
        end(&state, &slot, &link);
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_on_which_nothing_comes_is_kept_for_an_answer_that_waits_for_room() {
    let limits = Limits {
        outgoing_bytes_per_peer: 1,
        ..Limits::default()
    };
    let (node, state) = node_with(limits).await;
    let (slot, established) = known(&state);
    node.export("m", "done", async || {}).unwrap();
    let link = establish(&state, &slot, &established);
    let server = Server::new(Arc::clone(&state));
    let is_served = |process: &Arc<Process>| process.served().is_some();
    // The first answer takes the room that there is.
    for deadline_ms in [1_000, 10_000] {
        let message = call_within(slot.name(), "done", Some(deadline_ms));
        dispatch(&server, &link, message);
        while state.processes.all().iter().any(is_served) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(link.serving(), 1);

    suspect(&state, &slot, &link);

    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(!is_idle(&state, &link));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(is_idle(&state, &link));
}

#[tokio::test(start_paused = true)]
async fn each_suspicion_is_an_event_and_few_are_warnings() {
    const FLAPS: usize = 5;

    let (node, state) = node().await;
    let mut events = node.events();
    let peers: Vec<NodeName> = (0..50)
        .map(|number| format!("p{number}@127.0.0.1").parse().unwrap())
        .collect();
    for peer in &peers {
        let slot = state.slot(peer);
        let link = establish(&state, &slot, &handshake(&state, peer));
        for _ in 0..FLAPS {
            suspect(&state, &slot, &link);
            state.recover(&slot, &link);
        }
    }
    let mut suspicions = 0;
    while suspicions < peers.len() * FLAPS {
        if let Some(Event::Suspect { .. }) = events.next().await {
            suspicions += 1;
        }
    }

    let warnings = &state.warnings.suspects;
    // The first one of a peer was told, and the others were not; peers beyond the first few share one warning.
    assert!(warnings.now_of(&peers[0]).is_none());
    assert!(warnings.now_of(&peers[49]).is_none());
    tokio::time::advance(Duration::from_secs(10)).await;
    let left_out = warnings.now_of(&peers[0]).unwrap();
    assert_eq!(left_out.to_string(), FLAPS.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_now_and_then_keeps_what_is_under_way_though_it_answers_no_probe() {
    let (_node, state) = node().await;
    let (slot, established) = known(&state);
    let link = establish(&state, &slot, &established);
    dispatch(
        &Server::new(Arc::clone(&state)),
        &link,
        monitor(slot.name()),
    );
    let asked = Instant::now();
    suspect(&state, &slot, &link);
    for _ in 0..10 {
        // As long as OTP lets pass between two ticks.
        tokio::time::advance(Duration::from_secs(15)).await;
        assert!(!is_idle(&state, &link));
        state.recover(&slot, &link);
        suspect_again(&state, &slot, &link, asked);
        assert!(!is_idle(&state, &link));
        assert_eq!(link.unanswered_for(), Some(asked.elapsed()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_connected_to_anew_sooner_where_nothing_is_under_way() {
    for (is_in_use, least) in [(false, 8), (true, 45)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer: NodeName = "p@127.0.0.1".parse().unwrap();
        let address = listener.local_addr().unwrap();
        let builder = builder(Limits::default()).address(peer.as_str(), address);
        let (_node, state) = started(builder).await;
        let slot = state.slot(&peer);
        let link = establish(&state, &slot, &handshake(&state, &peer));
        if is_in_use {
            dispatch(&Server::new(Arc::clone(&state)), &link, monitor(&peer));
        }
        let begun = Instant::now();
        suspect(&state, &slot, &link);

        let connected = tokio::time::timeout(Duration::from_secs(60), listener.accept());

        connected.await.unwrap().unwrap();
        let waited = begun.elapsed().as_secs();
        assert!((least..least + 5).contains(&waited), "{waited} s");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_answers_over_a_link_that_has_ended() {
    let (node, state) = node().await;
    let (slot, established) = known(&state);
    node.export("m", "done", async || {}).unwrap();
    let server = Server::new(Arc::clone(&state));
    let hour_ms = Some(60 * 60 * 1000);
    for ends_first in [false, true] {
        let link = establish(&state, &slot, &established);
        dispatch(&server, &link, call_within(slot.name(), "done", hour_ms));
        if ends_first {
            end(&state, &slot, &link);
        }
        while link.serving() > 0 {
            tokio::task::yield_now().await;
        }

        let next = establish(&state, &slot, &established);
        suspect(&state, &slot, &next);
        assert!(is_idle(&state, &next), "{ends_first}");
        end(&state, &slot, &next);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_was_stopped_has_a_moment_to_speak_on_the_link_that_there_is() {
    let (_node, state) = node().await;
    let (slot, established) = known(&state);
    let moment = SPEAKING_PATIENCE - Duration::from_millis(1);
    for (speaks, ends) in [(false, false), (true, false), (false, true)] {
        let link = establish(&state, &slot, &established);
        suspect(&state, &slot, &link);
        let begun = Instant::now();
        let word = tokio::spawn({
            let (state, slot, link) = (Arc::clone(&state), Arc::clone(&slot), Arc::clone(&link));
            async move { state.await_word(&slot, &link).await }
        });
        tokio::time::sleep(moment).await;
        assert!(!word.is_finished());
        if speaks {
            state.recover(&slot, &link);
        }
        if ends {
            end(&state, &slot, &link);
        }
        word.await.unwrap();
        let waits_on = !speaks && !ends;
        assert_eq!(begun.elapsed() > moment, waits_on);
        end(&state, &slot, &link);
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_is_kept_for_whoever_watched_what_has_ended() {
    let (node, state) = node().await;
    let (slot, established) = known(&state);
    let link = establish(&state, &slot, &established);
    let mailbox = node.mailbox(Some("watched")).unwrap();
    let message = monitor_of(slot.name(), "watched");
    dispatch(&Server::new(Arc::clone(&state)), &link, message);

    drop(mailbox);
    suspect(&state, &slot, &link);

    assert!(!is_idle(&state, &link));
}

/// The process of the only call that is served.
fn served(state: &NodeState) -> Arc<Process> {
    let mut processes = state.processes.all().into_iter();
    processes
        .find(|process| process.served().is_some())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_link_is_kept_for_the_answer_of_a_call_that_was_killed() {
    let (node, state) = node().await;
    let (slot, established) = known(&state);
    export_wait(&node);
    let link = establish(&state, &slot, &established);
    let server = Server::new(Arc::clone(&state));
    dispatch(&server, &link, call(slot.name()));
    let kill = Exit2 {
        from: pid(slot.name(), 1),
        to: Recipient::Pid(served(&state).pid.clone()),
        priority: false,
        token: None,
    };
    let reason = RawTerm::serialize(&Term::atom("kill")).unwrap();
    let message = Message {
        control: Control::Exit2(kill),
        payload: Some(reason),
    };

    dispatch(&server, &link, message);
    while link.serving() > 0 {
        tokio::task::yield_now().await;
    }
    suspect(&state, &slot, &link);

    assert!(!is_idle(&state, &link));
}

#[tokio::test(start_paused = true)]
async fn a_link_is_kept_for_whoever_watched_a_call_that_it_did_not_wait_for() {
    let (node, state) = node().await;
    let (slot, established) = known(&state);
    let (go, gate) = tokio::sync::watch::channel(false);
    let gated = move || {
        let mut gate = gate.clone();
        async move {
            let _ = gate.wait_for(|is_open| *is_open).await;
        }
    };
    node.export("m", "gated", gated).unwrap();
    for is_watched in [false, true] {
        let link = establish(&state, &slot, &established);
        let server = Server::new(Arc::clone(&state));
        let mut message = call_within(slot.name(), "gated", None);
        if let Control::SpawnRequest(request) = &mut message.control {
            request.options.monitor = false;
        }
        go.send_replace(false);
        dispatch(&server, &link, message);
        if is_watched {
            let monitor = Monitor {
                from: pid(slot.name(), 1),
                to: Target::Pid(served(&state).pid.clone()),
                reference: reference(slot.name(), 9),
            };
            let message = Message {
                control: Control::Monitor(monitor),
                payload: None,
            };
            dispatch(&server, &link, message);
        }
        suspect(&state, &slot, &link);
        assert_eq!(is_idle(&state, &link), !is_watched, "while it runs");
        go.send_replace(true);
        while link.serving() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(is_idle(&state, &link), !is_watched, "when it has ended");
        end(&state, &slot, &link);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_to_renew_a_link_and_one_of_the_peer_meet_for_a_moment_only() {
    let (_node, state) = node().await;
    // Of two that meet, that of the greater name goes on.
    for (peer, met) in [
        ("a@127.0.0.1", Decision::Nok),
        ("p@127.0.0.1", Decision::Alive),
    ] {
        let peer = peer.parse().unwrap();
        let (slot, established) = (state.slot(&peer), handshake(&state, &peer));
        let link = establish(&state, &slot, &established);
        let decided = |creation| {
            let (decision, _) = slot.accept(state.name(), creation, Some(&link));
            decision
        };
        let (same, another) = (link.creation, Creation::new(8));
        suspect(&state, &slot, &link);
        assert_eq!(decided(same), Decision::Alive);

        let _renewal = slot.begin().await;

        assert_eq!(decided(same), met);
        // It may be one that took the name of a peer that hangs.
        assert_eq!(decided(another), Decision::Alive);
        state.recover(&slot, &link);
        assert_eq!(decided(same), Decision::Alive);
        suspect(&state, &slot, &link);
        assert_eq!(decided(same), met);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(decided(same), Decision::Alive);
        end(&state, &slot, &link);
    }
}
