//! How what is asked gets to the node that was picked.

use std::{future::Future, marker::PhantomData};

use beam_node::{Arguments, Error, Function, Peer};
use serde::de::DeserializeOwned;

use super::waiting::Clock;
use crate::telemetry::Kind;

/// How a request is delivered to the node that was picked.
pub(super) trait Delivery {
    type Output: Send;

    const KIND: Kind;

    fn deliver<'a, A: Arguments>(
        peer: &'a Peer,
        function: &'a Function,
        arguments: &'a A,
        terms: Terms,
    ) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// How long a delivery may take, and whether it may come twice.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) clock: Clock,
    pub(super) idempotent: bool,
}

/// Delivery as a call, whose result is a `T`.
pub(super) struct Calling<T>(PhantomData<T>);

/// Delivery as a cast.
pub(super) struct Casting;

impl<T: DeserializeOwned + Send> Delivery for Calling<T> {
    type Output = T;

    const KIND: Kind = Kind::Call;

    fn deliver<'a, A: Arguments>(
        peer: &'a Peer,
        function: &'a Function,
        arguments: &'a A,
        Terms { clock, idempotent }: Terms,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let call = peer.call(function, arguments).leave_suspect(idempotent);
        let call = call.timeout(clock.timeout).since(clock.begun);
        call.until(clock.until).send()
    }
}

impl Delivery for Casting {
    type Output = ();

    const KIND: Kind = Kind::Cast;

    fn deliver<'a, A: Arguments>(
        peer: &'a Peer,
        function: &'a Function,
        arguments: &'a A,
        Terms { clock, .. }: Terms,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let cast = peer.cast(function, arguments);
        let cast = cast.timeout(clock.timeout).since(clock.begun);
        cast.until(clock.until).send()
    }
}
