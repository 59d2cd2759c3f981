//! Lists that do not end in `[]`.

use crate::Term;

/// A list that ends in something other than a list, such as `[1, 2 | x]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImproperList {
    elements: Vec<Term>,
    tail: Box<Term>,
}

impl ImproperList {
    /// `[elements… | tail]`.
    ///
    /// `None` if there is no element (the term would be the tail itself) or the tail is a list (the term would be a longer
    /// list). [`Term::list_with_tail`] takes these too.
    pub fn new(elements: Vec<Term>, tail: Term) -> Option<Self> {
        match tail {
            Term::List(_) | Term::ImproperList(_) => None,
            _ if elements.is_empty() => None,
            _ => Some(Self {
                elements,
                tail: Box::new(tail),
            }),
        }
    }

    /// The elements before the tail; at least one.
    pub fn elements(&self) -> &[Term] {
        &self.elements
    }

    /// What the list ends in; not a list.
    pub fn tail(&self) -> &Term {
        &self.tail
    }

    /// The elements and the tail.
    pub fn into_parts(self) -> (Vec<Term>, Term) {
        (self.elements, *self.tail)
    }
}
