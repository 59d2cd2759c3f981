//! The map of twenty keys.

use serde::{Deserialize, Serialize};

/// What a job could look like. A map with atoms as keys between nodes, twenty fields of a message with gRPC.
#[derive(Clone, PartialEq, Serialize, Deserialize, prost::Message)]
pub(crate) struct Fields {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int64, tag = "2")]
    account: i64,
    #[prost(int64, tag = "3")]
    region: i64,
    #[prost(int64, tag = "4")]
    shard: i64,
    #[prost(int64, tag = "5")]
    attempt: i64,
    #[prost(int64, tag = "6")]
    created: i64,
    #[prost(int64, tag = "7")]
    updated: i64,
    #[prost(int64, tag = "8")]
    priority: i64,
    #[prost(string, tag = "9")]
    name: String,
    #[prost(string, tag = "10")]
    owner: String,
    #[prost(string, tag = "11")]
    queue: String,
    #[prost(string, tag = "12")]
    trace: String,
    #[prost(double, tag = "13")]
    cost: f64,
    #[prost(double, tag = "14")]
    weight: f64,
    #[prost(double, tag = "15")]
    progress: f64,
    #[prost(double, tag = "16")]
    score: f64,
    #[prost(bool, tag = "17")]
    urgent: bool,
    #[prost(bool, tag = "18")]
    sealed: bool,
    #[prost(bool, tag = "19")]
    audited: bool,
    #[prost(bool, tag = "20")]
    public: bool,
}

impl Fields {
    /// The same as `fields/0` in `erlang/rlb_bench.erl`.
    pub(crate) fn sample() -> Self {
        Self {
            id: 7_300_001,
            account: 88_213,
            region: 3,
            shard: 117,
            attempt: 2,
            created: 1_764_150_000,
            updated: 1_764_150_321,
            priority: 5,
            name: "resize-image".into(),
            owner: "media-team".into(),
            queue: "bulk-eu-central".into(),
            trace: "0af7651916cd43dd8448eb211c80319c".into(),
            cost: 12.5,
            weight: 1.25,
            progress: 0.5,
            score: 99.75,
            urgent: true,
            sealed: false,
            audited: true,
            public: false,
        }
    }

    /// An integer that every field goes into: what the callee answers.
    pub(crate) fn digest(&self) -> i64 {
        let numbers = self.id
            + self.account
            + self.region
            + self.shard
            + self.attempt
            + self.created
            + self.updated
            + self.priority;
        let texts = self.name.len() + self.owner.len() + self.queue.len() + self.trace.len();
        let floats = [self.cost, self.weight, self.progress, self.score];
        let flags = [self.urgent, self.sealed, self.audited, self.public];
        numbers
            + texts as i64
            + floats.map(|float| float as i64).iter().sum::<i64>()
            + flags.map(i64::from).iter().sum::<i64>()
    }
}
