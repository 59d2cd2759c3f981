//! Process groups, as other nodes see them.

mod churn;
mod lifetimes;
mod order;
mod views;
mod waiting;
