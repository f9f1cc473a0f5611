//! Compiles the C interface to what `tch` does not wrap.

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
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").warnings(false).debug(false).file("shim/shim.cpp");
    // As system headers, so that their warnings stay quiet.
    for path in [include.clone(), include.join("torch/csrc/api/include")] {
        build.flag("-isystem").flag(path);
    }
    build.compile("coxswain_operations");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    Ok(())
}
