//! What shows how far it is: a bar on a terminal, lines elsewhere.

use std::{
    cell::Cell,
    fmt::Display,
    io::{self, IsTerminal},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far it is. Drawn between measurements only, never during one.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    steps: usize,
    done: Cell<usize>,
}

impl Progress {
    /// With so many steps ahead.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
            match ProgressStyle::with_template("{bar:40} {percent:>3} % {msg}, {eta} left") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self {
            bar,
            steps,
            done: Cell::new(0),
        }
    }

    /// Something else is measured from now on.
    pub fn stage(&self, what: impl Display) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_string()),
            None => eprintln!("{:3} % {what}", 100 * self.done.get() / self.steps.max(1)),
        }
    }

    /// Another step is done.
    pub fn step(&self) {
        self.done.set(self.done.get() + 1);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
