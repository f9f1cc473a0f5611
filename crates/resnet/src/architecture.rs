//! A network: its parts in the order of computation.
//!
//! Names, shapes and order are those of the article's PyTorch module. Its parts are `features`, `layer1` to `layer4`,
//! and `classifer`, as it spells it. So its own class loads our weights with `strict=True`.

use crate::{
    Layout, Sizes, Stem,
    model::Model,
    node::{Block, Head, Node, Shape},
};

/// A network: its parts in the order of computation, and where their tensors lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    name: &'static str,
    sizes: Sizes,
    nodes: Vec<Node>,
    layout: Layout,
}

/// No model halves a side of so many pixels to less than two.
const LONGEST_SEARCHED: u32 = 1 << 16;

impl Architecture {
    pub(crate) fn new(model: Model, stem: Stem, sizes: Sizes) -> Self {
        let mut nodes = stem.nodes(sizes.channels, model.width);
        let mut channels = model.width;
        for (stage, count) in model.blocks.iter().enumerate() {
            let inner = model.width << stage;
            for index in 0..*count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let block = Block::new(model.kind, &format!("layer{}.{index}", stage + 1), channels, inner, stride);
                channels = block.outputs();
                nodes.push(Node::Block(block));
            }
        }
        nodes.push(Node::Head(Head { name: "classifer".to_owned(), inputs: channels, classes: sizes.classes }));
        let layout = Layout::new(&nodes);
        Self { name: model.name, sizes, nodes, layout }
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is made for.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The parts, in the order of computation.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where each of its tensors lies.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The side of what its head is given, in pixels, of images of `side` pixels.
    #[must_use]
    pub fn last_side(&self, side: u32) -> u32 {
        let before_head = self.nodes.iter().filter(|node| !matches!(node, Node::Head(_)));
        let image = Shape { channels: self.sizes.channels, side };
        before_head.fold(image, |shape, node| node.described().output(shape)).side
    }

    /// Whether it learns from images of `side` pixels. From shorter ones its last normalisations would see one value of an
    /// image, and the variance of one value is no number.
    #[must_use]
    pub fn fits(&self, side: u32) -> bool {
        self.last_side(side) >= 2
    }

    /// The shortest side that [fits](Self::fits).
    #[must_use]
    pub fn shortest_side(&self) -> u32 {
        (1..=LONGEST_SEARCHED).find(|side| self.fits(*side)).unwrap_or(LONGEST_SEARCHED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, stem: Stem) -> Architecture {
        Architecture::named(name, stem, Sizes { channels: 1, side: 64, classes: 7 }).unwrap()
    }

    #[test]
    fn a_model_is_made_for_its_data_set() {
        let architecture = named("resnet20", Stem::Small);
        let nodes = architecture.nodes();
        assert!(matches!(&nodes[0], Node::Convolution(stem) if stem.inputs == 1));
        assert!(matches!(nodes.last(), Some(Node::Head(Head { classes: 7, .. }))));
        assert_eq!(architecture.last_side(64), 16);
    }

    #[test]
    fn sides_are_halved_and_rounded_up() {
        let (small, large) = (named("resnet18", Stem::Small), named("resnet18", Stem::Large));
        assert_eq!([32, 30, 9].map(|side| small.last_side(side)), [4, 4, 2]);
        assert_eq!([224, 64, 33].map(|side| large.last_side(side)), [7, 2, 2]);
    }

    #[test]
    fn the_shortest_side_leaves_two_pixels() {
        assert_eq!(named("resnet18", Stem::Small).shortest_side(), 9);
        assert_eq!(named("resnet18", Stem::Large).shortest_side(), 33);
        assert_eq!(named("resnet20", Stem::Small).shortest_side(), 5);
    }
}
