//! The registry of exports.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use beam_term::Atom;

use crate::{
    Error, Function,
    export::{Entry, Export},
};

/// The functions of a node that others may call. Finding one takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    /// Sorted by module, name and arity.
    entries: ArcSwap<Vec<Arc<Entry>>>,
    changing: Mutex<()>,
}

impl Exports {
    /// Lets others call a function; `bad_request` where a name is no atom, or where there is one
    /// already.
    pub(crate) fn register(&self, export: Export) -> Result<(), Error> {
        let entry = export.into_entry()?;
        self.change(
            |entries| match position(entries, &entry.function, entry.arity) {
                Ok(_) => Err(Error::bad_request(format!("{entry} is exported already"))),
                Err(at) => {
                    entries.insert(at, Arc::new(entry));
                    Ok(())
                }
            },
        )
    }

    /// Puts a function in the place of the one under the same name and arity, if there is one.
    /// Calls that run already are not touched. `bad_request` where a name is no atom.
    pub(crate) fn replace(&self, export: Export) -> Result<(), Error> {
        let entry = export.into_entry()?;
        self.change(
            |entries| match position(entries, &entry.function, entry.arity) {
                Ok(at) => entries[at] = Arc::new(entry),
                Err(at) => entries.insert(at, Arc::new(entry)),
            },
        );
        Ok(())
    }

    /// Takes a function back; `false` if there was none. Calls that run already are not touched.
    pub(crate) fn unregister(&self, function: &Function, arity: usize) -> bool {
        self.change(|entries| match position(entries, function, arity) {
            Ok(at) => {
                entries.remove(at);
                true
            }
            Err(_) => false,
        })
    }

    /// The function that is called.
    pub(crate) fn find(&self, module: &Atom, name: &Atom, arity: usize) -> Option<Arc<Entry>> {
        let entries = self.entries.load();
        let at = search(&entries, module, name, arity).ok()?;
        entries.get(at).cloned()
    }

    /// All functions, sorted by module, name and arity.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        Vec::clone(&self.entries.load())
    }

    /// Readers see all of a change or nothing of it.
    fn change<R>(&self, change: impl FnOnce(&mut Vec<Arc<Entry>>) -> R) -> R {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = Vec::clone(&self.entries.load());
        let result = change(&mut entries);
        self.entries.store(Arc::new(entries));
        result
    }
}

fn position(entries: &[Arc<Entry>], function: &Function, arity: usize) -> Result<usize, usize> {
    search(entries, &function.module, &function.name, arity)
}

fn search(
    entries: &[Arc<Entry>],
    module: &Atom,
    name: &Atom,
    arity: usize,
) -> Result<usize, usize> {
    entries.binary_search_by(|entry| {
        let Function {
            module: entry_module,
            name: entry_name,
        } = &entry.function;
        (entry_module, entry_name, entry.arity).cmp(&(module, name, arity))
    })
}
