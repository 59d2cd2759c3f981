//! Functions as values.

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
