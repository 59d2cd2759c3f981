//! What a node logs.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// The warnings that are logged on this thread for as long as this lives, with all their fields. A
/// test that looks at them has a runtime of one thread.
pub(crate) struct Warnings {
    messages: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Warnings {
    pub(crate) fn collect() -> Self {
        Self::collect_from(Level::WARN)
    }

    /// Collects everything down to this level.
    pub(crate) fn collect_from(level: Level) -> Self {
        LazyLock::force(&ANOTHER);
        let messages = Arc::default();
        let collector = Collector(Arc::clone(&messages), level);
        Self {
            messages,
            _guard: tracing::subscriber::set_default(collector),
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }

    /// How many there were that contain this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        let messages = self.messages.lock().unwrap();
        messages.iter().filter(|line| line.contains(text)).count()
    }
}

/// As long as there is one collector only, `tracing` asks that of the thread on which an event comes for
/// the first time whether anybody listens to it, and keeps the answer for all threads. Tests that run
/// beside this one have none.
static ANOTHER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(Collector(Arc::default(), Level::ERROR)));

struct Collector(Arc<Mutex<Vec<String>>>, Level);

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.1
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a text does not fail.
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
