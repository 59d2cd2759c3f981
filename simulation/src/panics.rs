//! Panics of tasks, which the runtimes that they run on keep to themselves.

use std::{cell::RefCell, panic, sync::Once};

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Has panics noted, from here on. Where the hook that there was ends the program, as that of libFuzzer
/// does, they are not missed either.
pub(crate) fn note() {
    static NOTED: Once = Once::new();
    NOTED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
            before(panic);
        }));
    });
}

/// Those of this thread, which are then forgotten.
pub(crate) fn take() -> Vec<String> {
    PANICS.take()
}
