//! The processes that a node has in a group.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use beam_term::Pid;

/// How many processes are copied when one joins or leaves a group that somebody looks at.
const CHUNK: usize = 256;

/// Processes in the order in which they joined, one that joined twice twice.
///
/// Cheap to clone, and to change while there are clones: a change copies one chunk, however many
/// processes there are. As one slice they are laid out when somebody asks for it.
#[derive(Clone, Default)]
pub(crate) struct Pids(Arc<Chunks>);

#[derive(Default)]
struct Chunks {
    chunks: Vec<Arc<Vec<Pid>>>,
    len: usize,
    /// All chunks in a row, where there are several.
    whole: OnceLock<Box<[Pid]>>,
}

impl Pids {
    pub(super) fn len(&self) -> usize {
        self.0.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pid> {
        self.0.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    pub(super) fn as_slice(&self) -> &[Pid] {
        match &self.0.chunks[..] {
            [] => &[],
            [chunk] => chunk,
            _ => self.0.whole.get_or_init(|| self.iter().cloned().collect()),
        }
    }

    pub(super) fn extend(&mut self, pids: impl IntoIterator<Item = Pid>) {
        let Chunks { chunks, len, .. } = self.changed();
        for pid in pids {
            match chunks.last_mut() {
                Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(pid),
                _ => chunks.push(Arc::new(vec![pid])),
            }
            *len += 1;
        }
    }

    /// Takes out those that are not to be kept; tells how many they were.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Pid) -> bool) -> usize {
        let before = self.len();
        let mut chunks: Vec<_> = self
            .0
            .chunks
            .iter()
            .filter_map(|chunk| retained(chunk, &mut keep))
            .collect();
        let len = chunks.iter().map(|chunk| chunk.len()).sum();
        if len == before {
            return 0;
        }
        // What is left of many chunks is put together now and then.
        if chunks.len() > 2 * (len / CHUNK + 1) {
            let pids: Vec<_> = chunks
                .iter()
                .flat_map(|chunk| chunk.iter())
                .cloned()
                .collect();
            chunks = pids
                .chunks(CHUNK)
                .map(|chunk| Arc::new(chunk.to_vec()))
                .collect();
        }
        self.0 = Arc::new(Chunks {
            chunks,
            len,
            whole: OnceLock::new(),
        });
        before - len
    }

    /// What is to be changed, for this value alone.
    fn changed(&mut self) -> &mut Chunks {
        if Arc::get_mut(&mut self.0).is_none() {
            self.0 = Arc::new(Chunks {
                chunks: self.0.chunks.clone(),
                len: self.0.len,
                whole: OnceLock::new(),
            });
        }
        let chunks = Arc::get_mut(&mut self.0).expect("nobody else has it");
        chunks.whole = OnceLock::new();
        chunks
    }
}

/// What is left of a chunk: itself, if nothing is taken out.
fn retained(chunk: &Arc<Vec<Pid>>, keep: &mut impl FnMut(&Pid) -> bool) -> Option<Arc<Vec<Pid>>> {
    let mut kept: Option<Vec<Pid>> = None;
    for (at, pid) in chunk.iter().enumerate() {
        match (&mut kept, keep(pid)) {
            (None, true) | (Some(_), false) => {}
            (None, false) => kept = Some(chunk[..at].to_vec()),
            (Some(kept), true) => kept.push(pid.clone()),
        }
    }
    match kept {
        None => Some(Arc::clone(chunk)),
        Some(kept) if kept.is_empty() => None,
        Some(kept) => Some(Arc::new(kept)),
    }
}

impl FromIterator<Pid> for Pids {
    fn from_iter<I: IntoIterator<Item = Pid>>(pids: I) -> Self {
        let mut found = Self::default();
        found.extend(pids);
        found
    }
}

/// However they are spread over chunks.
impl PartialEq for Pids {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Pids {}

impl fmt::Debug for Pids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use beam_term::Atom;

    use super::*;

    fn pid(id: usize) -> Pid {
        Pid {
            node: Atom::from_static("a@h"),
            id: u32::try_from(id).unwrap(),
            serial: 0,
            creation: 1,
        }
    }

    #[test]
    fn a_change_leaves_clones_and_most_of_the_chunks_as_they_are() {
        let mut pids: Pids = (0..10 * CHUNK + 7).map(pid).collect();
        let before = pids.clone();

        pids.extend([pid(1_000_000)]);
        assert_eq!(pids.retain(|found| *found != pid(3 * CHUNK + 1)), 1);

        assert_eq!(before.as_slice().len(), 10 * CHUNK + 7);
        assert_eq!(pids.len(), 10 * CHUNK + 7);
        assert_eq!(pids.as_slice().last(), Some(&pid(1_000_000)));
        let chunks = before.0.chunks.iter().zip(&pids.0.chunks);
        let same = chunks.filter(|(old, new)| Arc::ptr_eq(old, new)).count();
        assert_eq!(same, 9);
    }

    #[test]
    fn what_is_left_of_chunks_is_put_together() {
        let mut pids: Pids = (0..20 * CHUNK).map(pid).collect();
        let removed = pids.retain(|pid| (pid.id as usize).is_multiple_of(CHUNK));
        assert_eq!((removed, pids.len()), (20 * (CHUNK - 1), 20));
        assert_eq!(pids.0.chunks.len(), 1);
        assert!(pids.as_slice().iter().eq(pids.iter()));
        assert_eq!(pids.retain(|_| true), 0);
        assert_eq!(pids.retain(|_| false), 20);
        assert!(pids.is_empty() && pids.as_slice().is_empty());
    }
}
