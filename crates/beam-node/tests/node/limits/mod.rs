//! Every limit, reached once.

mod settings;
