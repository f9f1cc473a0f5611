//! What a generation does collectives with.

use proto::v1::{Backend, Hello};
use std::collections::BTreeMap;

/// NCCL where every member can use it and has a GPU to itself, which it needs; else Gloo. Where that is not what GPUs are for,
/// the second value says why.
pub(super) fn backend<'a>(members: impl IntoIterator<Item = &'a Hello>) -> (Backend, Option<String>) {
    let mut on: BTreeMap<&str, &str> = BTreeMap::new();
    let mut backend = Backend::Nccl;
    let mut why = None;
    for member in members {
        if !member.nccl {
            backend = Backend::Gloo;
            if member.device != "cpu" {
                why.get_or_insert_with(|| format!("{} was told to use Gloo", member.name));
            }
        } else if !member.gpu.is_empty()
            && let Some(other) = on.insert(&member.gpu, &member.name)
        {
            backend = Backend::Gloo;
            why.get_or_insert_with(|| format!("{other} and {} share a GPU, which NCCL does not allow", member.name));
        }
    }
    (backend, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, gpu: &str, nccl: bool) -> Hello {
        let device = if gpu.is_empty() { "cpu" } else { "cuda:0" };
        Hello { name: name.to_owned(), device: device.to_owned(), gpu: gpu.to_owned(), nccl, ..Hello::default() }
    }

    #[test]
    fn nccl_needs_a_gpu_for_each() {
        let (a, b, same) = (member("a", "1", true), member("b", "2", true), member("c", "1", true));
        assert_eq!(backend([&a, &b]), (Backend::Nccl, None));
        let (chosen, why) = backend([&a, &b, &same]);
        assert_eq!(chosen, Backend::Gloo);
        assert_eq!(why.unwrap(), "a and c share a GPU, which NCCL does not allow");
    }

    #[test]
    fn one_that_does_without_nccl_decides_for_all() {
        let (a, told) = (member("a", "1", true), member("b", "2", false));
        assert_eq!(backend([&a, &told]), (Backend::Gloo, Some("b was told to use Gloo".to_owned())));
    }

    #[test]
    fn cpus_use_gloo_without_a_word() {
        let (a, b) = (member("a", "", false), member("b", "", false));
        assert_eq!(backend([&a, &b]), (Backend::Gloo, None));
    }
}
