//! What a selection is asked for.

use beam_term::Term;

/// What the one who selects tells the algorithm.
///
/// ```
/// use rpc_load_balancer::{Selection, Term};
///
/// let user = Term::binary("user-42");
/// assert_eq!(Selection::with_key(&user).key(), Some(&user));
/// assert_eq!(Selection::default().key(), None);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    key: Option<&'a Term>,
}

impl<'a> Selection<'a> {
    /// A selection for a key, any term: algorithms that hash pick the same member for the same
    /// key, the others ignore it.
    pub fn with_key(key: &'a Term) -> Self {
        Self { key: Some(key) }
    }

    /// The key, if one was given.
    pub fn key(&self) -> Option<&'a Term> {
        self.key
    }
}
