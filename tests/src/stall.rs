//! A disk that stands still for a while: whoever syncs a file waits as long as a switch is on.

use std::{fs, path::Path, process::Command};

/// What stands in for the system's calls in a process that it is preloaded into.
const CODE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void wait_while_stalled(int file) {
  const char *path = getenv("COXSWAIN_TEST_STALL"), *only = getenv("COXSWAIN_TEST_STALL_ONLY");
  char link[64], name[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, name, sizeof name - 1);
  name[length < 0 ? 0 : length] = 0;
  if (only && !strstr(name, only)) return;
  while (path && access(path, F_OK) == 0) usleep(10000);
}

int fsync(int file) {
  wait_while_stalled(file);
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

int fdatasync(int file) {
  wait_while_stalled(file);
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
"#;

/// The switch, and what a process needs in its environment to be subject to it.
pub struct Stall {
    switch: String,
    library: String,
}

impl Stall {
    /// A switch in `directory`, off.
    ///
    /// # Panics
    /// If there is no C compiler.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        let path = |name: &str| directory.join(name).to_str().expect("the path is text").to_owned();
        let (source, library) = (path("stall.c"), path("stall.so"));
        fs::write(&source, CODE).expect("there is room for a file");
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, &source, "-ldl"]).status();
        assert!(compiled.expect("there is a C compiler").success(), "{CODE}");
        Self { switch: path("stalled"), library }
    }

    /// The variables.
    #[must_use]
    pub fn variables(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", &self.library), ("COXSWAIN_TEST_STALL", &self.switch)]
    }

    /// The variables, where only files stall with `part` in their path.
    #[must_use]
    pub fn variables_for<'a>(&'a self, part: &'a str) -> [(&'a str, &'a str); 3] {
        let [preload, switch] = self.variables();
        [preload, switch, ("COXSWAIN_TEST_STALL_ONLY", part)]
    }

    /// From here on nothing is synced.
    ///
    /// # Panics
    /// If the switch cannot be made.
    pub fn begin(&self) {
        fs::write(&self.switch, "").expect("there is room for an empty file");
    }

    /// What waits goes on.
    ///
    /// # Panics
    /// If it was not stalled.
    pub fn end(&self) {
        fs::remove_file(&self.switch).expect("it was stalled");
    }
}
