//! What c10d reads from the environment is set, and what a person set stays.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nccl_rs::environment::{SETTINGS, missing, prepare};
use std::{
    env,
    ffi::{CStr, CString, c_char},
    process::Command,
};

unsafe extern "C" {
    fn getenv(name: *const c_char) -> *const c_char;
}

/// As C++ sees it.
fn seen(name: &str) -> Option<String> {
    let name = CString::new(name).unwrap();
    // SAFETY: the name ends with a zero, and nobody changes the environment while the value is copied.
    unsafe {
        let value = getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_str().unwrap().to_owned())
    }
}

/// Runs `test` of this program in a process of its own, with these variables.
fn alone(test: &str, variables: &[(&str, &str)]) -> bool {
    if env::var_os("TEST_ALONE").is_some() {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads=1"]).env("TEST_ALONE", "1");
    for setting in SETTINGS {
        command.env_remove(setting.name);
    }
    command.envs(variables.iter().copied());
    assert!(command.status().unwrap().success());
    false
}

#[test]
fn what_nobody_set_is_set() {
    if !alone("what_nobody_set_is_set", &[("NCCL_ALGO", "")]) {
        return;
    }
    assert_eq!(missing(), Some(SETTINGS[0]));
    // SAFETY: the other thread of this process waits for this one.
    assert_eq!(unsafe { prepare() }, []);
    assert_eq!(missing(), None);
    for setting in SETTINGS {
        assert_eq!(seen(setting.name).as_deref(), Some(setting.value), "{}", setting.name);
    }
}

#[test]
fn what_a_person_set_stays_and_is_told() {
    let set = [("TORCH_NCCL_ASYNC_ERROR_HANDLING", "3"), ("NCCL_ALGO", "Ring")];
    if !alone("what_a_person_set_stays_and_is_told", &set) {
        return;
    }
    // SAFETY: as above.
    let otherwise = unsafe { prepare() };
    assert_eq!(otherwise, [(SETTINGS[0], "3".into())]);
    assert_eq!(seen("TORCH_NCCL_ASYNC_ERROR_HANDLING").as_deref(), Some("3"));
    assert_eq!(seen("TORCH_NCCL_ENABLE_MONITORING").as_deref(), Some("0"));
}
