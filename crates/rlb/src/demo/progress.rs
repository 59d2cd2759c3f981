//! What the demo shows while it runs: a bar on a terminal, lines elsewhere.

use std::{
    fmt::Display,
    io::{self, IsTerminal},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{sync::watch, task::JoinHandle};

use crate::printer::{note, notes_in_json};

/// Shows how far the calls are, and what happens, on stderr.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    follower: Option<JoinHandle<()>>,
}

/// How many lines are printed where there is no terminal.
const LINES: u64 = 10;

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            bar: None,
            follower: None,
        }
    }

    /// Shows from now on how many of all calls are over.
    pub(super) fn follow(&mut self, calls: u64, done: watch::Receiver<u64>) {
        if io::stderr().is_terminal() && !notes_in_json() {
            let bar = ProgressBar::with_draw_target(Some(calls), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} calls, {per_sec}")
            {
                bar.set_style(style);
            }
            self.bar = Some(bar.clone());
            self.follower = Some(tokio::spawn(move_bar(bar, done)));
        } else {
            self.follower = Some(tokio::spawn(print_lines(calls, done)));
        }
    }

    /// Tells what happens.
    pub(super) fn say(&self, text: impl Display) {
        match &self.bar {
            Some(bar) => bar.println(text.to_string()),
            None => note(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(follower) = &self.follower {
            follower.abort();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

async fn move_bar(bar: ProgressBar, mut done: watch::Receiver<u64>) {
    while done.changed().await.is_ok() {
        bar.set_position(*done.borrow_and_update());
    }
}

async fn print_lines(calls: u64, mut done: watch::Receiver<u64>) {
    let mut printed = 0;
    while done.changed().await.is_ok() {
        let done = *done.borrow_and_update();
        let line = done * LINES / calls;
        if line > printed {
            printed = line;
            note(format_args!("{done} of {calls} calls"));
        }
    }
}
