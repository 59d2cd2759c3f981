//! Peers that break the protocol.

use beam_node::DownReason;
use beam_term::{Term, Writer};
use bytes::{BufMut, BytesMut};

use crate::support::{Cluster, down, within};

/// A frame with a header that lists no atoms, around these terms.
fn frame(terms: impl FnOnce(&mut Writer<'_>)) -> BytesMut {
    let mut body = BytesMut::from(&[131, 68, 0][..]);
    terms(&mut Writer::new(&mut body));
    let mut frame = BytesMut::new();
    frame.put_u32(body.len() as u32);
    frame.put(body);
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn control_messages_that_are_not_known_are_skipped() {
    let cluster = Cluster::new();
    let a = cluster.start("a").await;
    let mut peer = cluster.raw_peer(&a, "raw").await;

    let unknown = frame(|writer| writer.term(&"{99, x, [y]}".parse().unwrap()).unwrap());
    peer.write(&unknown).await;
    let with_payload = frame(|writer| {
        writer.term(&"{100}".parse().unwrap()).unwrap();
        writer.term(&"payload".parse().unwrap()).unwrap();
    });
    peer.write(&with_payload).await;

    peer.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violation_of_the_protocol_closes_the_link_and_no_other() {
    let cluster = Cluster::new();
    let (a, b) = cluster.pair().await;
    let violations = [
        // No tuple, a wrong number of elements, and a wrong kind of element.
        frame(|writer| writer.term(&Term::atom("x")).unwrap()),
        frame(|writer| writer.term(&"{19, x}".parse().unwrap()).unwrap()),
        frame(|writer| writer.term(&"{19, x, y, z}".parse().unwrap()).unwrap()),
        // A message without a payload, and one with two.
        frame(|writer| {
            writer.term(&"{6, p, '', n}".parse().unwrap()).unwrap();
        }),
        frame(|writer| writer.term(&"{5}".parse().unwrap()).unwrap())
            .iter()
            .copied()
            .chain([0, 0, 0, 1, 7])
            .collect(),
        // Another form of frame than was negotiated, and no form at all.
        BytesMut::from(&[0, 0, 0, 4, 112, 131, 104, 0][..]),
        BytesMut::from(&[0, 0, 0, 1, 0][..]),
        // A frame that is longer than any may be.
        BytesMut::from(&[0xff; 8][..]),
        // A fragment of a message that never began.
        BytesMut::from(
            &[
                0, 0, 0, 18, 131, 70, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1,
            ][..],
        ),
        // A term that is cut off.
        BytesMut::from(&[0, 0, 0, 7, 131, 68, 0, 104, 200, 97, 1][..]),
    ];
    for violation in violations {
        let mut events = a.events();
        let mut peer = cluster.raw_peer(&a, "raw").await;
        peer.write(&violation).await;

        peer.closed().await;

        let reason = down(&mut events, peer.name()).await;
        assert!(
            matches!(reason, DownReason::Protocol(_)),
            "{violation:?}: {reason}"
        );
    }
    within(a.call::<Term, _>(b.name(), ("erlang", "node"), ()))
        .await
        .unwrap();
    assert_eq!(a.peers().len(), 1);
}
