//! Requests that have a name. One that is repeated is answered as the first was, and changes nothing.

use crate::services::wrong_argument;
use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;
use tonic::Status;

/// Requests of a kind that are remembered.
const REMEMBERED: usize = 1024;
/// Bytes of a name.
const LONGEST: usize = 128;

/// The answer of a request, once there is one.
type Answer<T> = watch::Receiver<Option<Result<T, Status>>>;

#[derive(Debug)]
struct Known<T> {
    answers: HashMap<String, Answer<T>>,
    /// The oldest first.
    order: VecDeque<String>,
}

/// The requests of a kind. Clones are the same.
#[derive(Debug, Clone)]
pub struct Requests<T>(Arc<Mutex<Known<T>>>);

impl<T> Default for Requests<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Known { answers: HashMap::new(), order: VecDeque::new() })))
    }
}

impl<T: Clone + Send + Sync + 'static> Requests<T> {
    /// What `work` comes to for the first request of this `name`. It is done to its end, even if who asked is gone. One without a
    /// name is a first one.
    ///
    /// # Errors
    /// What `work` fails with, or that the name is too long.
    pub async fn once(
        &self,
        name: String,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        if name.is_empty() {
            return work.await;
        }
        if name.len() > LONGEST {
            return Err(wrong_argument("request_id", &format!("it has more than {LONGEST} bytes")));
        }
        let mut answer = self.answer(name, work);
        // Whoever does the work says what came of it, unless it broke.
        let answer = answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        answer.unwrap_or_else(|| Err(Status::internal("the request broke, and it is not known what came of it")))
    }

    fn answer(&self, name: String, work: impl Future<Output = Result<T, Status>> + Send + 'static) -> Answer<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.answers.get(&name) {
            return answer.clone();
        }
        let (sender, answer) = watch::channel(None);
        known.answers.insert(name.clone(), answer.clone());
        known.order.push_back(name);
        if known.order.len() > REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.answers.remove(&oldest);
        }
        tokio::spawn(async move { sender.send_replace(Some(work.await)) });
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn what_has_a_name_is_done_once() {
        let requests = Requests::default();
        let done = Arc::new(AtomicU32::new(0));
        let work = || {
            let done = Arc::clone(&done);
            async move {
                tokio::task::yield_now().await;
                match done.fetch_add(1, Ordering::SeqCst) {
                    0 => Ok("first"),
                    1 => Err(Status::failed_precondition("over")),
                    _ => Ok("later"),
                }
            }
        };
        let (a, b) = tokio::join!(requests.once("a".to_owned(), work()), requests.once("a".to_owned(), work()));
        assert_eq!((a.unwrap(), b.unwrap()), ("first", "first"));
        for _ in 0..2 {
            let refused = requests.once("b".to_owned(), work()).await.unwrap_err();
            assert_eq!(refused.message(), "over", "what failed is not tried again");
        }
        assert_eq!(requests.once(String::new(), work()).await.unwrap(), "later");
        assert_eq!(done.load(Ordering::SeqCst), 3);
        let long = requests.once("x".repeat(LONGEST + 1), work()).await.unwrap_err();
        assert_eq!(long.code(), tonic::Code::InvalidArgument);
    }

    #[tokio::test]
    async fn names_do_not_fill_the_memory() {
        let requests = Requests::default();
        for name in 0..REMEMBERED + 9 {
            requests.once(name.to_string(), async move { Ok(name) }).await.unwrap();
        }
        let known = requests.0.lock().unwrap();
        assert_eq!((known.answers.len(), known.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!known.answers.contains_key("8") && known.answers.contains_key("9"));
    }
}
