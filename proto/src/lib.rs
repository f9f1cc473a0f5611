//! coxswain.v1: the messages and gRPC services of a run, generated from the `.proto` files beside this crate.

/// Version 1 of the protocol.
#[allow(missing_docs, clippy::pedantic, reason = "generated; the .proto files are its documentation")]
pub mod v1 {
    tonic::include_proto!("coxswain.v1");
}

/// The compiled `.proto` files, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
