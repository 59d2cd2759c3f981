//! Functions as values.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

use crate::{Atom, Pid, Term};

/// A function as a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fun {
    /// `fun module:function/arity`.
    Export {
        /// The module.
        module: Atom,
        /// The function.
        function: Atom,
        /// How many arguments it takes.
        arity: u8,
    },
    /// A function with an environment. Only a node with the very same module can call it.
    Closure(Closure),
}

/// A function with an environment, as its node describes it.
///
/// As in Erlang, who made it does not count where closures are compared; OTP 27 and later do not even keep it.
#[derive(Clone, Debug)]
pub struct Closure {
    /// The module that it was made in.
    pub module: Atom,
    /// How many arguments it takes.
    pub arity: u8,
    /// The MD5 digest of the significant parts of the module's code.
    pub uniq: [u8; 16],
    /// Its number within the module.
    pub index: u32,
    /// Its number within the module, as releases before OTP 23 count.
    pub old_index: i32,
    /// The hash of its code, as releases before OTP 23 reckon it.
    pub old_uniq: i32,
    /// The process that made it.
    pub creator: Pid,
    /// The values of its environment.
    pub free: Vec<Term>,
}

impl Closure {
    /// What tells closures apart, in the order in which Erlang compares it; the rest is the same for the same code.
    fn identity(&self) -> impl Ord + Hash + '_ {
        let code = (&self.module, self.index, self.old_uniq);
        let rest = (self.uniq, self.old_index, self.arity);
        (code, self.free.len(), &self.free, rest)
    }
}

impl PartialEq for Closure {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Closure {}

impl Hash for Closure {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl Ord for Closure {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl PartialOrd for Closure {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_made_a_closure_does_not_count() {
        let pid = |node| Pid {
            node: Atom::from_static(node),
            id: 1,
            serial: 0,
            creation: 1,
        };
        let closure = |creator, free| Closure {
            module: Atom::from_static("m"),
            arity: 1,
            uniq: [7; 16],
            index: 2,
            old_index: 2,
            old_uniq: 9,
            creator,
            free,
        };
        let value = || vec![Term::from(1)];
        assert_eq!(closure(pid("a@b"), value()), closure(pid("c@d"), value()));
        assert_ne!(closure(pid("a@b"), value()), closure(pid("a@b"), vec![]));
        assert!(
            closure(pid("a@b"), vec![Term::from(9)]) < closure(pid("a@b"), vec![Term::nil(); 2])
        );
    }
}
