//! The processes of a node, as far as peers can address and observe them.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use beam_dist::control::Target;
use beam_term::{Atom, Pid};
use rustc_hash::FxHashMap;

use super::{
    Key, Served, Watcher,
    watchers::{Told, Watchers},
};
use crate::mailbox::Inbox;

/// Something with a pid.
///
/// It lives from [`Processes::spawn`] to [`Processes::remove`]; whoever monitors or links to it
/// is kept in the meantime, and handed out on removal to be told.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) role: Role,
    /// `None` once the process has ended: a watcher that comes later is told `noproc`.
    watchers: Mutex<Option<Watchers>>,
}

/// What a process does with what it is sent.
#[derive(Debug)]
// Nearly all processes are calls that are served: a box would be for the few others.
#[expect(clippy::large_enum_variant)]
pub(crate) enum Role {
    /// Answers `net_adm:ping`.
    NetKernel,
    /// Answers `features_request`.
    Rex,
    /// Speaks the I/O protocol for functions that this node called.
    GroupLeader,
    /// The scope of process groups.
    Scope,
    /// Stands for this node as the sender of its calls.
    Caller,
    /// Is in a process group, and drops what it is sent.
    Member,
    /// Hands messages to the user of this library.
    Mailbox(Inbox),
    /// Runs an exported function.
    Served(Served),
}

impl Process {
    /// The call that it serves, if it does.
    pub(crate) fn served(&self) -> Option<&Served> {
        match &self.role {
            Role::Served(served) => Some(served),
            _ => None,
        }
    }

    /// Adds a watcher; `false` when the process has ended meanwhile.
    pub(crate) fn watch(&self, watcher: &Watcher) -> bool {
        match &mut *self.watchers() {
            Some(watchers) => {
                watchers.add(watcher.clone());
                true
            }
            None => false,
        }
    }

    /// Removes the watchers that a peer names so, and gives their number.
    pub(crate) fn unwatch(&self, key: &Key) -> usize {
        match &mut *self.watchers() {
            Some(watchers) => watchers.remove(key),
            None => 0,
        }
    }

    /// Removes the watchers that came over a link.
    pub(crate) fn unwatch_all(&self, link_id: u64) {
        if let Some(watchers) = &mut *self.watchers() {
            watchers.remove_where(|watcher| watcher.link().id == link_id);
        }
    }

    /// Whether anybody watches it over a link.
    pub(crate) fn is_watched_over(&self, link_id: u64) -> bool {
        let watchers = self.watchers();
        let mut watchers = watchers.iter().flat_map(Watchers::iter);
        watchers.any(|watcher| watcher.link().id == link_id)
    }

    /// Adds the ids of the links over which it is watched.
    pub(crate) fn add_watching_links(&self, links: &mut impl Extend<u64>) {
        let watchers = self.watchers();
        let watchers = watchers.iter().flat_map(Watchers::iter);
        links.extend(watchers.map(|watcher| watcher.link().id));
    }

    /// How many watch it.
    #[cfg(rlb_simulation)]
    pub(crate) fn watched_by(&self) -> usize {
        self.watchers().as_ref().map_or(0, Watchers::len)
    }

    fn watchers(&self) -> MutexGuard<'_, Option<Watchers>> {
        lock(&self.watchers)
    }
}

const SHARDS: usize = 16;

/// How many numbers of processes are given at a time to a link that starts them, which then come to the
/// same shard.
const NUMBERS: u64 = 64;

/// On a cache line of its own: a processor that takes it is not to take others with it.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Shard(Mutex<FxHashMap<u64, Arc<Process>>>);

/// Gives out pids of a node that nobody else gives out.
#[derive(Debug)]
pub(crate) struct Pids {
    node: Atom,
    creation: u32,
    /// What is left of a block of numbers.
    numbers: Mutex<Range<u64>>,
}

/// All processes of a node.
#[derive(Debug)]
pub(crate) struct Processes {
    pids: Pids,
    /// The next block of numbers.
    next: AtomicU64,
    /// By numbers that this node gave, not peers.
    shards: [Shard; SHARDS],
    names: RwLock<HashMap<Atom, Arc<Process>>>,
}

impl Processes {
    pub(crate) fn new(node: Atom, creation: u32) -> Self {
        Self {
            pids: Pids::new(node, creation),
            // The number 0 is no process, in OTP.
            next: AtomicU64::new(1),
            shards: Default::default(),
            names: RwLock::default(),
        }
    }

