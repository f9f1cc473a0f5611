//! What NCCL, c10d and cuBLAS have to be told before the first group is made. They read it from the environment alone.
//!
//! c10d takes a collective that does not end for a reason to end the process. Here it is none: who is lost is found out by
//! others, and those who are left form another group. Source: `ProcessGroupNCCL.hpp` and `ProcessGroupNCCL.cpp`, PyTorch 2.11
//! and 2.13.

use std::{env, ffi::OsString};

/// A variable, and what it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// What libtorch or NCCL calls it.
    pub name: &'static str,
    /// The value that is set where a person set none.
    pub value: &'static str,
    /// What happens otherwise, for a warning.
    pub otherwise: &'static str,
}

/// All of them. The flight recorder's had another name before, of which libtorch warns on a CPU as well.
pub const SETTINGS: [Setting; 7] = [
    Setting {
        name: "TORCH_NCCL_ASYNC_ERROR_HANDLING",
        value: "0",
        otherwise: "a worker ends with a peer that dies, instead of going on without it",
    },
    Setting {
        name: "TORCH_NCCL_WAIT_TIMEOUT_DUMP_MILSEC",
        value: "0",
        otherwise: "a worker that has lost a peer stands still before it goes on",
    },
    Setting {
        name: "TORCH_NCCL_DUMP_ON_TIMEOUT",
        value: "0",
        otherwise: "a worker that has lost a peer writes a dump before it goes on",
    },
    Setting {
        name: "TORCH_NCCL_ENABLE_MONITORING",
        value: "0",
        otherwise: "a worker whose collective takes long is ended",
    },
    Setting {
        name: "TORCH_FR_BUFFER_SIZE",
        value: "0",
        otherwise: "every collective is recorded, which takes time and memory",
    },
    Setting {
        name: "NCCL_ALGO",
        value: "Ring",
        otherwise: "the order of additions under --reduction ring may differ from run to run",
    },
    // Source: `torch.use_deterministic_algorithms` in PyTorch's documentation, and cuBLAS's chapter on reproducibility.
    Setting {
        name: "CUBLAS_WORKSPACE_CONFIG",
        value: ":4096:8",
        otherwise: "matrix products on a GPU may differ from run to run",
    },
];

/// Sets what nobody has set. Returns what somebody has set otherwise, with the value: it stays, and deserves a warning.
///
/// # Safety
/// No other thread may be there yet: they could read the environment meanwhile.
#[must_use]
pub unsafe fn prepare() -> Vec<(Setting, OsString)> {
    let mut otherwise = Vec::new();
    for setting in SETTINGS {
        match env::var_os(setting.name).filter(|value| !value.is_empty()) {
            None => {
                // SAFETY: this is the only thread, as the caller promises.
                unsafe { env::set_var(setting.name, setting.value) }
            }
            Some(value) if value == setting.value => {}
            Some(value) => otherwise.push((setting, value)),
        }
    }
    otherwise
}

/// The first setting that the environment does not have at all: [`prepare`] was not called.
#[must_use]
pub fn missing() -> Option<Setting> {
    SETTINGS.into_iter().find(|setting| env::var_os(setting.name).is_none_or(|value| value.is_empty()))
}
