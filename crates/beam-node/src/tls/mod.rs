//! Distribution over TLS, as OTP's `-proto_dist inet_tls`.

mod certificates;
mod endpoint;
mod failure;
mod settings;
mod verifier;

pub(crate) use endpoint::Endpoint;
pub(crate) use failure::explain;
pub use settings::Tls;