    /// For who starts many processes. It shares nothing with others, not even the count of holders that a
    /// long name of the node has.
    pub(crate) fn pids(&self) -> Pids {
        Pids::new(self.pids.node.detached(), self.pids.creation)
    }

    /// A pid that no process of this node has had.
    pub(crate) fn fresh_pid(&self, pids: &Pids) -> Pid {
        let number = {
            let mut numbers = lock(&pids.numbers);
            numbers.next().unwrap_or_else(|| {
                let first = self.next.fetch_add(NUMBERS, Ordering::Relaxed);
                *numbers = first + 1..first + NUMBERS;
                first
            })
        };
        Pid {
            node: pids.node.clone(),
            id: (number & PID_ID_MASK) as u32,
            serial: (number >> PID_ID_BITS) as u32,
            creation: pids.creation,
        }
    }

    /// Starts a process, with those who watch it from the start.
    pub(crate) fn spawn(
        &self,
        role: Role,
        watchers: impl IntoIterator<Item = Watcher>,
    ) -> Arc<Process> {
        self.spawn_as(self.fresh_pid(&self.pids), role, watchers)
    }

    /// The same, under a pid that no process of this node has had.
    pub(crate) fn spawn_as(
        &self,
        pid: Pid,
        role: Role,
        watchers: impl IntoIterator<Item = Watcher>,
    ) -> Arc<Process> {
        let process = Arc::new(Process {
            pid,
            role,
            watchers: Mutex::new(Some(watchers.into_iter().collect())),
        });
        self.shard(number(&process.pid))
            .insert(number(&process.pid), Arc::clone(&process));
        process
    }

    /// Gives a process a name; `false` when the name is taken.
    pub(crate) fn register(&self, name: Atom, process: &Arc<Process>) -> bool {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        match names.entry(name) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Arc::clone(process));
                true
            }
        }
    }

    /// The process with this pid; none for pids of other nodes or of an earlier incarnation.
    pub(crate) fn by_pid(&self, pid: &Pid) -> Option<Arc<Process>> {
        if pid.creation != self.pids.creation || pid.node != self.pids.node {
            return None;
        }
        let process = self.shard(number(pid)).get(&number(pid)).cloned()?;
        // A forged pid can have the number of another.
        (process.pid == *pid).then_some(process)
    }

    /// The process with this name.
    pub(crate) fn by_name(&self, name: &Atom) -> Option<Arc<Process>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(name).cloned()
    }

    /// The process that a control message is addressed to.
    pub(crate) fn find(&self, target: &Target) -> Option<Arc<Process>> {
        match target {
            Target::Pid(pid) => self.by_pid(pid),
            Target::Name(name) => self.by_name(name),
        }
    }

    /// Ends a process: takes it and its name out, and gives those who are to be told.
    pub(crate) fn remove(&self, process: &Process) -> Told {
        self.shard(number(&process.pid))
            .remove(&number(&process.pid));
        if !matches!(process.role, Role::Served(_) | Role::Member) {
            let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
            names.retain(|_, named| named.pid != process.pid);
        }
        process
            .watchers()
            .take()
            .map(Watchers::into_told)
            .unwrap_or_default()
    }

    /// Every process, for the rare sweep when a link ends or the node stops.
    pub(crate) fn all(&self) -> Vec<Arc<Process>> {
        self.shards
            .iter()
            .flat_map(|shard| lock(&shard.0).values().cloned().collect::<Vec<_>>())
            .collect()
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, FxHashMap<u64, Arc<Process>>> {
        lock(&self.shards[(number.wrapping_sub(1) / NUMBERS) as usize % SHARDS].0)
    }
}

impl Pids {
    fn new(node: Atom, creation: u32) -> Self {
        Self {
            node,
            creation,
            numbers: Mutex::default(),
        }
    }
}

/// Pids carry two words; OTP's own fill the first one to 28 bits.
const PID_ID_BITS: u32 = 28;
const PID_ID_MASK: u64 = (1 << PID_ID_BITS) - 1;

fn number(pid: &Pid) -> u64 {
    u64::from(pid.id) | (u64::from(pid.serial) << PID_ID_BITS)
}

/// A lock whose holder panicked is still consistent: every critical section here is one
/// insertion, removal or swap.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
