//! How results and failures look to people.

mod bars;
mod duration;
mod stack;
mod table;

pub(crate) use bars::Bars;
pub(crate) use duration::Short;
pub(crate) use stack::Stack;
pub(crate) use table::table;
