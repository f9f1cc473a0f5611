//! Compiles the C interface to libtorch's process groups.

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=shim");
    // Set by torch-sys, which found it.
    let lib = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB")?);
    let include = lib.parent().unwrap_or(Path::new("/")).join("include");
    let cuda = env::var_os("CARGO_FEATURE_CUDA").is_some();
    if cuda && !lib.join("libtorch_cuda.so").exists() {
        return Err(format!(
            "feature `cuda`: {} has no libtorch_cuda.so; fetch libtorch for CUDA with `cargo xtask setup --cuda`",
            lib.display()
        )
        .into());
    }
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").warnings(false).debug(false).file("shim/shim.cpp").include("shim");
    // As system headers, so that their warnings stay quiet.
    for path in [include.clone(), include.join("torch/csrc/api/include")] {
        build.flag("-isystem").flag(path);
    }
    if cuda {
        build.define("COXSWAIN_CUDA", None);
    }
    build.compile("coxswain_c10d");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    if lib.join("libtorch_cuda.so").exists() {
        println!("cargo::rustc-link-search=native={}", lib.display());
        println!("cargo::rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,--as-needed");
    }
    Ok(())
}
