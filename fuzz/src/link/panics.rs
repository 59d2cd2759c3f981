//! Panics of tasks, which the runtime that they run on keeps to itself.

use std::{cell::RefCell, panic, sync::Once};

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Has panics noted, from here on, and forgets those of this thread. Where the hook that there was ends
/// the program, as that of libFuzzer does, they are not missed either.
pub(super) fn note() {
    static NOTED: Once = Once::new();
    NOTED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
            before(panic);
        }));
    });
    PANICS.take();
}

/// Those of this thread since [`note`].
pub(super) fn noted() -> Vec<String> {
    PANICS.take()
}
