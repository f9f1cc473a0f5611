//! Compiles the protocol in Rust alone: no `protoc` has to be installed.

use protox::prost::Message;
use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    const FILES: [&str; 4] = [
        "coxswain/v1/cluster.proto",
        "coxswain/v1/training.proto",
        "coxswain/v1/inference.proto",
        "inference/grpc_predict_v2.proto",
    ];
    println!("cargo::rerun-if-changed=coxswain");
    println!("cargo::rerun-if-changed=inference");
    let descriptors = protox::compile(FILES, ["."])?;
    // Reflection serves these, so that any client can ask what the services are.
    let path = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(
        path,
        protox::Compiler::new(["."])?.include_imports(true).open_files(FILES)?.encode_file_descriptor_set(),
    )?;
    // The same with the comments, for the test that there are some.
    let path = PathBuf::from(env::var("OUT_DIR")?).join("documented.bin");
    fs::write(path, descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".inference").compile_fds(descriptors)?;
    Ok(())
}
