//! Lets a program find libtorch when it runs: beside itself, or where it was when the program was built. Link arguments
//! do not propagate from a dependency, so every package with a program or tests that use libtorch names this script.

use std::{env, path::Path};

fn main() {
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/libtorch/lib");
    // Set by torch-sys, which found it.
    if let Ok(lib) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
        if Path::new(&lib).join("libtorch_cuda.so").exists() {
            // Nothing refers to a symbol of it, so a linker would drop it, and CUDA would silently not be there.
            println!("cargo::rustc-link-arg=-L{lib}");
            println!("cargo::rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,--as-needed");
        }
    }
}
