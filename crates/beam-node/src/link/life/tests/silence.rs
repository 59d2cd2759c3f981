//! Links on which nothing comes.

use tokio::time::Instant;

use super::*;

/// The peer of a link answers nothing from now on.
pub(super) fn suspect(state: &NodeState, slot: &Slot, link: &Link) {
    let now = Instant::now();
    let silent = Silent {
        since: now,
        unanswered_since: now,
    };
    state.suspect(slot, link, silent);
}

#[tokio::test(start_paused = true)]
async fn a_link_on_which_nothing_comes_is_kept_for_what_is_under_way_there() {
    let (node, state) = node().await;
    let peer: NodeName = "p@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    node.export("m", "wait", async |context: CallContext| {
        context.cancelled().await;
    })
    .unwrap();
    let slot = state.slot(&peer);
    let three_quarters = Duration::from_secs(45);
    for under_way in [None, Some(monitor(&peer)), Some(call(&peer))] {
        let link = establish(&state, &slot, &established);
        assert!(!state.is_replaceable(&link));
        suspect(&state, &slot, &link);
        assert!(state.is_replaceable(&link));
        state.recover(&slot, &link);
        assert!(!state.is_replaceable(&link));

        let is_idle = under_way.is_none();
        if let Some(message) = under_way {
            dispatch(&Server::new(Arc::clone(&state)), &link, message);
        }
        suspect(&state, &slot, &link);
        assert_eq!(state.is_replaceable(&link), is_idle);
        tokio::time::advance(three_quarters - Duration::from_millis(1)).await;
        assert_eq!(state.is_replaceable(&link), is_idle);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(state.is_replaceable(&link));
        link.close(DownReason::Closed);
        state.withdraw(&slot, &link);
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_on_which_nothing_comes_is_kept_for_answers_that_somebody_waits_for() {
    let (node, state) = node().await;
    let peer: NodeName = "p@127.0.0.1".parse().unwrap();
    let established = handshake(&state, &peer);
    node.export("m", "done", async || {}).unwrap();
    let slot = state.slot(&peer);
    for deadline_ms in [None, Some(10_000)] {
        let link = establish(&state, &slot, &established);
        let message = call_within(&peer, "done", deadline_ms);
        dispatch(&Server::new(Arc::clone(&state)), &link, message);
        while link.serving() > 0 {
            tokio::task::yield_now().await;
        }

        suspect(&state, &slot, &link);
        assert!(!state.is_replaceable(&link));
        tokio::time::advance(Duration::from_secs(10)).await;
        let waits_for_ever = deadline_ms.is_none();
        assert_eq!(state.is_replaceable(&link), !waits_for_ever);

        // It is heard of, and falls silent again.
        state.recover(&slot, &link);
        link.heard();
        suspect(&state, &slot, &link);
        assert!(state.is_replaceable(&link));
        link.close(DownReason::Closed);
        state.withdraw(&slot, &link);
    }
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
