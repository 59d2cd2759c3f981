//! What one node has in groups.

use std::collections::{BTreeMap, btree_map::Entry};

use beam_term::{Pid, Term};

use crate::group::{
    bound::{Bound, name_bytes},
    pids::Pids,
};

/// The memberships that one node announced: its processes by group, each as often as it joined.
#[derive(Debug, Default)]
pub(super) struct Announced {
    groups: BTreeMap<Term, Pids>,
    memberships: usize,
    name_bytes: usize,
}

/// A group, and what the node has in it now.
pub(super) type Changed = (Term, Pids);

impl Announced {
    /// How many memberships there are in all.
    pub(super) fn len(&self) -> usize {
        self.memberships
    }

    /// How much of what a peer may announce this is.
    pub(super) fn taken(&self) -> Bound {
        Bound {
            memberships: self.memberships,
            name_bytes: self.name_bytes,
        }
    }

    /// Whether anything is in a group.
    pub(super) fn contains(&self, group: &Term) -> bool {
        self.groups.contains_key(group)
    }

    /// What is in a group.
    pub(super) fn of(&self, group: &Term) -> Pids {
        self.groups.get(group).cloned().unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&Term, &Pids)> {
        self.groups.iter()
    }

    /// The groups that a process is in, each as often as it joined.
    pub(super) fn groups_of(&self, pid: &Pid) -> Vec<Term> {
        self.iter()
            .flat_map(|(group, pids)| {
                let times = pids.iter().filter(|member| *member == pid).count();
                std::iter::repeat_n(group.clone(), times)
            })
            .collect()
    }

    /// Adds processes to a group.
    pub(super) fn join(&mut self, group: Term, joining: Vec<Pid>) -> Changed {
        self.memberships += joining.len();
        let pids = match self.groups.entry(group.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.name_bytes += name_bytes(&group);
                entry.insert(Pids::default())
            }
        };
        pids.extend(joining);
        (group, pids.clone())
    }

    /// Takes processes out of groups, as often as they are listed and the groups are left; gives the
    /// groups that changed.
    pub(super) fn leave(
        &mut self,
        leaving: &[Pid],
        groups: &BTreeMap<Term, usize>,
    ) -> Vec<Changed> {
        let leaving = counted(leaving);
        let mut changed = Vec::new();
        for (group, times) in groups {
            let pids = self.leave_group(group, |pid| leaving.get(pid).map_or(0, |n| n * times));
            changed.extend(pids.map(|pids| (group.clone(), pids)));
        }
        changed
    }

    /// Puts other memberships in the place of all; gives the groups that changed.
    pub(super) fn replace(&mut self, new: Self) -> Vec<Changed> {
        let mut old = std::mem::replace(self, new).groups;
        let mut changed = Vec::new();
        for (group, pids) in &self.groups {
            if old.remove(group).as_ref() != Some(pids) {
                changed.push((group.clone(), pids.clone()));
            }
        }
        changed.extend(old.into_keys().map(|group| (group, Pids::default())));
        changed
    }

    /// Takes each process out of a group as often as `times` says; gives those that stay.
    fn leave_group(&mut self, group: &Term, times: impl Fn(&Pid) -> usize) -> Option<Pids> {
        let pids = self.groups.get_mut(group)?;
        let mut left = BTreeMap::<Pid, usize>::new();
        let leaving = pids.retain(|pid| {
            let times = times(pid);
            if times == 0 {
                return true;
            }
            let left = left.entry(pid.clone()).or_default();
            let stays = *left >= times;
            *left += usize::from(!stays);
            stays
        });
        if leaving == 0 {
            return None;
        }
        self.memberships -= leaving;
        let pids = pids.clone();
        if pids.is_empty() {
            // Equal names may have encodings of other lengths: the one that was kept was counted.
            if let Some((kept, _)) = self.groups.remove_entry(group) {
                self.name_bytes -= name_bytes(&kept);
            }
        }
        Some(pids)
    }
}

/// How often each value is there.
pub(super) fn counted<T: Ord + Clone>(values: &[T]) -> BTreeMap<T, usize> {
    let mut counted = BTreeMap::new();
    for value in values {
        *counted.entry(value.clone()).or_default() += 1;
    }
    counted
}

