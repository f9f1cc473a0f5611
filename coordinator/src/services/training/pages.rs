//! Pages of lists. Each item has a key, and the keys of a list only grow, or only fall. A token holds the key of the last item
//! that was sent. So nothing is sent twice or left out while a list grows.

use crate::services::wrong_argument;
use prost::Message;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use tonic::Status;

/// Items of a page, unless a client says otherwise.
const USUAL: usize = 100;
/// And at the most.
const MOST: usize = 1000;
/// Bytes after which nothing more goes on a page. Clients usually take messages of 4 MiB.
const BYTES: usize = 1 << 20;
/// Digits of a key in a token, and of its check.
const DIGITS: usize = 16;

/// Which page of a list is wanted.
#[derive(Debug)]
pub struct Page {
    size: usize,
    /// The key of the last item of the page before.
    after: Option<u64>,
    /// Stands for the list, its run and its filter.
    list: u64,
}

impl Page {
    /// The page after `token`, of a list that `list` tells apart from all others.
    ///
    /// # Errors
    /// If the token is of another list.
    pub fn new(list: &impl Hash, size: u32, token: &str) -> Result<Self, Status> {
        let list = hash(list);
        let size = if size == 0 { USUAL } else { MOST.min(size as usize) };
        let page = Self { size, after: None, list };
        if token.is_empty() {
            return Ok(page);
        }
        let after = token.get(..DIGITS).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let after = after.filter(|after| page.token(*after) == token).ok_or_else(|| {
            wrong_argument(
                "page_token",
                "it is no token of this list, this run and this filter: begin with an empty one",
            )
        })?;
        Ok(Self { after: Some(after), ..page })
    }

    /// The page's items, and the token of the next one; empty if there is none. The keys of `items` grow, or fall if `falling`. A
    /// page of large items is shorter.
    pub fn of<T: Message>(&self, items: impl Iterator<Item = (u64, T)>, falling: bool) -> (Vec<T>, String) {
        let comes = |key: u64| self.after.is_none_or(|after| if falling { key < after } else { key > after });
        let mut items = items.skip_while(|(key, _)| !comes(*key)).peekable();
        let (mut page, mut last) = (Vec::new(), None);
        let mut bytes = 0;
        while page.len() < self.size
            && bytes < BYTES
            && let Some((key, item)) = items.next()
        {
            last = Some(key);
            bytes += item.encoded_len();
            page.push(item);
        }
        let more = items.peek().is_some();
        (page, last.filter(|_| more).map_or_else(String::new, |last| self.token(last)))
    }

    fn token(&self, key: u64) -> String {
        format!("{key:0DIGITS$x}{:0DIGITS$x}", hash(&(self.list, key)))
    }
}

/// It keeps apart what belongs to different lists. It is no secret.
fn hash(value: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All of a list, page by page.
    fn all(keys: &[u64], size: u32, falling: bool) -> Vec<u64> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let page = Page::new(&("list", falling), size, &token).unwrap();
            let (items, next) = page.of(keys.iter().map(|key| (*key, *key)), falling);
            assert!(items.len() <= size as usize && (next.is_empty() || items.len() == size as usize));
            all.extend(items);
            if next.is_empty() {
                return all;
            }
            token = next;
        }
    }

    proptest! {
        #[test]
        fn every_item_is_on_one_page(keys in proptest::collection::btree_set(any::<u64>(), 0..50), size in 1u32..9) {
            let mut keys: Vec<u64> = keys.into_iter().collect();
            prop_assert_eq!(&all(&keys, size, false), &keys);
            keys.reverse();
            prop_assert_eq!(&all(&keys, size, true), &keys);
        }

        #[test]
        fn no_text_breaks_it(token in ".*") {
            let page = Page::new(&"list", 1, &token);
            prop_assert!(token.is_empty() || page.is_err());
        }
    }

    #[test]
    fn a_token_of_another_list_is_refused() {
        let (_, token) = Page::new(&"events", 1, "").unwrap().of((0..5).map(|key| (key, key)), false);
        assert_eq!(Page::new(&"events", 3, &token).unwrap().of((0..5).map(|key| (key, key)), false).0, [1, 2, 3]);
        let error = Page::new(&"epochs", 1, &token).unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn pages_are_bounded() {
        let len = |size| Page::new(&"list", size, "").unwrap().of((0..5000).map(|key| (key, key)), false).0.len();
        assert_eq!([0, 7, 5000].map(len), [USUAL, 7, MOST]);
        let large = |key| (key, "x".repeat(BYTES / 2));
        let (items, next) = Page::new(&"list", 0, "").unwrap().of((0..9).map(large), false);
        assert_eq!((items.len(), next.is_empty()), (2, false));
    }
}
