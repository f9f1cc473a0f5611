//! Which parameters decay.

use resnet::{Buffer, Layout, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Which parameters the optimiser's weight decay is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// All of them, as in the article
    #[default]
    All,
    /// Weights of convolutions and of the head; neither normalisation nor biases
    Weights,
}

/// Parameters that are next to each other and are treated alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where they are in the flat buffer.
    pub range: Range<usize>,
    /// Whether they decay.
    pub decays: bool,
}

/// The parameters of `layout`, in groups, in their order.
#[must_use]
pub fn groups(layout: &Layout, decay: Decay) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for entry in layout.of(Buffer::Parameters) {
        let decays = decay == Decay::All || matches!(entry.role, Role::Weight { .. });
        let range = entry.offset..entry.offset + entry.elements();
        match groups.last_mut() {
            Some(last) if last.decays == decays && last.range.end == range.start => last.range.end = range.end,
            _ => groups.push(Group { range, decays }),
        }
    }
    groups
}

impl Group {
    /// What of it is within `range`, if anything.
    #[must_use]
    pub fn within(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let common = self.range.start.max(range.start)..self.range.end.min(range.end);
        (!common.is_empty()).then_some(common)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use resnet::{Architecture, Sizes, Stem};

    #[test]
    fn every_parameter_is_in_one_group() {
        let sizes = Sizes { channels: 3, side: 32, classes: 10 };
        let architecture = Architecture::named("resnet20", Stem::Small, sizes).unwrap();
        let layout = architecture.layout();
        let all = groups(layout, Decay::All);
        assert_eq!(all, [Group { range: 0..layout.parameters(), decays: true }]);
        let apart = groups(layout, Decay::Weights);
        assert!(apart.windows(2).all(|pair| pair[0].range.end == pair[1].range.start));
        assert_eq!((apart[0].range.start, apart.last().unwrap().range.end), (0, layout.parameters()));
        // 7 normalisations of each of 16, 32 and 64 channels, each a scale and a shift, and the bias of the head.
        let kept: usize = apart.iter().filter(|group| !group.decays).map(|group| group.range.len()).sum();
        assert_eq!(kept, 2 * 7 * (16 + 32 + 64) + 10);
    }
}
