//! Writes the gRPC service that tonic is measured with. It is described here rather than in a `.proto` file, so that
//! nobody needs `protoc`.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str, input: &str, output: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type(format!("crate::child::stack::grpc::{input}"))
            .output_type(format!("crate::child::stack::grpc::{output}"))
            .codec_path("tonic_prost::ProstCodec")
            .build()
    };
    let service = Service::builder()
        .name("Bench")
        .package("bench")
        .method(method("add", "Add", "Pair", "Number"))
        .method(method("echo", "Echo", "Payload", "Payload"))
        .method(method("map20", "Map20", "Fields", "Number"))
        .build();
    Builder::new().compile(&[service]);
}