#[cfg(test)]
mod tests {
    use beam_term::{Atom, Closure, Fun, Reference};

    use super::*;

    fn pid(id: u32) -> Pid {
        Pid {
            node: Atom::from_static("a@h"),
            id,
            serial: 0,
            creation: 1,
        }
    }

    fn group(name: &'static str) -> Term {
        Term::atom(name)
    }

    fn left(names: &[&'static str]) -> BTreeMap<Term, usize> {
        counted(&names.iter().copied().map(group).collect::<Vec<_>>())
    }

    #[test]
    fn a_process_leaves_as_often_as_it_joined() {
        let mut announced = Announced::default();
        announced.join(group("g"), vec![pid(1), pid(2), pid(1)]);
        assert_eq!(announced.groups_of(&pid(1)), [group("g"), group("g")]);

        let changed = announced.leave(&[pid(1)], &left(&["g"]));
        assert_eq!(changed[0].1.as_slice(), [pid(2), pid(1)]);
        let changed = announced.leave(&[pid(1)], &left(&["g", "g"]));
        assert_eq!(changed[0].1.as_slice(), [pid(2)]);
        assert_eq!(announced.leave(&[pid(1)], &left(&["g"])), []);
        assert_eq!(announced.len(), 1);
    }

    #[test]
    fn a_group_listed_twice_is_left_twice_by_each_process() {
        let mut announced = Announced::default();
        announced.join(group("g"), vec![pid(1), pid(1), pid(2), pid(2), pid(2)]);
        let changed = announced.leave(&[pid(1), pid(2)], &left(&["g", "g"]));
        assert_eq!(changed[0].1.as_slice(), [pid(2)]);
    }

    #[test]
    fn an_empty_group_is_forgotten() {
        let mut announced = Announced::default();
        announced.join(group("g"), vec![pid(1)]);
        let changed = announced.leave(&[pid(1)], &left(&["g", "other"]));
        assert_eq!(changed, [(group("g"), Pids::default())]);
        assert_eq!((announced.iter().len(), announced.len()), (0, 0));
        assert_eq!(announced.taken().name_bytes, 0);
    }

    #[test]
    fn a_name_that_is_left_under_a_longer_spelling_gives_back_what_it_took() {
        let reference =
            |ids: &[u32]| Term::from(Reference::new(pid(1).node, 1, ids).expect("so few words"));
        // The node of its creator is no part of what a closure is.
        let closure = |node: String| {
            Term::Fun(Box::new(Fun::Closure(Closure {
                module: Atom::from_static("m"),
                arity: 1,
                uniq: [7; 16],
                index: 2,
                old_index: 3,
                old_uniq: 4,
                creator: Pid {
                    node: Atom::try_from(node).expect("a short name"),
                    ..pid(1)
                },
                free: Vec::new(),
            })))
        };
        for (joined, left) in [
            (reference(&[1]), reference(&[1, 0, 0, 0, 0])),
            (closure("a".into()), closure("a".repeat(250))),
        ] {
            assert_eq!(joined, left);
            assert!(name_bytes(&joined) < name_bytes(&left));
            let mut announced = Announced::default();
            announced.join(group("other"), vec![pid(1)]);
            let before = announced.taken();
            announced.join(joined, vec![pid(1)]);
            announced.leave(&[pid(1)], &counted(&[left]));
            assert_eq!(announced.taken(), before);
        }
    }

    #[test]
    fn a_replacement_names_only_the_groups_that_differ() {
        let mut announced = Announced::default();
        announced.join(group("same"), vec![pid(1)]);
        announced.join(group("gone"), vec![pid(1)]);
        announced.join(group("other"), vec![pid(1)]);
        let mut new = Announced::default();
        new.join(group("same"), vec![pid(1)]);
        new.join(group("other"), vec![pid(2)]);
        new.join(group("new"), vec![pid(3)]);

        let mut changed = announced.replace(new);
        changed.sort_by_key(|(group, _)| group.clone());
        assert_eq!(
            changed,
            [
                (group("gone"), Pids::default()),
                (group("new"), Pids::from_iter([pid(3)])),
                (group("other"), Pids::from_iter([pid(2)])),
            ]
        );
        assert_eq!(announced.len(), 3);
    }
}
