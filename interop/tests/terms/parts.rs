//! What terms are made of.

use beam_term::{Fun, Term};

/// Whether a term, or one inside of it, is of some sort.
pub(crate) fn has(term: &Term, sort: impl Fn(&Term) -> bool + Copy) -> bool {
    sort(term) || parts(term).any(|part| has(part, sort))
}

fn parts(term: &Term) -> Box<dyn Iterator<Item = &Term> + '_> {
    match term {
        Term::Tuple(elements) | Term::List(elements) => Box::new(elements.iter()),
        Term::ImproperList(list) => Box::new(list.elements().iter().chain([list.tail()])),
        Term::Map(map) => Box::new(map.keys().chain(map.values())),
        Term::Fun(fun) => match &**fun {
            Fun::Closure(closure) => Box::new(closure.free.iter()),
            Fun::Export { .. } => Box::new(std::iter::empty()),
        },
        _ => Box::new(std::iter::empty()),
    }
}
