//! What the driver says of a GPU. libtorch knows it as well, and `tch` does not pass it on.

/// A CUDA device: what people know it by, and what it can compute in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gpu {
    /// As its maker calls it, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// The compute capability: major and minor.
    pub capability: (i32, i32),
    /// The same in every process that uses it, and another one for every other GPU.
    pub id: String,
}

impl Gpu {
    /// The GPU of this index, of those that CUDA_VISIBLE_DEVICES leaves. `None` where the driver does not say.
    #[cfg(feature = "cuda")]
    pub fn at(index: usize) -> Option<Self> {
        use cudarc::driver::{result, sys};

        // SAFETY: it only looks for the library.
        if !unsafe { sys::is_culib_present() } {
            return None;
        }
        let ask = || {
            result::init()?;
            let device = result::device::get(index as i32)?;
            // SAFETY: the device was just found.
            let attribute = |attribute| unsafe { result::device::get_attribute(device, attribute) };
            let major = attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
            let minor = attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
            let id = u128::from_be_bytes(result::device::get_uuid(device)?.bytes.map(|byte| byte as u8));
            Ok::<_, result::DriverError>(Self {
                name: result::device::get_name(device)?,
                capability: (major, minor),
                id: format!("{id:032x}"),
            })
        };
        ask().inspect_err(|error| tracing::warn!("the driver says nothing of GPU {index}: {error}")).ok()
    }

    /// `None`: this build knows no GPU.
    #[cfg(not(feature = "cuda"))]
    pub fn at(_: usize) -> Option<Self> {
        None
    }

    /// Whether it has matrix units for bf16: from 8.0 on.
    pub fn has_bf16(&self) -> bool {
        self.capability >= (8, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_from_ampere_on() {
        let has = |capability| Gpu { name: "a GPU".to_owned(), capability, id: "0".to_owned() }.has_bf16();
        assert!(!has((7, 5)) && has((8, 0)) && has((8, 6)) && has((9, 0)) && has((12, 0)));
    }
}
