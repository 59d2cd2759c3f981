//! `tower`'s choice between two, [`Balance`], over services that do nothing, with the calls in
//! flight of each as its load: `poll_ready`, `call`, and the end of the call's future, which takes
//! the call off again.
//!
//! It belongs to one task. Two threads share it by a mutex here, for as long as it takes to be ready
//! and to call; its own way, `Buffer`, is a channel to a task, which costs more.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_util::Stream;
use tower::{
    Service,
    balance::p2c::Balance,
    discover::{self, ServiceList},
    load::{CompleteOnResponse, PendingRequests},
};

use super::{Change, Changing, Contestant, Entry, Library};

pub(super) fn entry() -> Entry {
    Entry::new(
        Library::Tower,
        "p2c",
        |members| {
            let members: Vec<Member> = (0..members).map(|_| member()).collect();
            let mut balance = Balance::new(ServiceList::new::<()>(members));
            until_ready(&mut balance);
            Arc::new(Balanced(Mutex::new(balance)))
        },
        |members| Box::new(Changes::new(members)),
    )
}

type Member = PendingRequests<Idle, CompleteOnResponse>;

fn member() -> Member {
    PendingRequests::new(Idle, CompleteOnResponse::default())
}

/// Is always ready, and answers at once.
struct Idle;

impl Service<()> for Idle {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

fn until_ready<S: Service<(), Error = tower::BoxError>>(balance: &mut S) {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(ready) = balance.poll_ready(&mut context) {
            return ready.expect("the services cannot fail");
        }
    }
}

struct Balanced(Mutex<Balance<ServiceList<Vec<Member>>, ()>>);

impl Balanced {
    fn balance(&self) -> MutexGuard<'_, Balance<ServiceList<Vec<Member>>, ()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contestant for Balanced {
    fn alone(&self, selections: u32) {
        let balance = &mut *self.balance();
        for _ in 0..selections {
            until_ready(balance);
            black_box(&balance.call(()));
        }
    }

    fn shared(&self, selections: u32) {
        for _ in 0..selections {
            let call = {
                let balance = &mut *self.balance();
                until_ready(balance);
                balance.call(())
            };
            black_box(&call);
        }
    }
}

/// The changes that the balancer is to see.
#[derive(Clone, Default)]
struct Coming(Arc<Mutex<VecDeque<discover::Change<usize, Member>>>>);

impl Coming {
    fn queue(&self) -> MutexGuard<'_, VecDeque<discover::Change<usize, Member>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Coming {
    type Item = Result<discover::Change<usize, Member>, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.queue().pop_front() {
            Some(change) => Poll::Ready(Some(Ok(change))),
            None => Poll::Pending,
        }
    }
}

struct Changes {
    balance: Balance<Coming, ()>,
    coming: Coming,
    members: usize,
}

impl Changes {
    fn new(members: usize) -> Self {
        let coming = Coming::default();
        let first = (0..members).map(|key| discover::Change::Insert(key, member()));
        coming.queue().extend(first);
        let mut balance = Balance::new(coming.clone());
        until_ready(&mut balance);
        Self {
            balance,
            coming,
            members,
        }
    }
}

impl Changing for Changes {
    fn prepare(&mut self, change: Change) {
        self.coming.queue().push_back(match change {
            Change::Join => discover::Change::Insert(self.members, member()),
            Change::Leave => discover::Change::Remove(self.members),
        });
    }

    fn apply(&mut self) {
        until_ready(&mut self.balance);
    }
}
