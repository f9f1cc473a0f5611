//! Where each pixel of an augmented image comes from. Every augmentation is told in these terms, and a device that makes
//! batches has to know nothing else.

use std::ops::Range;

/// Along one axis: the places `inside` come from the image, one after the other; the others are padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// Places along the axis, before and after.
    len: u32,
    /// The places that come from the image.
    inside: Range<u32>,
    /// Where the first of those comes from.
    first: u32,
    /// Whether the ones after it come from ever lower places.
    mirrored: bool,
}

impl Axis {
    /// The axis as it is.
    #[must_use]
    pub fn new(len: u32) -> Self {
        Self { len, inside: 0..len, first: 0, mirrored: false }
    }

    /// The places that come from the image.
    #[must_use]
    pub fn inside(&self) -> Range<usize> {
        self.inside.start as usize..self.inside.end as usize
    }

    /// The places of the image that they come from. In reverse, if [`Self::is_mirrored`].
    #[must_use]
    pub fn source(&self) -> Range<usize> {
        let (first, count) = (self.first as usize, self.inside.len());
        if self.mirrored && count > 0 { first + 1 - count..first + 1 } else { first..first + count }
    }

    /// Whether the image is run through backwards.
    #[must_use]
    pub fn is_mirrored(&self) -> bool {
        self.mirrored
    }

    /// Where `place` comes from; `None`: it is padding.
    #[must_use]
    pub fn source_of(&self, place: usize) -> Option<usize> {
        let place = u32::try_from(place).ok().filter(|place| self.inside.contains(place))?;
        let along = place - self.inside.start;
        Some(if self.mirrored { self.first - along } else { self.first + along } as usize)
    }

    /// As `[start, end, first, direction]`: a place from `start` on and before `end` comes from
    /// `first + direction * (place - start)`, and others are padding.
    #[must_use]
    pub fn terms(&self) -> [i64; 4] {
        let direction = if self.mirrored { -1 } else { 1 };
        [i64::from(self.inside.start), i64::from(self.inside.end), i64::from(self.first), direction]
    }

    /// Every place shows what the place `by` further on did; what comes from beyond the axis is padding.
    pub fn shift(&mut self, by: i32) {
        let moved = |place: u32| (i64::from(place) - i64::from(by)).clamp(0, i64::from(self.len)) as u32;
        let inside = moved(self.inside.start)..moved(self.inside.end);
        if inside.is_empty() {
            (self.inside, self.first) = (0..0, 0);
            return;
        }
        // Of what was inside, so many are gone at the start.
        let gone = (i64::from(inside.start) + i64::from(by) - i64::from(self.inside.start)) as u32;
        self.first = if self.mirrored { self.first - gone } else { self.first + gone };
        self.inside = inside;
    }

    /// The last place shows what the first did, and so on.
    pub fn mirror(&mut self) {
        if !self.inside.is_empty() {
            let last = self.inside.len() as u32 - 1;
            self.first = if self.mirrored { self.first - last } else { self.first + last };
        }
        self.inside = self.len - self.inside.end..self.len - self.inside.start;
        self.mirrored = !self.mirrored;
    }
}

/// How one sample is to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// From top to bottom.
    pub rows: Axis,
    /// From left to right.
    pub columns: Axis,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy)]
    enum Change {
        Shift(i32),
        Mirror,
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        prop::collection::vec(prop_oneof![(-9i32..=9).prop_map(Change::Shift), Just(Change::Mirror)], 0..6)
    }

    proptest! {
        /// The definition: a list of places, each moved or turned round.
        #[test]
        fn any_shifts_and_mirrors_do_what_they_say(len in 1u32..9, changes in changes()) {
            let mut axis = Axis::new(len);
            let mut places: Vec<Option<usize>> = (0..len as usize).map(Some).collect();
            for change in changes {
                match change {
                    Change::Mirror => {
                        axis.mirror();
                        places.reverse();
                    }
                    Change::Shift(by) => {
                        axis.shift(by);
                        let at = |place: i32| usize::try_from(place).ok().and_then(|at| places.get(at).copied()).flatten();
                        places = (0..len as i32).map(|place| at(place + by)).collect();
                    }
                }
            }
            let found: Vec<_> = (0..len as usize).map(|place| axis.source_of(place)).collect();
            prop_assert_eq!(&found, &places);
            let [start, end, first, direction] = axis.terms();
            let by_terms = (0..i64::from(len)).map(|place| {
                (start..end).contains(&place).then(|| (first + direction * (place - start)) as usize)
            });
            prop_assert_eq!(by_terms.collect::<Vec<_>>(), places.clone());
            let mut run: Vec<usize> = axis.source().collect();
            if axis.is_mirrored() {
                run.reverse();
            }
            prop_assert_eq!(run, places.into_iter().flatten().collect::<Vec<_>>());
        }
    }
}
